-- Software billed by the most seats that a subscription had at once, the high water of the month. Like seat-days it comes
-- from the history of resources and from nothing else.
set local role bccd_owner;

alter table meters drop constraint meters_check1;
alter table meters add constraint meters_derived
    check (case source when 'derived' then aggregation in ('days', 'max') else aggregation <> 'days' end);

alter table meters disable trigger user;
alter table meters no force row level security;
insert into meters (id, code, name, name_en, source, aggregation, unit, resource_kind) values
    ('mtr_01k8x7g0v0e2v9m3b1q4t5y605', 'seat-high-water', '席位峰值', 'Most seats', 'derived', 'max', 'Seats', 'software');
alter table meters force row level security;
alter table meters enable trigger user;

-- As before, but that a most is no sum over days.
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
               c.charge ->> 'proration' as proration, m.source as meter_source,
               m.aggregation as aggregation
        from side s
        join plan_versions v on v.plan_id = s.plan_id and v.number = s.plan_version
        cross join lateral jsonb_array_elements(v.charges) with ordinality as c(charge, place)
        left join meters m on m.code = c.charge ->> 'meter'
    ), priced as (
        select c.item, c.count, 'one_off' as part, c.sign, c.charge, c.place, 1::bigint as active_days, 1::bigint as period_days,
               null::numeric as quantity, c.offering_id
        from charge c where c.kind = 'one_off' and c.anew
        union all
        select c.item, c.count, 'recurring', c.sign, c.charge, c.place, 1, 1, case c.aggregation when 'max' then c.quantity else c.quantity * m.days end,
               c.offering_id
        from charge c join month m on m.item = c.item and m.sign = c.sign
        where c.kind = 'recurring' or c.meter_source = 'derived'
        union all
        select c.item, c.count, 'first_bill', c.sign, c.charge, c.place,
               case when c.kind = 'one_off' or c.proration = 'none' and c.anew then 1
                    when c.proration = 'fixed_30' then m.left_of_thirty else m.left_days end,
               case when c.kind = 'one_off' or c.proration = 'none' and c.anew then 1
                    when c.proration = 'fixed_30' then 30 else m.days end,
               case c.aggregation when 'max' then c.quantity else c.quantity * m.left_days end, c.offering_id
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
