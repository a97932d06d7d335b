-- An order of which a part fails, or is cancelled with what is in use.
set local role bccd_owner;

-- An item that failed wants no visit: what it was to give back may be going already, by another order.
create or replace function work_orders_of(target orders, by_actor text) returns void
    language plpgsql
as $$
declare
    visit record;
begin
    for visit in
        select case when r.state = 'terminating' then 'remove' when r.kind = 'terminal' then 'deliver' else 'install' end as work,
               min(r.name) as name, r.site, array_agg(r.id order by r.id) as about
        from order_resources o
        join order_items i on i.tenant_id = o.tenant_id and i.order_id = o.order_id and i.number = o.item
        join resources r on r.tenant_id = o.tenant_id and r.id = o.resource_id
        where o.tenant_id = target.tenant_id and o.order_id = target.id and i.action <> 'change' and i.state <> 'failed'
          and r.kind in ('broadband', 'terminal') and r.state in ('approved', 'terminating')
        group by 1, r.site, case r.kind when 'broadband' then r.id end
        order by min(i.number)
    loop
        perform work_order_open(
            make_identifier('wor'), target.tenant_id, target.id, visit.work, by_actor,
            jsonb_build_object('title', left(case cardinality(visit.about) when 1 then visit.name
                                                  else format('%s × %s', visit.name, cardinality(visit.about)) end, 200),
                               'site', visit.site, 'instructions', target.note), visit.about);
    end loop;
end
$$;

-- An order that is being cancelled waits until all that goes has been told to: looked at before, an item of which a
-- part is in use is complete, and an order of which nothing else is open has ended.
create or replace function order_follow_resource() returns trigger
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
          and o.id is distinct from setting('cancelling')
        order by o.id
        for no key update of o
    loop
        perform order_settle(waiting.tenant_id, waiting.id, coalesce(setting('actor'), session_user));
    end loop;
    return null;
end
$$;

-- Before it began an order ends at once. After that each item, or the one that is named, is undone: what is not in use
-- yet is taken back, and the order is `cancelling` until that is confirmed; what is in use stays, unless
-- "include_completed" says otherwise.
create or replace function order_cancel(for_tenant text, by_side text, by_actor text, of_order text, seen_version bigint, body jsonb)
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
        perform set_config('bccd.cancelling', target.id, true);
        for item in
            select i.* from order_items i
            where i.tenant_id = target.tenant_id and i.order_id = target.id
              and (not body ? 'item' or i.number = (body ->> 'item')::integer)
            order by i.number
        loop
            perform order_cancel_item(target, item, all_of_it, by_side, by_actor, why);
        end loop;
        perform set_config('bccd.cancelling', '', true);
        perform order_settle(target.tenant_id, target.id, by_actor);
    end if;
    return query select order_document(o), o.version from orders o
                 where o.tenant_id = target.tenant_id and o.id = target.id;
end
$$;
