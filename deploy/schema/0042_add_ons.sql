-- Add-ons: what is added to another resource and ends with it; orders of what hangs together.
set local role bccd_owner;

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
