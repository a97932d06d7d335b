-- A rule of approval that names no amount holds for orders of any, also for one that makes the bill smaller.
set local role bccd_owner;

-- The steps of all rules that an order falls under; until when it waits for them.
create or replace function order_ask_approval(target orders, by_role text, quote jsonb) returns timestamptz
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
    where a.state = 'active' and (a.minimum_amount is null or amount >= a.minimum_amount)
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
