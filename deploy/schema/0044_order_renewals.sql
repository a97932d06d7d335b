-- Orders that renew a term, change a tier, change at the month's end, and wait for a vendor's word.
set local role bccd_owner;

alter domain order_action drop constraint order_action_check;
alter domain order_action add constraint order_action_check
    check (value in ('rent_software', 'rent_broadband', 'rent_terminal', 'change', 'renew', 'return'));

-- ---- The cart ----

-- The tier that a line is to have, or its rates.
create function order_check_line(by_side text, place integer, line jsonb, of_offering text, anew boolean) returns void
    language plpgsql
as $$
declare
    tier broadband_tiers;
begin
    if line ? 'tier_id' then
        tier := usable_tier(line ->> 'tier_id', of_offering);
        if by_side = 'tenant' and not anew and not tier.self_service then
            perform refuse('forbidden', format('items/%s: the operator puts lines on this tier.', place));
        end if;
    elsif not line ?& array['maximum_downstream_kbit', 'maximum_upstream_kbit'] then
        perform refuse('value_refused', format('items/%s/broadband must have a tier_id, or both maximum_downstream_kbit and maximum_upstream_kbit.', place));
    end if;
    perform check_access_point(line ->> 'access_point_id');
end
$$;

-- What an item names is there, and takes what is asked of it.
create or replace function order_check_item(for_tenant text, by_side text, place integer, item jsonb) returns void
    language plpgsql
as $$
declare
    wanted_kind text := substr(item ->> 'action', 6);
    target resources;
    part text;
begin
    if item ->> 'action' like 'rent_%' then
        if not exists (select from offerings o
                       where o.id = item ->> 'offering_id' and o.kind = wanted_kind and o.state = 'active') then
            perform refuse('reference_unknown', format('items/%s/offering_id must name an active offering of kind %s.', place, wanted_kind));
        end if;
        perform published_plan_version(item ->> 'offering_id', item ->> 'plan_id', (item ->> 'plan_version')::integer);
        perform check_term((item ->> 'rented_until')::date);
        if wanted_kind = 'broadband' then
            perform order_check_line(by_side, place, item -> 'broadband', item ->> 'offering_id', true);
        end if;
        return;
    end if;
    select r.* into target from resources r where r.tenant_id = for_tenant and r.id = item ->> 'resource_id';
    part := (select k from unnest(array['software', 'broadband']) as k where item ? k and k <> target.kind);
    if target.id is null then
        perform refuse('reference_unknown', format('items/%s/resource_id must name a resource of the tenant.', place));
    elsif not exists (select from resource_actions a
                      where a.kind = target.kind and a.from_state = target.state and (a.by_tenant or by_side = 'operator')
                        and a.action = case item ->> 'action' when 'return' then 'terminate' else item ->> 'action' end) then
        perform refuse('state_conflict', format('items/%s: the resource is %s, which does not allow this.', place, target.state));
    elsif part is not null then
        perform refuse('change_refused', format('items/%s: "%s" is no part of a resource of kind %s.', place, part, target.kind));
    elsif item ? 'plan_id' then
        perform published_plan_version(target.offering_id, item ->> 'plan_id', (item ->> 'plan_version')::integer);
    elsif item ->> 'action' = 'renew' then
        perform check_renewal(target, by_side, (item ->> 'rented_until')::date);
    end if;
    if item ? 'broadband' then
        perform order_check_line(by_side, place, item -> 'broadband', target.offering_id, false);
    end if;
end
$$;

-- ---- What it costs ----

-- The charges of items, each with what it is charged for, as billable_charges has them: `part` one_off; recurring,
-- a whole month; first_bill, from the day it begins until that month's end. `sign` is -1 for what ends with it. What is
-- renewed goes on as it was: it begins with the day after its term.
-- Usage is quoted where the platform counts it by itself, since then it is known beforehand.
create or replace function order_charges(of_tenant text, items jsonb)
    returns table (item integer, count integer, part text, sign integer, charge text, active_days bigint,
                   period_days bigint, quantity text, tax_category text, tax_rate text)
    language sql stable
as $$
    with wanted as (
        select i.place::integer as item, coalesce((i.item ->> 'count')::integer, 1) as count, i.item ->> 'action' as action,
               r.tenant_id, r.id as resource_id, coalesce(i.item ->> 'offering_id', r.offering_id) as offering_id,
               i.item ->> 'plan_id' as plan_id, (i.item ->> 'plan_version')::integer as plan_version,
               (i.item #>> '{software,seats}')::numeric as seats,
               greatest(case when i.item ->> 'action' = 'renew' then r.rented_until + 1
                             when i.item ->> 'effective' = 'period_end'
                             then (date_trunc('month', now() at time zone p.time_zone) + interval '1 month')::date
                             else (i.item ->> 'starts_on')::date end,
                        (now() at time zone p.time_zone)::date) as begins
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
        where w.action <> 'renew'
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

-- ---- Fulfilment ----

-- Begins an item; what refuses it is noted with it, and undoes nothing of the others.
create or replace function order_begin_item(target orders, item order_items, by_actor text) returns void
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
                                  case item.action when 'return' then 'terminate' else item.action end, null,
                                  (item.request - array['action', 'resource_id']) || jsonb_build_object('reason', target.id), null);
    end if;
    if item.action in ('change', 'renew') and order_item_outcome(item) = 'completed' then
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
        where o.tenant_id = target.tenant_id and o.order_id = target.id and i.action not in ('change', 'renew') and i.state <> 'failed'
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

-- What its resources say of an item under way: null while one of them is on its way, or a vendor is at work on it.
create or replace function order_item_outcome(item order_items) returns text
    language sql stable
as $$
    select case when item.action in ('change', 'renew') and bool_or(o.kind = 'change') then null
                when item.action in ('change', 'renew') then 'completed'
                when item.action = 'return' and bool_and(r.state = 'terminated') then 'completed'
                when item.action = 'return' then null
                when bool_or(r.state not in ('active', 'suspended', 'terminated', 'rejected')) then null
                when bool_or(r.state in ('active', 'suspended')) then 'completed'
                else 'cancelled' end
    from order_resources w
    join resources r on r.tenant_id = w.tenant_id and r.id = w.resource_id
    left join vendor_operations o on o.tenant_id = r.tenant_id and o.resource_id = r.id and o.ended_at is null
    where w.tenant_id = item.tenant_id and w.order_id = item.order_id and w.item = item.number
$$;

-- A change that a vendor was asked for ends with the vendor's word.
create function order_follow_vendor() returns trigger
    language plpgsql
as $$
declare
    waiting record;
begin
    for waiting in
        select o.tenant_id, o.id, i.number
        from order_resources w
        join order_items i on i.tenant_id = w.tenant_id and i.order_id = w.order_id and i.number = w.item
        join orders o on o.tenant_id = w.tenant_id and o.id = w.order_id
        where w.tenant_id = new.tenant_id and w.resource_id = new.resource_id and i.state = 'in_progress' and i.action = 'change'
        order by o.id
        for no key update of o
    loop
        if new.state <> 'succeeded' then
            perform order_item_transit(waiting.tenant_id, waiting.id, waiting.number, 'fail', 'failed',
                                       coalesce(new.problem_code, new.state), new.problem_detail, new.actor);
        end if;
        perform order_settle(waiting.tenant_id, waiting.id, new.actor);
    end loop;
    return null;
end
$$;
create trigger orders after update of ended_at on vendor_operations for each row
    when (new.kind = 'change' and old.ended_at is null and new.ended_at is not null)
    execute function order_follow_vendor();
