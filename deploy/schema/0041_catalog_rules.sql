-- The catalog made whole: families, add-ons, what requires or excludes what, and whom an offering is for.
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

-- ---- Add-ons ----

create table resource_add_ons (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    base_resource_id text collate "C" not null check (base_resource_id <> resource_id),
    primary key (tenant_id, resource_id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    foreign key (tenant_id, base_resource_id) references resources (tenant_id, id)
);
comment on table resource_add_ons is 'domain: catalog; which resource each add-on is added to, and ends with';
create index resource_add_ons_base on resource_add_ons (tenant_id, base_resource_id, resource_id);
call protect_tenant_table('resource_add_ons');
grant select on resource_add_ons to bccd_tenant, bccd_operator, bccd_jobs;
grant insert on resource_add_ons to bccd_tenant, bccd_operator;
call audit_table('resource_add_ons');

-- `at` says where in a cart, or is ''.
create function refuse_base(of_offering text, at text) returns void
    language plpgsql
as $$
begin
    perform refuse('base_refused', at || (
        select format('%s is added to a resource of one of these: %s; name that.', o.name, string_agg(w.name, ', ' order by w.id))
        from offerings o join offering_rules r on r.offering_id = o.id and r.rule = 'requires'
        join offerings w on w.id = r.other_offering_id
        where o.id = of_offering group by o.name));
end
$$;

-- An add-on, and nothing else, has a base: a resource of the tenant, of an offering that it requires.
create function check_base(of_tenant text, of_offering text, base text, at text) returns void
    language plpgsql
as $$
declare
    wanted boolean := (select o.add_on from offerings o where o.id = of_offering);
    found_base record;
begin
    if base is null and wanted then
        perform refuse_base(of_offering, at);
    elsif base is null or wanted is null then
        return;
    elsif not wanted then
        perform refuse('base_refused', at || 'Only an add-on is added to something.');
    end if;
    select r.offering_id, r.state into found_base from resources r where r.tenant_id = of_tenant and r.id = base;
    if not found then
        perform refuse('reference_unknown', at || 'base_resource_id must name a resource of the tenant.');
    elsif not exists (select from offering_rules r where r.offering_id = of_offering and r.rule = 'requires'
                                                     and r.other_offering_id = found_base.offering_id) then
        perform refuse_base(of_offering, at);
    elsif found_base.state not in ('approved', 'provisioning', 'active', 'suspended') then
        perform refuse('state_conflict', format('%sThe resource %s is %s; nothing is added to it.', at, base, found_base.state));
    end if;
end
$$;

-- resource_create with the base of an add-on, which the lock keeps from ending meanwhile.
create function resource_rent(new_id text, for_tenant text, by_side text, by_actor text, body jsonb, secret bytea)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    base text := body ->> 'base_resource_id';
begin
    perform from resources r where r.tenant_id = for_tenant and r.id = base for no key update;
    perform check_base(for_tenant, body ->> 'offering_id', base, '');
    return query select c.document, c.version from resource_create(new_id, for_tenant, by_side, by_actor, body, secret) c;
    insert into resource_add_ons (tenant_id, resource_id, base_resource_id)
    select for_tenant, new_id, base where base is not null;
end
$$;

-- A base takes its add-ons with it, from when it ends itself. All below it are locked before any of them is touched, and
-- before the orders that follow it: the trigger `orders` comes after this one.
create function end_add_ons() returns trigger
    language plpgsql
as $$
declare
    below text[] := array(
        with recursive added as (
            select a.resource_id from resource_add_ons a where a.tenant_id = new.tenant_id and a.base_resource_id = new.id
            union
            select a.resource_id
            from added b join resource_add_ons a on a.tenant_id = new.tenant_id and a.base_resource_id = b.resource_id)
        select b.resource_id from added b);
    ends timestamptz := (
        select t.effective_at from resource_transitions t
        where t.tenant_id = new.tenant_id and t.resource_id = new.id order by t.number desc limit 1);
    added record;
begin
    perform from resources r where r.tenant_id = new.tenant_id and r.id = any (below) order by r.id for no key update;
    for added in
        select r.id, (select max(t.effective_at) from resource_transitions t
                      where t.tenant_id = r.tenant_id and t.resource_id = r.id) as since
        from resource_add_ons a join resources r on r.tenant_id = a.tenant_id and r.id = a.resource_id
        where a.tenant_id = new.tenant_id and a.base_resource_id = new.id
          and r.state not in ('terminating', 'terminated', 'rejected')
        order by r.id
    loop
        perform from resource_act(
            new.tenant_id, 'operator', coalesce(setting('actor'), session_user), added.id, 'terminate', null,
            jsonb_build_object('effective_at', greatest(ends, added.since), 'reason', format('%s has ended.', new.id)), null);
    end loop;
    return null;
end
$$;
create trigger add_ons after update of state on resources for each row
    when (new.state in ('terminating', 'terminated', 'rejected')
          and old.state not in ('terminating', 'terminated', 'rejected')) execute function end_add_ons();

-- ---- Orders ----

-- The base of an item is a resource, or what an earlier item of the order rents.
create function order_check_base(for_tenant text, items jsonb, place integer) returns void
    language plpgsql
as $$
declare
    item jsonb := items -> place;
    of_offering text := item ->> 'offering_id';
    base jsonb := items -> (item ->> 'base_item')::integer - 1;
    at text := format('items/%s: ', place);
begin
    if not item ? 'base_item' then
        perform check_base(for_tenant, of_offering, item ->> 'base_resource_id', at);
    elsif item ? 'base_resource_id' then
        perform refuse('base_refused', at || 'Send either base_item or base_resource_id.');
    elsif not (select o.add_on from offerings o where o.id = of_offering) then
        perform refuse('base_refused', at || 'Only an add-on is added to something.');
    elsif (item ->> 'base_item')::integer > place or base ->> 'action' not like 'rent_%'
          or coalesce((base ->> 'count')::integer, 1) <> 1 then
        perform refuse('base_refused', at || 'base_item must be the number of an earlier item, which rents one resource.');
    elsif not exists (select from offering_rules r where r.offering_id = of_offering and r.rule = 'requires'
                                                     and r.other_offering_id = base ->> 'offering_id') then
        perform refuse_base(of_offering, at);
    end if;
end
$$;

-- The rules of what a cart rents; what is in the cart counts as rented.
create function order_check_offerings(for_tenant text, items jsonb) returns void
    language plpgsql
as $$
declare
    place integer := 0;
    item jsonb;
    problem record;
begin
    for item in select i from jsonb_array_elements(items) i loop
        if item ? 'offering_id' then
            select p.code, p.detail into problem
            from offering_problem(for_tenant, item ->> 'offering_id', array(
                select i ->> 'offering_id' from jsonb_array_elements(items - place) i where i ? 'offering_id')) p;
            if problem.code is not null then
                perform refuse(problem.code, format('items/%s: %s', place, problem.detail));
            end if;
            perform order_check_base(for_tenant, items, place);
        end if;
        place := place + 1;
    end loop;
end
$$;

-- Puts the items in the place of those that are there. `ids` has one for each resource to be rented.
create or replace function order_fill(of_tenant text, of_order text, by_side text, items jsonb, ids jsonb) returns void
    language plpgsql
as $$
declare
    item jsonb;
    place integer := 0;
    used integer := 0;
    times integer;
begin
    if (select count(*) <> count(distinct i ->> 'resource_id')
        from jsonb_array_elements(items) i where i ? 'resource_id') then
        perform refuse('item_repeated', null);
    end if;
    delete from order_resources w where w.tenant_id = of_tenant and w.order_id = of_order;
    delete from order_items i where i.tenant_id = of_tenant and i.order_id = of_order;
    for item in select i from jsonb_array_elements(items) i loop
        perform order_check_item(of_tenant, by_side, place, item);
        place := place + 1;
        times := coalesce((item ->> 'count')::integer, 1);
        insert into order_items (tenant_id, order_id, number, action, request, count)
        values (of_tenant, of_order, place, item ->> 'action', item, times);
        insert into order_resources (tenant_id, order_id, item, place, resource_id)
        select of_tenant, of_order, place, n, coalesce(item ->> 'resource_id', ids ->> (used + n - 1))
        from generate_series(1, times) n;
        used := used + times;
    end loop;
    perform order_check_offerings(of_tenant, items);
end
$$;

-- Locks an order behind its resources, with what they are added to and what is added to them, and gives it; null when there
-- is no such order of the tenant (null: of any).
create or replace function order_lock(for_tenant text, of_order text, seen_version bigint) returns orders
    language plpgsql
as $$
declare
    target orders;
begin
    perform from resources r
    where (r.tenant_id, r.id) in (
        with recursive named as (
            select n.tenant_id, n.resource_id
            from (select w.tenant_id, w.resource_id from order_resources w where w.order_id = of_order
                  union all
                  select i.tenant_id, i.request ->> 'base_resource_id' from order_items i where i.order_id = of_order) n
            where for_tenant is null or n.tenant_id = for_tenant
            union
            select a.tenant_id, a.resource_id
            from named n join resource_add_ons a on a.tenant_id = n.tenant_id and a.base_resource_id = n.resource_id)
        select n.tenant_id, n.resource_id from named n)
    order by r.id for no key update;
    select o.* into target from orders o
    where o.id = of_order and (for_tenant is null or o.tenant_id = for_tenant) for no key update;
    if seen_version <> target.version then
        perform refuse('precondition_failed', null);
    end if;
    return target;
end
$$;

-- Requests and approves what an item rents: the order was approved, so each of them is.
create or replace function order_rent(target orders, item order_items, by_actor text) returns void
    language plpgsql
as $$
declare
    wanted record;
    body jsonb := item.request - array['action', 'count', 'starts_on', 'base_item'] || jsonb_strip_nulls(jsonb_build_object(
        'kind', substr(item.action, 6), 'reason', target.id, 'base_resource_id', coalesce(
            item.request ->> 'base_resource_id', (
            select w.resource_id from order_resources w
            where w.tenant_id = target.tenant_id and w.order_id = target.id
              and w.item = (item.request ->> 'base_item')::integer))));
begin
    for wanted in
        select w.place, w.resource_id from order_resources w
        where w.tenant_id = target.tenant_id and w.order_id = target.id and w.item = item.number order by w.place
    loop
        perform from resource_rent(
            wanted.resource_id, target.tenant_id, target.placed_side, target.placed_by,
            case when item.count = 1 then body
                 else body || jsonb_build_object('name', format('%s %s', body ->> 'name', wanted.place)) end, null);
        perform from resource_act(target.tenant_id, 'operator', by_actor, wanted.resource_id, 'approve', null,
                                  jsonb_build_object('reason', target.id), null);
    end loop;
end
$$;

-- Whether an item begins after another of its order: after what it is added to or requires; what is given back, after
-- its add-ons.
create function order_item_waits(item order_items) returns boolean
    language sql stable
as $$
    select exists (
        select from order_items o
        where o.tenant_id = item.tenant_id and o.order_id = item.order_id and o.number <> item.number and o.state = 'waiting'
          and (o.number = (item.request ->> 'base_item')::integer
               or exists (select from offering_rules r
                          where r.offering_id = item.request ->> 'offering_id' and r.rule = 'requires'
                            and r.other_offering_id = o.request ->> 'offering_id')
               or item.action = 'return' and o.action = 'return' and exists (
                   select from resource_add_ons a
                   where a.tenant_id = item.tenant_id and a.resource_id = o.request ->> 'resource_id'
                     and a.base_resource_id = item.request ->> 'resource_id')))
$$;

create or replace function order_begin(target orders, by_actor text) returns void
    language plpgsql
as $$
declare
    item order_items;
begin
    perform lock_offerings(target.tenant_id, array(
        select coalesce(i.request ->> 'offering_id', r.offering_id)
        from order_items i
        left join resources r on r.tenant_id = i.tenant_id and r.id = i.request ->> 'resource_id'
        where i.tenant_id = target.tenant_id and i.order_id = target.id));
    loop
        select i.* into item from order_items i
        where i.tenant_id = target.tenant_id and i.order_id = target.id and i.state = 'waiting'
        order by order_item_waits(i), i.number limit 1;
        exit when not found;
        perform order_begin_item(target, item, by_actor);
    end loop;
    perform work_orders_of(target, by_actor);
    perform order_settle(target.tenant_id, target.id, by_actor);
end
$$;
