-- The catalog made whole: families, what requires or excludes what, and whom an offering is for.
--
-- The rules hold whoever rents, by a trigger on resources; a cart is told of them beforehand. Locks are had in one order:
-- resources by id (a base before its add-ons, which are younger), orders, the tenant's rules, the seats of offerings by
-- id, access points by id, models.
set local role bccd_owner;

-- ---- Families ----

create table offering_families (
    id text collate "C" primary key check (id like 'fam\_%'),
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text not null check (length(name) between 1 and 200),
    name_en text not null default '' check (length(name_en) <= 200),
    description text not null default '' check (length(description) <= 2000),
    place integer not null default 100 check (place between 1 and 10000), -- where lists of them show it
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table offering_families is 'domain: catalog; which offerings are shown together';

-- ---- Whom an offering is for ----

alter table tenants
    add size text collate "C" check (size in ('micro', 'small', 'medium', 'large')); -- as the statistics class enterprises

create table tenant_certificates (
    id text collate "C" not null unique check (id like 'crt\_%'),
    tenant_id text collate "C" not null references tenants,
    code text collate "C" not null check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text not null check (length(name) between 1 and 200),
    valid_from date not null,
    valid_until date check (valid_until >= valid_from), -- its last day; null: no end is known
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    primary key (tenant_id, id)
);
comment on table tenant_certificates is 'domain: tenants; what an enterprise is certified for, from when to when';
create index tenant_certificates_code on tenant_certificates (tenant_id, code);
call protect_tenant_table('tenant_certificates');
grant select on tenant_certificates to bccd_tenant, bccd_operator, bccd_jobs;
grant insert, delete on tenant_certificates to bccd_operator;
call audit_table('tenant_certificates');

alter table offerings
    add family_id text collate "C" references offering_families,
    add add_on boolean not null default false,
    add eligibility jsonb not null default '{}' check (jsonb_typeof(eligibility) = 'object'), -- a list that is absent: everybody
    add seat_limit integer check (seat_limit between 1 and 1000000), -- of all tenants together; null: no limit
    add constraint offerings_seat_limit check (seat_limit is null or kind = 'software');
create index offerings_family on offerings (family_id, id);

create table offering_rules (
    offering_id text collate "C" not null references offerings,
    rule text collate "C" not null check (rule in ('requires', 'excludes')),
    other_offering_id text collate "C" not null references offerings,
    primary key (offering_id, rule, other_offering_id),
    constraint offering_rules_other check (offering_id <> other_offering_id)
);
comment on table offering_rules is
    'domain: catalog; what must be rented for an offering (one of them), and what must not (both ways)';
create index offering_rules_other_offering on offering_rules (other_offering_id, rule);

create table offering_models (
    offering_id text collate "C" not null references offerings,
    terminal_model_id text collate "C" not null references terminal_models,
    primary key (offering_id, terminal_model_id)
);
comment on table offering_models is 'domain: catalog; which models of terminals an offering gives; none: any';

do $$
declare
    name text;
begin
    foreach name in array array['offering_families', 'offering_rules', 'offering_models'] loop
        execute format('grant select on %I to bccd_tenant, bccd_jobs', name);
        execute format('grant select, insert, update on %I to bccd_operator', name);
        call protect_platform_table(name::regclass);
        call audit_table(name::regclass);
        execute format('create policy tenant on %I for select to bccd_tenant using (true)', name);
    end loop;
end
$$;
grant delete on offering_rules, offering_models to bccd_operator;

-- ---- Offerings ----

create function offering_document(o offerings) returns json
    language sql stable
as $$
    select json_build_object(
        'id', o.id, 'code', o.code, 'kind', o.kind, 'family_id', o.family_id, 'name', o.name, 'name_en', o.name_en,
        'tax_category', o.tax_category, 'state', o.state, 'add_on', o.add_on,
        'requires_offering_ids', coalesce(r.required, '[]'), 'excludes_offering_ids', coalesce(r.excluded, '[]'),
        'eligibility', json_build_object(
            'park_ids', o.eligibility -> 'park_ids', 'sizes', o.eligibility -> 'sizes',
            'certificates', o.eligibility -> 'certificates'),
        'seat_limit', o.seat_limit,
        'terminal_model_ids', (
            select coalesce(json_agg(m.terminal_model_id order by m.terminal_model_id), '[]')
            from offering_models m where m.offering_id = o.id),
        'metadata', o.metadata, 'created_at', instant_text(o.created_at), 'updated_at', instant_text(o.updated_at))
    from (
        select json_agg(r.other_offering_id order by r.other_offering_id) filter (where r.rule = 'requires') as required,
               json_agg(r.other_offering_id order by r.other_offering_id) filter (where r.rule = 'excludes') as excluded
        from offering_rules r where r.offering_id = o.id) r
$$;

create function offering_set_models(o offerings, models jsonb) returns void
    language plpgsql
as $$
begin
    if models <> '[]' and o.kind <> 'terminal' then
        perform refuse('value_refused', 'Only an offering of kind terminal has terminal_model_ids.');
    elsif exists (select from jsonb_array_elements_text(models) i
                  where not exists (select from terminal_models m where m.id = i)) then
        perform refuse('reference_unknown', 'terminal_model_ids must name models.');
    end if;
    delete from offering_models m where m.offering_id = o.id and not models ? m.terminal_model_id;
    insert into offering_models (offering_id, terminal_model_id)
    select distinct o.id, i from jsonb_array_elements_text(models) i on conflict do nothing;
end
$$;

create function offering_set_rule(o offerings, which text, others jsonb) returns void
    language plpgsql
as $$
begin
    if others ? o.id then
        perform refuse('value_refused', 'An offering neither requires nor excludes itself.');
    elsif exists (select from jsonb_array_elements_text(others) i
                  where not exists (select from offerings f where f.id = i)) then
        perform refuse('reference_unknown', format('%s_offering_ids must name offerings.', which));
    end if;
    delete from offering_rules r where r.offering_id = o.id and r.rule = which and not others ? r.other_offering_id;
    insert into offering_rules (offering_id, rule, other_offering_id)
    select distinct o.id, which, i from jsonb_array_elements_text(others) i on conflict do nothing;
end
$$;

-- Sets what a body says beyond the row of an offering, and refuses rules that nobody could keep.
create function offering_set_parts(o offerings, body jsonb) returns void
    language plpgsql
as $$
begin
    if body ? 'terminal_model_ids' then
        perform offering_set_models(o, body -> 'terminal_model_ids');
    end if;
    if body ? 'requires_offering_ids' then
        perform offering_set_rule(o, 'requires', body -> 'requires_offering_ids');
    end if;
    if body ? 'excludes_offering_ids' then
        perform offering_set_rule(o, 'excludes', body -> 'excludes_offering_ids');
    end if;
    if exists (select from offering_rules r join offering_rules x
                   on x.rule = 'excludes' and (r.offering_id, r.other_offering_id)
                      in ((x.offering_id, x.other_offering_id), (x.other_offering_id, x.offering_id))
               where r.rule = 'requires' and o.id in (r.offering_id, r.other_offering_id)) then
        perform refuse('value_refused', 'An offering cannot require another and exclude it.');
    elsif o.add_on and not exists (select from offering_rules r where r.offering_id = o.id and r.rule = 'requires') then
        perform refuse('value_refused', 'An add-on requires at least one offering, to which it is added.');
    end if;
end
$$;

create function offering_check_references(body jsonb) returns void
    language plpgsql
as $$
begin
    if body ->> 'family_id' is not null and not exists (
        select from offering_families f where f.id = body ->> 'family_id' and f.state = 'active') then
        perform refuse('reference_unknown', 'family_id must name an active family.');
    elsif exists (select from jsonb_array_elements_text(coalesce(nullif(body #> '{eligibility,park_ids}', 'null'), '[]')) i
                  where not exists (select from parks p where p.id = i)) then
        perform refuse('reference_unknown', 'eligibility/park_ids must name parks.');
    end if;
end
$$;

create function offering_create(new_id text, body jsonb) returns table (document json, version bigint)
    language plpgsql
as $$
declare
    made offerings;
begin
    perform offering_check_references(body);
    insert into offerings (id, code, kind, family_id, name, name_en, tax_category, add_on, eligibility, seat_limit, metadata)
    values (new_id, body ->> 'code', body ->> 'kind', body ->> 'family_id', body ->> 'name',
            coalesce(body ->> 'name_en', ''), body ->> 'tax_category', coalesce((body ->> 'add_on')::boolean, false),
            jsonb_strip_nulls(coalesce(body -> 'eligibility', '{}')), (body ->> 'seat_limit')::integer,
            coalesce(body -> 'metadata', '{}'))
    returning offerings.* into made;
    perform offering_set_parts(made, body);
    return query select offering_document(made), made.version;
end
$$;

-- No row when there is no such offering.
create function offering_update(of_offering text, seen_version bigint, body jsonb) returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target offerings;
begin
    select o.* into target from offerings o where o.id = of_offering for no key update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    end if;
    perform offering_check_references(body);
    update offerings o
    set name = coalesce(body ->> 'name', o.name), name_en = coalesce(body ->> 'name_en', o.name_en),
        state = coalesce(body ->> 'state', o.state),
        family_id = case when body ? 'family_id' then body ->> 'family_id' else o.family_id end,
        eligibility = jsonb_strip_nulls(coalesce(body -> 'eligibility', o.eligibility)),
        seat_limit = case when body ? 'seat_limit' then (body ->> 'seat_limit')::integer else o.seat_limit end,
        metadata = coalesce(body -> 'metadata', o.metadata), version = o.version + 1, updated_at = now()
    where o.id = of_offering
    returning o.* into target;
    perform offering_set_parts(target, body);
    return query select offering_document(target), target.version;
end
$$;

-- ---- The rules ----

create index resources_rented on resources (tenant_id, offering_id);

-- What of an offering's conditions a tenant does not meet today, in words; null when there is none.
create function offering_unmet(o offerings, of_tenant text) returns text
    language sql stable
as $$
    select case
        when o.eligibility ? 'park_ids' and not o.eligibility -> 'park_ids' ? t.park_id
        then 'it is for tenants of other parks'
        when o.eligibility ? 'sizes' and not coalesce(o.eligibility -> 'sizes' ? t.size, false)
        then format('it is for tenants of the size %s', (
            select string_agg(s, ', ') from jsonb_array_elements_text(o.eligibility -> 'sizes') s))
        when o.eligibility ? 'certificates' and not exists (
            select from tenant_certificates c
            where c.tenant_id = t.id and o.eligibility -> 'certificates' ? c.code
              and platform_today() between c.valid_from and coalesce(c.valid_until, 'infinity'))
        then format('it wants one of the certificates %s, in force today', (
            select string_agg(s, ', ') from jsonb_array_elements_text(o.eligibility -> 'certificates') s)) end
    from tenants t where t.id = of_tenant
$$;

-- The first rule that keeps a tenant from renting an offering now. `also`: the offerings that are rented together with it.
create function offering_problem(of_tenant text, of_offering text, also text[], out code text, out detail text)
    language sql stable
as $$
    select p.code, p.detail
    from offerings o
    cross join lateral (
        select 1 as place, 'offering_not_for_you' as code, format('%s is not for this tenant: %s.', o.name, u.unmet) as detail
        from offering_unmet(o, of_tenant) as u(unmet) where u.unmet is not null
        union all
        select 2, 'offering_requires', format('%s wants one of these to be rented: %s.', o.name, string_agg(w.name, ', ' order by w.id))
        from offering_rules r join offerings w on w.id = r.other_offering_id
        where r.offering_id = o.id and r.rule = 'requires'
        having not bool_or(w.id = any (also) or exists (
            select from resources x where x.tenant_id = of_tenant and x.offering_id = w.id
                                      and x.state in ('approved', 'provisioning', 'active', 'suspended')))
        union all
        select 3, 'offering_excludes', format('%s cannot be rented together with %s.', o.name, string_agg(w.name, ', ' order by w.id))
        from offering_rules r
        join offerings w on w.id = case r.offering_id when o.id then r.other_offering_id else r.offering_id end
        where r.rule = 'excludes' and o.id in (r.offering_id, r.other_offering_id)
          and (w.id = any (also) or exists (
              select from resources x where x.tenant_id = of_tenant and x.offering_id = w.id
                                        and x.state not in ('terminated', 'rejected')))
        having count(*) > 0) p
    where o.id = of_offering
    order by p.place limit 1
$$;

-- Whether a tenant may order it now: by its rules, and because there is a plan to order it on.
create function offering_is_orderable(o offerings, of_tenant text) returns boolean
    language plpgsql stable
as $$
begin
    if not exists (select from tenants t where t.id = of_tenant) then
        perform refuse('reference_unknown', 'tenant must name the tenant that would order.');
    end if;
    return o.state = 'active'
           and exists (select from plans p join plan_versions v on v.plan_id = p.id
                       where p.offering_id = o.id and p.state = 'active' and v.state = 'published')
           and (select p.code is null from offering_problem(of_tenant, o.id, '{}') p);
end
$$;

-- Before it is counted what there is: the tenant's own resources, then each offering's seats.
create function lock_offerings(of_tenant text, named text[]) returns void
    language plpgsql
as $$
begin
    if exists (select from offering_rules r
               where r.rule = 'excludes' and (r.offering_id = any (named) or r.other_offering_id = any (named))) then
        perform pg_advisory_xact_lock(hashtextextended(of_tenant, 20261127));
    end if;
    perform pg_advisory_xact_lock(hashtextextended(o.id, 20261128))
    from (select f.id from offerings f where f.id = any (named) and f.seat_limit is not null order by f.id) o;
end
$$;

create function hold_offering_rules() returns trigger
    language plpgsql
as $$
declare
    problem record;
begin
    perform lock_offerings(new.tenant_id, array[new.offering_id]);
    select p.code, p.detail into problem from offering_problem(new.tenant_id, new.offering_id, '{}') p;
    if problem.code is not null then
        perform refuse(problem.code, problem.detail);
    end if;
    return new;
end
$$;
create trigger rules before insert on resources for each row execute function hold_offering_rules();
