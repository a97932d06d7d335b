-- Tiers: rates and timeouts that lines share, and which line is on which, from when to when.
set local role bccd_owner;

-- ---- Tiers ----

-- What lines get never changes under them: another rate is another tier.
create table broadband_tiers (
    id text collate "C" primary key check (id like 'tir\_%'),
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    offering_id text collate "C" references offerings, -- null: any
    name text not null check (length(name) between 1 and 200),
    name_en text not null default '' check (length(name_en) <= 200),
    committed_downstream_kbit bigint not null check (committed_downstream_kbit >= 0),
    maximum_downstream_kbit bigint not null check (maximum_downstream_kbit > 0),
    committed_upstream_kbit bigint not null check (committed_upstream_kbit >= 0),
    maximum_upstream_kbit bigint not null check (maximum_upstream_kbit > 0),
    session_timeout integer check (session_timeout > 0), -- seconds
    idle_timeout integer check (idle_timeout > 0), -- seconds
    self_service boolean not null default false, -- a tenant may change to it
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint broadband_tiers_committed_downstream check (committed_downstream_kbit <= maximum_downstream_kbit),
    constraint broadband_tiers_committed_upstream check (committed_upstream_kbit <= maximum_upstream_kbit)
);
comment on table broadband_tiers is 'domain: broadband; rates and timeouts that lines share; immutable but for the names';
create index broadband_tiers_offering on broadband_tiers (offering_id, id);
call protect_platform_table('broadband_tiers');
create policy tenant on broadband_tiers for select to bccd_tenant using (true);
grant select on broadband_tiers to bccd_tenant, bccd_jobs;
grant select, insert, update on broadband_tiers to bccd_operator;
call audit_table('broadband_tiers');

create function tier_document(t broadband_tiers) returns json
    language sql stable
as $$
    select json_build_object(
        'id', t.id, 'code', t.code, 'offering_id', t.offering_id, 'name', t.name, 'name_en', t.name_en,
        'committed_downstream_kbit', t.committed_downstream_kbit, 'maximum_downstream_kbit', t.maximum_downstream_kbit,
        'committed_upstream_kbit', t.committed_upstream_kbit, 'maximum_upstream_kbit', t.maximum_upstream_kbit,
        'session_timeout', t.session_timeout, 'idle_timeout', t.idle_timeout, 'self_service', t.self_service,
        'state', t.state, 'created_at', instant_text(t.created_at), 'updated_at', instant_text(t.updated_at))
$$;

-- In force from starts_at until before ends_at, as plan_assignments are.
create table line_tiers (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    number integer not null check (number > 0),
    tier_id text collate "C" not null references broadband_tiers,
    starts_at timestamptz not null,
    ends_at timestamptz check (ends_at >= starts_at),
    applied_at timestamptz, -- sessions that were open when it began have been told to end
    primary key (tenant_id, resource_id, number),
    unique (tenant_id, resource_id, starts_at),
    foreign key (tenant_id, resource_id) references broadband_lines (tenant_id, resource_id)
);
comment on table line_tiers is 'domain: broadband; which tier a line is on, from when to when';
create unique index line_tiers_open on line_tiers (tenant_id, resource_id) where ends_at is null;
create index line_tiers_due on line_tiers (starts_at) where applied_at is null;
create index line_tiers_tier on line_tiers (tier_id);
call protect_tenant_table('line_tiers');
grant select, insert, update, delete on line_tiers to bccd_tenant, bccd_operator;
grant select, update (applied_at) on line_tiers to bccd_jobs;
create trigger audit
    after insert or delete or update of tier_id, starts_at, ends_at on line_tiers
    for each row execute function audit_row();

-- The tier of an offering that a line may be put on.
create function usable_tier(of_tier text, of_offering text) returns broadband_tiers
    language plpgsql
as $$
declare
    tier broadband_tiers;
begin
    select t.* into tier from broadband_tiers t
    where t.id = of_tier and t.state = 'active' and (t.offering_id is null or t.offering_id = of_offering);
    if not found then
        perform refuse('reference_unknown', 'tier_id must name an active tier of this offering.');
    end if;
    return tier;
end
$$;

-- From `at` on, in the place of whatever was to be in force then.
create function line_assign_tier(of_tenant text, of_resource text, to_tier text, at timestamptz) returns void
    language plpgsql
as $$
begin
    delete from line_tiers t
    where t.tenant_id = of_tenant and t.resource_id = of_resource and t.starts_at >= at;
    update line_tiers t set ends_at = at
    where t.tenant_id = of_tenant and t.resource_id = of_resource and (t.ends_at is null or t.ends_at > at);
    insert into line_tiers (tenant_id, resource_id, number, tier_id, starts_at, applied_at)
    select of_tenant, of_resource, coalesce(max(t.number), 0) + 1, to_tier, at,
           case when at <= clock_timestamp() then clock_timestamp() end
    from line_tiers t where t.tenant_id = of_tenant and t.resource_id = of_resource;
end
$$;
