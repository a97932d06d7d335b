-- Orders: a cart of items whose price is shown before it is placed, the approvals that rules ask for, and
-- how what was ordered becomes resources.
--
-- Who locks an order has locked the resources that it names before (order_lock), since an action on a
-- resource goes on to the order that waits for it (order_follow_resource).
set local role bccd_owner;

-- ---- Charges once ----

alter table invoice_lines drop constraint invoice_lines_kind_check;
alter table invoice_lines add constraint invoice_lines_kind_check check (kind in ('one_off', 'recurring', 'usage'));

-- ---- Rules of approval ----

create domain order_action as text collate "C"
    check (value in ('rent_software', 'rent_broadband', 'rent_terminal', 'change', 'return'));

create table approval_rules (
    id text collate "C" primary key check (id like 'apr\_%'),
    name text not null check (length(name) between 1 and 200),
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    actions jsonb check (jsonb_typeof(actions) = 'array'),                 -- null: of any item
    requester_roles jsonb check (jsonb_typeof(requester_roles) = 'array'), -- null: of anybody
    minimum_amount exact check (minimum_amount >= 0), -- net, what is charged once and a month's; null: from 0
    steps jsonb not null check (jsonb_typeof(steps) = 'array' and jsonb_array_length(steps) between 1 and 5),
    expiry_hours integer not null default 168 check (expiry_hours between 1 and 8760),
    place integer not null default 100 check (place between 1 and 10000), -- its steps come after those of lower ones
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table approval_rules is 'domain: orders; which orders wait for whose approval, in which steps';
call protect_platform_table('approval_rules');
call audit_table('approval_rules');
grant select, insert, update on approval_rules to bccd_operator;
-- What a tenant's order has to wait for is looked up when the tenant places it.
create policy tenant on approval_rules for select to bccd_tenant using (true);
grant select on approval_rules to bccd_tenant, bccd_jobs;

-- ---- Orders ----

create table orders (
    id text collate "C" not null unique check (id like 'ord\_%'),
    tenant_id text collate "C" not null references tenants,
    state text collate "C" not null default 'draft'
        check (state in ('draft', 'pending_approval', 'in_progress', 'cancelling', 'completed', 'partially_completed',
                         'cancelled', 'rejected', 'expired')),
    note text not null default '' check (length(note) <= 500),
    external_id text collate "C" check (length(external_id) <= 128),
    metadata metadata not null default '{}',
    created_by text collate "C" not null,
    placed_by text collate "C",
    placed_side text collate "C" check (placed_side in ('tenant', 'operator')),
    placed_at timestamptz,
    expires_at timestamptz, -- while it waits for approval
    ended_at timestamptz,
    reason text not null default '' check (length(reason) <= 500), -- of its rejection or cancellation
    quote jsonb, -- as it was shown when it was placed
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, external_id),
    constraint orders_placed check (
        (placed_at is null) = (placed_by is null) and (placed_at is null) = (quote is null)
        and (state <> 'draft' or placed_at is null)),
    constraint orders_expiry check ((state = 'pending_approval') = (expires_at is not null)),
    constraint orders_end check (
        (state in ('completed', 'partially_completed', 'cancelled', 'rejected', 'expired')) = (ended_at is not null))
);
comment on table orders is 'domain: orders; what a tenant asked for, from the cart until all of it is there';
create index orders_state on orders (state, id);
create index orders_expiry on orders (expires_at) where state = 'pending_approval';

create table order_items (
    tenant_id text collate "C" not null,
    order_id text collate "C" not null,
    number integer not null check (number between 1 and 50),
    action order_action not null,
    request jsonb not null check (jsonb_typeof(request) = 'object'), -- as the contract's schema OrderItem says
    count integer not null check (count between 1 and 100),          -- resources
    state text collate "C" not null default 'waiting'
        check (state in ('waiting', 'in_progress', 'cancelling', 'completed', 'cancelled', 'failed')),
    failure_code text collate "C" check (length(failure_code) <= 64),
    failure_detail text check (length(failure_detail) <= 500),
    primary key (tenant_id, order_id, number),
    foreign key (tenant_id, order_id) references orders (tenant_id, id),
    constraint order_items_failure check (
        (failure_code is not null) = (state = 'failed') and (failure_code is null) = (failure_detail is null))
);
comment on table order_items is 'domain: orders; what is asked for in an order, and what became of each';

-- Of an item that rents: the ids that its resources get when the order begins. Of another: the one it is about.
create table order_resources (
    tenant_id text collate "C" not null,
    order_id text collate "C" not null,
    item integer not null,
    place integer not null check (place > 0),
    resource_id text collate "C" not null check (resource_id like 'res\_%'),
    primary key (tenant_id, order_id, item, place),
    foreign key (tenant_id, order_id, item) references order_items (tenant_id, order_id, number)
);
comment on table order_resources is 'domain: orders; which resources an item is about';
create index order_resources_resource on order_resources (tenant_id, resource_id);

create table order_steps (
    tenant_id text collate "C" not null,
    order_id text collate "C" not null,
    number integer not null check (number > 0),
    side text collate "C" not null check (side in ('tenant', 'operator')),
    roles jsonb not null check (jsonb_typeof(roles) = 'array'),
    rule_id text collate "C" not null references approval_rules,
    state text collate "C" not null default 'waiting' check (state in ('waiting', 'approved', 'rejected')),
    decided_by text collate "C",
    decided_at timestamptz,
    reason text not null default '' check (length(reason) <= 500),
    primary key (tenant_id, order_id, number),
    foreign key (tenant_id, order_id) references orders (tenant_id, id),
    constraint order_steps_decision check (
        (state = 'waiting') = (decided_at is null) and (decided_at is null) = (decided_by is null))
);
comment on table order_steps is 'domain: orders; who has to approve an order, one after the other, and who did';

create table order_events (
    tenant_id text collate "C" not null,
    order_id text collate "C" not null,
    number integer not null check (number > 0),
    event text collate "C" not null,
    item integer, -- null: of the whole order
    state text collate "C" not null, -- of the order, or of the item, after it
    detail text not null default '' check (length(detail) <= 500),
    actor text collate "C" not null,
    at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, order_id, number),
    foreign key (tenant_id, order_id) references orders (tenant_id, id)
);
comment on table order_events is 'domain: orders; the story of each order';

do $$
declare
    name text;
begin
    foreach name in array array['orders', 'order_items', 'order_resources', 'order_steps', 'order_events'] loop
        call protect_tenant_table(name::regclass);
        execute format('grant select, insert on %I to bccd_tenant, bccd_operator, bccd_jobs', name);
    end loop;
end
$$;
grant update on orders, order_items, order_steps to bccd_tenant, bccd_operator, bccd_jobs;
grant delete on order_items, order_resources to bccd_tenant, bccd_operator;
call audit_table('orders');
call audit_table('order_items');
call audit_table('order_steps');

-- ---- Documents ----

create function order_document(o orders) returns json
    language plpgsql stable
as $$
begin
    return (select json_build_object(
        'id', o.id, 'tenant_id', o.tenant_id, 'state', o.state,
        'actions', case o.state when 'draft' then '["cancel", "place"]' when 'pending_approval' then '["approve", "cancel", "reject"]'
                                when 'in_progress' then '["cancel"]' else '[]' end::json,
        'note', o.note, 'items', (
            select json_agg(json_build_object(
                'number', i.number, 'state', i.state, 'count', i.count, 'request', i.request,
                'failure', case when i.failure_code is not null then json_build_object(
                    'code', i.failure_code, 'detail', i.failure_detail) end,
                'resources', (
                    select coalesce(json_agg(json_build_object('id', r.id, 'name', r.name, 'state', r.state)
                                             order by w.place), '[]')
                    from order_resources w join resources r on r.tenant_id = w.tenant_id and r.id = w.resource_id
                    where w.tenant_id = i.tenant_id and w.order_id = i.order_id and w.item = i.number))
                order by i.number)
            from order_items i where i.tenant_id = o.tenant_id and i.order_id = o.id),
        'steps', (
            select coalesce(json_agg(json_build_object(
                'number', s.number, 'side', s.side, 'roles', s.roles, 'state', s.state, 'decided_by', s.decided_by,
                'decided_at', instant_text(s.decided_at), 'reason', s.reason) order by s.number), '[]')
            from order_steps s where s.tenant_id = o.tenant_id and s.order_id = o.id),
        'quote', o.quote, 'created_by', o.created_by, 'placed_by', o.placed_by, 'placed_at', instant_text(o.placed_at),
        'expires_at', instant_text(o.expires_at), 'ended_at', instant_text(o.ended_at), 'reason', o.reason,
        'external_id', o.external_id, 'metadata', o.metadata,
        'created_at', instant_text(o.created_at), 'updated_at', instant_text(o.updated_at)));
end
$$;

-- ---- The cart ----

create function order_note(of_tenant text, of_order text, what text, of_item integer, new_state text, said text,
                           by_actor text)
    returns void
    language sql
as $$
    insert into order_events (tenant_id, order_id, number, event, item, state, detail, actor)
    select of_tenant, of_order, coalesce(max(e.number), 0) + 1, what, of_item, new_state, coalesce(said, ''), by_actor
    from order_events e where e.tenant_id = of_tenant and e.order_id = of_order
$$;

-- What an item names is there, and takes what is asked of it.
create function order_check_item(for_tenant text, by_side text, place integer, item jsonb) returns void
    language plpgsql
as $$
declare
    wanted_kind text := substr(item ->> 'action', 6);
    target record;
begin
    if item ->> 'action' like 'rent_%' then
        if not exists (select from offerings o
                       where o.id = item ->> 'offering_id' and o.kind = wanted_kind and o.state = 'active') then
            perform refuse('reference_unknown', format('items/%s/offering_id must name an active offering of kind %s.', place, wanted_kind));
        end if;
        perform published_plan_version(item ->> 'offering_id', item ->> 'plan_id', (item ->> 'plan_version')::integer);
        return;
    end if;
    select r.kind, r.offering_id, r.state into target
    from resources r where r.tenant_id = for_tenant and r.id = item ->> 'resource_id';
    if not found then
        perform refuse('reference_unknown', format('items/%s/resource_id must name a resource of the tenant.', place));
    elsif not exists (select from resource_actions a
                      where a.kind = target.kind and a.from_state = target.state and (a.by_tenant or by_side = 'operator')
                        and a.action = case item ->> 'action' when 'return' then 'terminate' else 'change' end) then
        perform refuse('state_conflict', format('items/%s: the resource is %s, which does not allow this.', place, target.state));
    elsif item ? 'software' and target.kind <> 'software' then
        perform refuse('change_refused', format('items/%s: "software" is no part of a resource of kind %s.', place, target.kind));
    elsif item ? 'plan_id' then
        perform published_plan_version(target.offering_id, item ->> 'plan_id', (item ->> 'plan_version')::integer);
    end if;
end
$$;

-- Puts the items in the place of those that are there. `ids` has one for each resource to be rented.
create function order_fill(of_tenant text, of_order text, by_side text, items jsonb, ids jsonb) returns void
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
end
$$;

create function order_create(new_id text, for_tenant text, by_side text, by_actor text, body jsonb, ids jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    renter text := (select t.state from tenants t where t.id = for_tenant);
begin
    if renter is null then
        perform refuse('reference_unknown', 'tenant must name the tenant that orders.');
    elsif renter <> 'active' then
        perform refuse('state_conflict', format('The tenant is %s; only an active one can order.', renter));
    end if;
    insert into orders (id, tenant_id, note, external_id, metadata, created_by)
    values (new_id, for_tenant, coalesce(body ->> 'note', ''), body ->> 'external_id',
            coalesce(body -> 'metadata', '{}'), by_actor);
    perform order_fill(for_tenant, new_id, by_side, body -> 'items', ids);
    perform order_note(for_tenant, new_id, 'create', null, 'draft', null, by_actor);
    return query select order_document(o), o.version from orders o where o.tenant_id = for_tenant and o.id = new_id;
end
$$;

-- Locks an order behind its resources and gives it; null when there is no such order of the tenant (null: of any).
create function order_lock(for_tenant text, of_order text, seen_version bigint) returns orders
    language plpgsql
as $$
declare
    target orders;
begin
    perform from resources r
    where (r.tenant_id, r.id) in (select w.tenant_id, w.resource_id from order_resources w
                                  where w.order_id = of_order and (for_tenant is null or w.tenant_id = for_tenant))
    order by r.id for no key update;
    select o.* into target from orders o
    where o.id = of_order and (for_tenant is null or o.tenant_id = for_tenant) for no key update;
    if seen_version <> target.version then
        perform refuse('precondition_failed', null);
    end if;
    return target;
end
$$;

create function order_refuse_state(target orders, wanted text) returns void
    language plpgsql
as $$
begin
    if target.state <> all (string_to_array(wanted, ',')) then
        perform refuse('state_conflict', format('The order is %s, which does not allow this; see its actions.', target.state));
    end if;
end
$$;

-- The only writer of an order's state.
create function order_transit(target orders, what text, new_state text, said text, by_actor text) returns void
    language plpgsql
as $$
begin
    update orders o
    set state = new_state, version = o.version + 1, updated_at = clock_timestamp(),
        expires_at = case when new_state = 'pending_approval' then o.expires_at end,
        ended_at = case when new_state not in ('pending_approval', 'in_progress', 'cancelling') then clock_timestamp() end,
        reason = case when new_state in ('rejected', 'cancelled', 'cancelling', 'expired') and said is not null then said
                      else o.reason end
    where o.tenant_id = target.tenant_id and o.id = target.id;
    perform order_note(target.tenant_id, target.id, what, null, new_state, said, by_actor);
end
$$;

create function order_update(for_tenant text, by_side text, by_actor text, of_order text, seen_version bigint, body jsonb,
                             ids jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target orders := order_lock(for_tenant, of_order, seen_version);
begin
    if target.id is null then
        return;
    end if;
    if body ? 'items' then
        perform order_refuse_state(target, 'draft');
        perform order_fill(target.tenant_id, target.id, by_side, body -> 'items', ids);
    end if;
    update orders o
    set note = coalesce(body ->> 'note', o.note), metadata = coalesce(body -> 'metadata', o.metadata),
        external_id = case when body ? 'external_id' then body ->> 'external_id' else o.external_id end,
        version = o.version + 1, updated_at = clock_timestamp()
    where o.tenant_id = target.tenant_id and o.id = target.id;
    return query select order_document(o), o.version from orders o
                 where o.tenant_id = target.tenant_id and o.id = target.id;
end
$$;

-- ---- What it costs ----

-- The charges of items, each with what it is charged for, as billable_charges has them: `part` one_off; recurring,
-- a whole month; first_bill, from the day it begins until that month's end. `sign` is -1 for what ends with it.
-- Usage is quoted where the platform counts it by itself, since then it is known beforehand.
create function order_charges(of_tenant text, items jsonb)
    returns table (item integer, count integer, part text, sign integer, charge text, active_days bigint,
                   period_days bigint, quantity text, tax_category text, tax_rate text)
    language sql stable
as $$
    with wanted as (
        select i.place::integer as item, coalesce((i.item ->> 'count')::integer, 1) as count, i.item ->> 'action' as action,
               r.tenant_id, r.id as resource_id, coalesce(i.item ->> 'offering_id', r.offering_id) as offering_id,
               i.item ->> 'plan_id' as plan_id, (i.item ->> 'plan_version')::integer as plan_version,
               (i.item #>> '{software,seats}')::numeric as seats,
               greatest((i.item ->> 'starts_on')::date, (now() at time zone p.time_zone)::date) as begins
        from platform p
        cross join lateral jsonb_array_elements(items) with ordinality as i(item, place)
        left join resources r on r.tenant_id = of_tenant and r.id = i.item ->> 'resource_id'
    ), held as (
        select w.item, a.plan_id, a.plan_version, q.quantity
        from wanted w
        cross join lateral (
            select a.plan_id, a.plan_version from plan_assignments a
            where a.tenant_id = w.tenant_id and a.resource_id = w.resource_id
            order by a.starts_at > now(), a.number desc limit 1) a
        cross join lateral (
            select q.quantity from resource_quantities q
            where q.tenant_id = w.tenant_id and q.resource_id = w.resource_id
            order by q.starts_at > now(), q.number desc limit 1) q
    ), side as (
        select w.item, w.count, w.offering_id, w.begins, 1 as sign, w.action like 'rent_%' as anew,
               coalesce(w.plan_id, h.plan_id) as plan_id,
               case when w.plan_id is null then h.plan_version else coalesce(w.plan_version, (
                   select max(v.number) from plan_versions v where v.plan_id = w.plan_id and v.state = 'published')) end
                   as plan_version,
               coalesce(w.seats, h.quantity, 1) as quantity
        from wanted w left join held h on h.item = w.item
        where w.action <> 'return'
        union all
        select w.item, w.count, w.offering_id, w.begins + (w.action = 'return')::integer, -1, false, h.plan_id, h.plan_version,
               h.quantity
        from wanted w join held h on h.item = w.item
    ), month as (
        select s.item, s.sign, last.day as ends, extract(day from last.day)::bigint as days,
               greatest(last.day - s.begins + 1, 0)::bigint as left_days,
               greatest(last.day - s.begins + case when s.begins <= last.day then 31 - extract(day from last.day)::integer
                                                   else 0 end, 0)::bigint as left_of_thirty
        from side s
        cross join lateral (
            select (date_trunc('month', w.begins) + interval '1 month - 1 day')::date as day
            from wanted w where w.item = s.item) last
    ), charge as (
        select s.item, s.count, s.offering_id, s.sign, s.anew, s.quantity, c.charge, c.place, c.charge ->> 'kind' as kind,
               c.charge ->> 'proration' as proration, m.source as meter_source
        from side s
        join plan_versions v on v.plan_id = s.plan_id and v.number = s.plan_version
        cross join lateral jsonb_array_elements(v.charges) with ordinality as c(charge, place)
        left join meters m on m.code = c.charge ->> 'meter'
    ), priced as (
        select c.item, c.count, 'one_off' as part, c.sign, c.charge, c.place, 1::bigint as active_days, 1::bigint as period_days,
               null::numeric as quantity, c.offering_id
        from charge c where c.kind = 'one_off' and c.anew
        union all
        select c.item, c.count, 'recurring', c.sign, c.charge, c.place, 1, 1, c.quantity * m.days, c.offering_id
        from charge c join month m on m.item = c.item and m.sign = c.sign
        where c.kind = 'recurring' or c.meter_source = 'derived'
        union all
        select c.item, c.count, 'first_bill', c.sign, c.charge, c.place,
               case when c.kind = 'one_off' or c.proration = 'none' and c.anew then 1
                    when c.proration = 'fixed_30' then m.left_of_thirty else m.left_days end,
               case when c.kind = 'one_off' or c.proration = 'none' and c.anew then 1
                    when c.proration = 'fixed_30' then 30 else m.days end,
               c.quantity * m.left_days, c.offering_id
        from charge c join month m on m.item = c.item and m.sign = c.sign
        where c.kind = 'one_off' and c.anew or c.kind = 'recurring' and (c.anew or c.proration is distinct from 'none')
           or c.meter_source = 'derived'
    )
    select p.item, p.count, p.part, p.sign, p.charge::text, p.active_days, p.period_days, trim_scale(p.quantity)::text,
           o.tax_category, trim_scale(tax.rate)::text
    from priced p
    join offerings o on o.id = p.offering_id
    cross join platform s
    left join lateral (
        select t.rate from tax_rates t
        where t.category = o.tax_category and t.valid_from <= (now() at time zone s.time_zone)::date
        order by t.valid_from desc limit 1) tax on true
    order by p.item, p.place, p.part, p.sign desc
$$;
