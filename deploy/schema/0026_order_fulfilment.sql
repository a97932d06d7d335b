-- Orders that are placed: their approval, how what was ordered becomes resources, and how it is cancelled.
set local role bccd_owner;

-- ---- Placing and approving ----

-- The steps of all rules that an order falls under; until when it waits for them.
create function order_ask_approval(target orders, by_role text, quote jsonb) returns timestamptz
    language plpgsql
as $$
declare
    amount numeric := (quote #>> '{one_off,amount}')::numeric + (quote #>> '{recurring,amount}')::numeric;
begin
    insert into order_steps (tenant_id, order_id, number, side, roles, rule_id)
    select target.tenant_id, target.id, row_number() over (order by a.place, a.id, s.place), s.step ->> 'side',
           s.step -> 'roles', a.id
    from approval_rules a
    cross join lateral jsonb_array_elements(a.steps) with ordinality as s(step, place)
    where a.state = 'active' and amount >= coalesce(a.minimum_amount, 0)
      and (a.requester_roles is null or a.requester_roles ? by_role)
      and (a.actions is null or exists (
          select from order_items i
          where i.tenant_id = target.tenant_id and i.order_id = target.id and a.actions ? i.action));
    return (select clock_timestamp() + make_interval(hours => min(a.expiry_hours))
            from approval_rules a
            where a.id in (select s.rule_id from order_steps s
                           where s.tenant_id = target.tenant_id and s.order_id = target.id));
end
$$;

create function order_place(for_tenant text, by_side text, by_actor text, by_role text, of_order text,
                            seen_version bigint, quote jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target orders := order_lock(for_tenant, of_order, seen_version);
    expires timestamptz;
begin
    if target.id is null then
        return;
    end if;
    perform order_refuse_state(target, 'draft');
    expires := order_ask_approval(target, by_role, quote);
    update orders o
    set placed_by = by_actor, placed_side = by_side, placed_at = clock_timestamp(), quote = order_place.quote,
        state = case when expires is null then 'in_progress' else 'pending_approval' end, expires_at = expires
    where o.tenant_id = target.tenant_id and o.id = target.id
    returning o.* into target;
    perform order_transit(target, 'place', target.state, null, by_actor);
    if target.state = 'in_progress' then
        perform order_begin(target, by_actor);
    end if;
    return query select order_document(o), o.version from orders o
                 where o.tenant_id = target.tenant_id and o.id = target.id;
end
$$;

-- Approves or rejects the step that is next. Whoever ordered does not approve it, too.
create function order_decide(for_tenant text, by_side text, by_actor text, by_role text, of_order text, decision text,
                             seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target orders := order_lock(for_tenant, of_order, seen_version);
    step record;
begin
    if target.id is null then
        return;
    end if;
    perform order_refuse_state(target, 'pending_approval');
    select s.number, s.side, s.roles into step from order_steps s
    where s.tenant_id = target.tenant_id and s.order_id = target.id and s.state = 'waiting' order by s.number limit 1;
    if target.expires_at <= clock_timestamp() then
        perform refuse('state_conflict', format('The time to approve it ended at %s; place a new order.', instant_text(target.expires_at)));
    elsif step.side <> by_side or not (step.roles ? by_role or by_role in ('platform_admin', 'owner')) then
        perform refuse('forbidden', format('The next step is for the %s''s side: %s.', step.side,
                                           (select string_agg(r, ', ') from jsonb_array_elements_text(step.roles) r)));
    elsif decision = 'approve' and by_actor in (target.placed_by, target.created_by) then
        perform refuse('forbidden', 'Whoever placed an order does not approve it; somebody else has to.');
    end if;
    update order_steps s
    set state = case decision when 'approve' then 'approved' else 'rejected' end, decided_by = by_actor,
        decided_at = clock_timestamp(), reason = coalesce(body ->> 'reason', '')
    where s.tenant_id = target.tenant_id and s.order_id = target.id and s.number = step.number;
    if decision = 'reject' then
        perform order_drop(target, 'reject', 'rejected', coalesce(body ->> 'reason', ''), by_actor);
    elsif exists (select from order_steps s
                  where s.tenant_id = target.tenant_id and s.order_id = target.id and s.state = 'waiting') then
        perform order_transit(target, 'approve', 'pending_approval', body ->> 'reason', by_actor);
    else
        perform order_transit(target, 'approve', 'in_progress', body ->> 'reason', by_actor);
        perform order_begin(target, by_actor);
    end if;
    return query select order_document(o), o.version from orders o
                 where o.tenant_id = target.tenant_id and o.id = target.id;
end
$$;

-- Ends an order of which nothing has begun.
create function order_drop(target orders, what text, new_state text, why text, by_actor text) returns void
    language plpgsql
as $$
begin
    update order_items i set state = 'cancelled' where i.tenant_id = target.tenant_id and i.order_id = target.id;
    perform order_transit(target, what, new_state, why, by_actor);
end
$$;

-- ---- From the order to the resource ----

create function order_item_transit(of_tenant text, of_order text, of_item integer, what text, new_state text,
                                   problem text, said text, by_actor text)
    returns void
    language plpgsql
as $$
begin
    update order_items i
    set state = new_state, failure_code = problem,
        failure_detail = case when problem is not null then left(coalesce(said, ''), 500) end
    where i.tenant_id = of_tenant and i.order_id = of_order and i.number = of_item;
    perform order_note(of_tenant, of_order, what, of_item, new_state, left(said, 500), by_actor);
end
$$;

-- Requests and approves what an item rents: the order was approved, so each of them is.
create function order_rent(target orders, item order_items, by_actor text) returns void
    language plpgsql
as $$
declare
    wanted record;
    body jsonb := item.request - array['action', 'count', 'starts_on']
                  || jsonb_build_object('kind', substr(item.action, 6), 'reason', target.id);
begin
    for wanted in
        select w.place, w.resource_id from order_resources w
        where w.tenant_id = target.tenant_id and w.order_id = target.id and w.item = item.number order by w.place
    loop
        perform from resource_create(
            wanted.resource_id, target.tenant_id, target.placed_side, target.placed_by,
            case when item.count = 1 then body
                 else body || jsonb_build_object('name', format('%s %s', body ->> 'name', wanted.place)) end, null);
        perform from resource_act(target.tenant_id, 'operator', by_actor, wanted.resource_id, 'approve', null,
                                  jsonb_build_object('reason', target.id), null);
    end loop;
end
$$;

-- Begins an item; what refuses it is noted with it, and undoes nothing of the others.
create function order_begin_item(target orders, item order_items, by_actor text) returns void
    language plpgsql
as $$
declare
    problem text;
    said text;
begin
    perform order_item_transit(target.tenant_id, target.id, item.number, 'begin', 'in_progress', null, null, by_actor);
    if item.action like 'rent_%' then
        perform order_rent(target, item, by_actor);
    else
        perform from resource_act(target.tenant_id, target.placed_side, target.placed_by, item.request ->> 'resource_id',
                                  case item.action when 'return' then 'terminate' else 'change' end, null,
                                  (item.request - array['action', 'resource_id']) || jsonb_build_object('reason', target.id), null);
    end if;
    if item.action = 'change' then
        perform order_item_transit(target.tenant_id, target.id, item.number, 'complete', 'completed', null, null, by_actor);
    end if;
exception
    when sqlstate 'BC422' or integrity_constraint_violation then
        get stacked diagnostics problem = message_text, said = pg_exception_detail;
        if sqlstate <> 'BC422' then
            problem := 'conflict_unique';
        end if;
        perform order_item_transit(target.tenant_id, target.id, item.number, 'fail', 'failed', problem, said, by_actor);
end
$$;

create function order_begin(target orders, by_actor text) returns void
    language plpgsql
as $$
declare
    item order_items;
begin
    for item in
        select i.* from order_items i
        where i.tenant_id = target.tenant_id and i.order_id = target.id order by i.number
    loop
        perform order_begin_item(target, item, by_actor);
    end loop;
    perform work_orders_of(target, by_actor);
    perform order_settle(target.tenant_id, target.id, by_actor);
end
$$;

-- What its resources say of an item under way: null while one of them is on its way.
create function order_item_outcome(item order_items) returns text
    language sql stable
as $$
    select case when item.action = 'return' and bool_and(r.state = 'terminated') then 'completed'
                when item.action = 'return' then null
                when bool_or(r.state not in ('active', 'suspended', 'terminated', 'rejected')) then null
                when bool_or(r.state in ('active', 'suspended')) then 'completed'
                else 'cancelled' end
    from order_resources w join resources r on r.tenant_id = w.tenant_id and r.id = w.resource_id
    where w.tenant_id = item.tenant_id and w.order_id = item.order_id and w.item = item.number
$$;

-- Ends an order all of whose items have ended.
create function order_settle(of_tenant text, of_order text, by_actor text) returns void
    language plpgsql
as $$
declare
    target orders;
    item order_items;
    ended record;
begin
    for item in
        select i.* from order_items i
        where i.tenant_id = of_tenant and i.order_id = of_order and i.state in ('in_progress', 'cancelling') order by i.number
    loop
        if order_item_outcome(item) is not null then
            perform order_item_transit(
                of_tenant, of_order, item.number, case order_item_outcome(item) when 'completed' then 'complete' else 'cancel' end,
                order_item_outcome(item), null, null, by_actor);
        end if;
    end loop;
    select count(*) filter (where i.state = 'completed') as completed, count(*) as items,
           count(*) filter (where i.state in ('waiting', 'in_progress', 'cancelling')) as open into ended
    from order_items i where i.tenant_id = of_tenant and i.order_id = of_order;
    select o.* into target from orders o where o.tenant_id = of_tenant and o.id = of_order;
    if ended.open = 0 and target.state in ('in_progress', 'cancelling') then
        perform order_transit(target, 'end', case ended.completed when ended.items then 'completed' when 0 then 'cancelled'
                                                                  else 'partially_completed' end, null, by_actor);
    end if;
end
$$;

create function order_follow_resource() returns trigger
    language plpgsql
as $$
declare
    waiting record;
begin
    for waiting in
        select o.tenant_id, o.id
        from order_resources w
        join order_items i on i.tenant_id = w.tenant_id and i.order_id = w.order_id and i.number = w.item
        join orders o on o.tenant_id = w.tenant_id and o.id = w.order_id
        where w.tenant_id = new.tenant_id and w.resource_id = new.id and i.state in ('in_progress', 'cancelling')
        order by o.id
        for no key update of o
    loop
        perform order_settle(waiting.tenant_id, waiting.id, coalesce(setting('actor'), session_user));
    end loop;
    return null;
end
$$;
create trigger orders after update of state on resources for each row
    when (old.state is distinct from new.state) execute function order_follow_resource();

-- ---- Cancelling ----

-- Undoes what an item has begun with a resource; one that is in use already stays, unless all is to go. A device that
-- is reserved for it is the operator's to release: for a tenant the resource is `terminating` until that is done.
create function order_undo_resource(target orders, of_resource text, all_of_it boolean, by_side text, by_actor text,
                                    why text)
    returns void
    language plpgsql
as $$
declare
    found_state text := (select r.state from resources r where r.tenant_id = target.tenant_id and r.id = of_resource);
    device text;
begin
    if found_state in ('active', 'suspended') and not all_of_it or found_state in ('terminating', 'terminated', 'rejected') then
        return;
    end if;
    if found_state in ('requested', 'approved') and by_side = 'operator' then
        for device in select t.id from terminals t where t.resource_id = of_resource and t.state = 'reserved' loop
            perform from terminal_act(by_actor, device, 'release', null, jsonb_build_object('note', target.id));
        end loop;
    end if;
    perform from resource_act(
        target.tenant_id, 'operator', by_actor, of_resource,
        case when found_state in ('requested', 'approved') and not exists (select from terminals t where t.resource_id = of_resource)
             then 'reject' else 'terminate' end,
        null, jsonb_build_object('reason', left(concat_ws(' · ', target.id, nullif(why, '')), 500)), null);
end
$$;

create function order_cancel_item(target orders, item order_items, all_of_it boolean, by_side text, by_actor text, why text)
    returns void
    language plpgsql
as $$
declare
    wanted text;
begin
    if item.action not like 'rent_%' or item.state not in ('in_progress', 'completed') or item.state = 'completed' and not all_of_it then
        return;
    end if;
    perform order_item_transit(target.tenant_id, target.id, item.number, 'cancel', 'cancelling', null, why, by_actor);
    for wanted in
        select w.resource_id from order_resources w
        where w.tenant_id = target.tenant_id and w.order_id = target.id and w.item = item.number order by w.resource_id
    loop
        perform order_undo_resource(target, wanted, all_of_it, by_side, by_actor, why);
    end loop;
end
$$;

-- Before it began an order ends at once. After that each item, or the one that is named, is undone: what is not in use
-- yet is taken back, and the order is `cancelling` until that is confirmed; what is in use stays, unless
-- "include_completed" says otherwise.
create function order_cancel(for_tenant text, by_side text, by_actor text, of_order text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target orders := order_lock(for_tenant, of_order, seen_version);
    item order_items;
    why text := coalesce(body ->> 'reason', '');
    all_of_it boolean := coalesce((body ->> 'include_completed')::boolean, false);
begin
    if target.id is null then
        return;
    end if;
    perform order_refuse_state(target, 'draft,pending_approval,in_progress');
    if target.state <> 'in_progress' and body ? 'item' then
        perform refuse('state_conflict', 'The order has not begun: change its items, or cancel all of it.');
    elsif body ? 'item' and not exists (
        select from order_items i
        where i.tenant_id = target.tenant_id and i.order_id = target.id and i.number = (body ->> 'item')::integer) then
        perform refuse('reference_unknown', 'item must be the number of one of the order''s items.');
    elsif target.state <> 'in_progress' then
        perform order_drop(target, 'cancel', 'cancelled', why, by_actor);
    else
        if not body ? 'item' then
            perform order_transit(target, 'cancel', 'cancelling', why, by_actor);
        end if;
        for item in
            select i.* from order_items i
            where i.tenant_id = target.tenant_id and i.order_id = target.id
              and (not body ? 'item' or i.number = (body ->> 'item')::integer)
            order by i.number
        loop
            perform order_cancel_item(target, item, all_of_it, by_side, by_actor, why);
        end loop;
        perform order_settle(target.tenant_id, target.id, by_actor);
    end if;
    return query select order_document(o), o.version from orders o
                 where o.tenant_id = target.tenant_id and o.id = target.id;
end
$$;

-- Ends orders whose time to be approved is over, some at a time; how many.
create function orders_expire(at_most integer) returns integer
    language plpgsql
as $$
declare
    target orders;
    ended integer := 0;
begin
    for target in
        select o.* from orders o
        where o.state = 'pending_approval' and o.expires_at <= clock_timestamp()
        order by o.expires_at limit at_most for no key update skip locked
    loop
        perform order_drop(target, 'expire', 'expired', 'Nobody approved it in time.', session_user);
        ended := ended + 1;
    end loop;
    return ended;
end
$$;
