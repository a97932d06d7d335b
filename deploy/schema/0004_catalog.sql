-- What can be rented, and what it costs: offerings, plans, and the plans' versions, which never
-- change once they are published.
set local role bccd_owner;

create table offerings (
    id text collate "C" primary key check (id like 'off\_%'),
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    kind text collate "C" not null check (kind in ('software', 'broadband', 'terminal')),
    name text not null check (length(name) between 1 and 200),
    name_en text not null default '' check (length(name_en) <= 200),
    tax_category text collate "C" not null
        check (tax_category in ('information_service', 'broadband_access', 'movable_leasing')),
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    metadata metadata not null default '{}',
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table offerings is 'domain: catalog; what can be rented';

create table plans (
    id text collate "C" primary key check (id like 'pln\_%'),
    offering_id text collate "C" not null references offerings,
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text not null check (length(name) between 1 and 200),
    name_en text not null default '' check (length(name_en) <= 200),
    currency currency_code not null default 'CNY',
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    metadata metadata not null default '{}',
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table plans is 'domain: catalog; ways to pay for an offering';
create index plans_offering on plans (offering_id, id);

-- charges: an array as the contract's schema Charge says; its prices were read by the daemon before.
create table plan_versions (
    plan_id text collate "C" not null references plans,
    number integer not null check (number > 0),
    state text collate "C" not null default 'draft' check (state in ('draft', 'published')),
    charges jsonb not null check (jsonb_typeof(charges) = 'array'),
    note text not null default '' check (length(note) <= 500),
    published_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (plan_id, number),
    check ((state = 'published') = (published_at is not null))
);
comment on table plan_versions is 'domain: catalog; the charges of a plan, immutable once published';
create unique index plan_versions_draft on plan_versions (plan_id) where state = 'draft';

create function refuse_change_of_published() returns trigger
    language plpgsql
as $$
begin
    raise exception using errcode = 'BC422', message = 'version_published',
        detail = format('Version %s of the plan is published and never changes; make a new one.', old.number);
end
$$;
create trigger immutable before update or delete on plan_versions for each row
    when (old.state = 'published') execute function refuse_change_of_published();

-- Everybody signed in may read the catalog; a tenant sees no drafts.
do $$
declare
    name text;
begin
    foreach name in array array['offerings', 'plans', 'plan_versions'] loop
        execute format('grant select on %I to bccd_tenant, bccd_jobs', name);
        execute format('grant select, insert, update on %I to bccd_operator', name);
        call protect_platform_table(name::regclass);
        call audit_table(name::regclass);
    end loop;
end
$$;
create policy tenant on offerings to bccd_tenant using (true);
create policy tenant on plans to bccd_tenant using (true);
create policy tenant on plan_versions to bccd_tenant using (state = 'published');
