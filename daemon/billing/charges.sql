-- What a tenant owes a price for, in a month.

-- statement: billable_charges
-- Each charge of each plan that a resource was on in the month, with what it is charged for: once for one that is
-- due when the resource first becomes active, days for a recurring one, the meter's quantity for usage. Days and usage belong to the plan in force at their time.
-- Usage of an earlier month that counts in this one has rows of its own (correction_of), with what that month
-- was billed for before: `already`, null where it had no line. What was counted anew since, as events were voided, was
-- billed for as it stood before.
-- After them come what is owed for terminals beside their rent, then the credits for missed service levels, which are
-- shares of what is `creditable`.
--
-- A part of a month, by the charge's proration: calendar_day, its active days; fixed_30, the same where every
-- month has thirty days, since the last one stands for what is missing or too much; none, the whole, and once
-- only, to the plan with which the resource began.
with month as (
    select m.period, m.time_zone, m.starts_at, m.ends_at, m.days from {{month_of :period::text}} m
), day as (
    select d.resource_id, d.quantity, {{assignment_on d, m.time_zone}} as number,
           case when extract(day from d.day) = m.days then 31 - m.days else 1 end as of_thirty
    from month m, resource_days(m.starts_at, least(m.ends_at, now()), m.time_zone, :tenant) d
), days as (
    select resource_id, number, count(*) as active_days, sum(of_thirty) as of_thirty, sum(quantity) as quantity,
           max(quantity) as most, number = min(number) over (partition by resource_id) as begins
    from day where number is not null group by resource_id, number
), charged as (
    select a.resource_id, a.number, a.plan_id, a.plan_version, a.starts_at,
           coalesce(a.ends_at, 'infinity') as ends_at, c.charge, c.place
    from month m join plan_assignments a on a.tenant_id = :tenant and a.starts_at < m.ends_at
    join plan_versions v on v.plan_id = a.plan_id and v.number = a.plan_version
    cross join lateral jsonb_array_elements(v.charges) with ordinality as c(charge, place)
), counted as materialized (
    select u.resource_id, u.meter_id, to_char(u.slot at time zone m.time_zone, 'YYYY-MM') as own_month,
           u.slot, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at, u.latest, u.member
    from month m join usage_all u on u.tenant_id = :tenant and u.period = m.period
    where u.meter_id = any (array(select e.id from charged c join meters e on e.code = c.charge ->> 'meter'))
    union all
    select h.resource_id, h.meter_id, to_char(h.slot at time zone m.time_zone, 'YYYY-MM'), h.slot, h.dimensions, h.total, h.count,
           null, null, null, null, null
    from month m
    cross join held_in(:tenant, array(select e.id from charged c join meters e on e.code = c.charge ->> 'meter'), m.period,
                       m.starts_at, m.ends_at) h
), late as (
    select c.resource_id, c.meter_id, c.own_month from counted c, month m where c.own_month < m.period
    union
    select r.resource_id, r.meter_id, to_char(r.slot at time zone m.time_zone, 'YYYY-MM')
    from month m join usage_restatements r on r.tenant_id = :tenant and r.period = m.period
    where r.meter_id in (select e.id from charged c join meters e on e.code = c.charge ->> 'meter')
), part as (
    select c.resource_id, c.meter_id, c.own_month, true as now, false as before,
           c.slot, c.dimensions, c.total, c.count, c.minimum, c.maximum, c.latest_at, c.latest, c.member
    from counted c
    union all
    select l.resource_id, l.meter_id, l.own_month, coalesce(s.period > m.period, true), coalesce(s.period >= m.period, true),
           u.slot, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at, u.latest, u.member
    from month m cross join late l
    cross join lateral (
        -- Fenced, so that each part of the view is read by what is late.
        select u.tenant_id, u.resource_id, u.meter_id, u.period, u.slot, u.dimensions, u.total, u.count, u.minimum, u.maximum,
               u.latest_at, u.latest, u.member
        from usage_all u
        where u.tenant_id = :tenant and u.meter_id = l.meter_id and u.resource_id = l.resource_id
          and u.slot >= period_start(l.own_month, m.time_zone) and u.slot < period_end(l.own_month, m.time_zone)
          and u.period < m.period
        offset 0) u
    cross join lateral (
        select case when exists (select from usage_restatements r where r.tenant_id = :tenant)
                    then superseded_in(u.tenant_id, u.meter_id, u.resource_id, u.slot, u.period) end as period) s
    union all
    select l.resource_id, l.meter_id, l.own_month, true, true, h.slot, h.dimensions, h.total, h.count, null, null, null, null, null
    from month m cross join late l
    cross join lateral (
        select distinct s.period from usage_spans s
        where s.tenant_id = :tenant and s.meter_id = l.meter_id and s.resource_id = l.resource_id
          and s.slot >= period_start(l.own_month, m.time_zone) and s.slot < period_end(l.own_month, m.time_zone)
          and s.period < m.period) p
    cross join lateral held_in(:tenant, array[l.meter_id], p.period, 'infinity', '-infinity') h -- nothing that is held now
    where h.resource_id = l.resource_id and to_char(h.slot at time zone m.time_zone, 'YYYY-MM') = l.own_month
), dated as (
    select p.resource_id, {{assignment_at :tenant, p.resource_id, p.slot}} as number, p.meter_id, p.own_month,
           p.now, p.before, p.slot, p.dimensions, p.total, p.count, p.minimum, p.maximum, p.latest_at, p.latest, p.member,
           m.time_zone
    from month m cross join part p
), grouped as materialized (
    -- Of a matrix: what adds up, under each combination of the meter's dimensions.
    select d.resource_id, d.number, d.meter_id, d.own_month, d.dimensions,
           sum(case meter.aggregation when 'count' then d.count else d.total end) filter (where d.now) as whole,
           sum(case meter.aggregation when 'count' then d.count else d.total end) filter (where d.before) as already
    from dated d join meters meter on meter.id = d.meter_id
    where meter.code = any (array(select c.charge ->> 'meter' from charged c where c.charge -> 'price' ->> 'model' = 'matrix'))
    group by d.resource_id, d.number, d.meter_id, d.own_month, d.dimensions
), usage as (
    select u.resource_id, u.number, u.meter_id, u.own_month,
           {{usage_value meter, u, u.now, u.time_zone}} as whole, {{usage_value meter, u, u.before, u.time_zone}} as already
    from dated u
    join meters meter on meter.id = u.meter_id
    group by u.resource_id, u.number, u.meter_id, u.own_month, u.time_zone, meter.aggregation, meter.source, meter.divide_by
    having bool_or(u.now <> u.before) and (sum(u.count) filter (where u.now) <> 0 or bool_or(u.before))
), first_active as (
    select t.resource_id, min(t.effective_at) as at
    from resource_transitions t
    where t.tenant_id = :tenant and t.to_state = 'active'
    group by t.resource_id
), item as (
    select c.resource_id, c.number, c.place, m.period as own_month, null::text as meter_id, null::numeric as quantity,
           null::numeric as already, 1::bigint as active_days, 1::bigint as period_days
    from month m
    join first_active f on f.at >= m.starts_at and f.at < m.ends_at
    join charged c on c.resource_id = f.resource_id and c.number = {{assignment_at :tenant, f.resource_id, usage_slot(f.at)}}
    where c.charge ->> 'kind' = 'one_off'
    union all
    select c.resource_id, c.number, c.place, m.period as own_month, null::text as meter_id,
           null::numeric as quantity, null::numeric as already,
           case c.charge ->> 'proration' when 'fixed_30' then d.of_thirty when 'none' then m.days
                                         else d.active_days end as active_days,
           case c.charge ->> 'proration' when 'fixed_30' then 30 else m.days end as period_days
    from month m, charged c join days d on d.resource_id = c.resource_id and d.number = c.number
    where c.charge ->> 'kind' = 'recurring' and (d.begins or c.charge ->> 'proration' is distinct from 'none')
    union all
    select c.resource_id, c.number, c.place, m.period, meter.id,
           case meter.aggregation when 'max' then d.most else d.quantity end, null, null, null
    from month m, charged c
    join meters meter on meter.code = c.charge ->> 'meter' and meter.source = 'derived'
    join days d on d.resource_id = c.resource_id and d.number = c.number
    union all
    select c.resource_id, c.number, c.place, m.period, meter.id, coalesce(u.whole, 0), null, null, null
    from month m cross join charged c
    join meters meter on meter.code = c.charge ->> 'meter' and meter.source <> 'derived'
    left join usage u on u.resource_id = c.resource_id and u.number = c.number
        and u.meter_id = meter.id and u.own_month = m.period
    left join days d on d.resource_id = c.resource_id and d.number = c.number
    where u.meter_id is not null or d.number is not null
    union all
    select c.resource_id, c.number, c.place, u.own_month, meter.id, coalesce(u.whole, 0) - coalesce(u.already, 0),
           case when u.already is not null or exists (
               select from resource_days(period_start(u.own_month, m.time_zone), period_end(u.own_month, m.time_zone),
                                         m.time_zone, :tenant) d
               where d.resource_id = u.resource_id and {{assignment_on d, m.time_zone}} = u.number)
           then coalesce(u.already, 0) end,
           null, null
    from month m cross join charged c
    join meters meter on meter.code = c.charge ->> 'meter' and meter.source <> 'derived'
    join usage u on u.resource_id = c.resource_id and u.number = c.number
        and u.meter_id = meter.id and u.own_month < m.period
), billed as (
    select row_number() over (order by r.id, c.number, c.place, i.own_month) as place, r.id as resource_id, r.offering_id, c.plan_id, c.plan_version, c.charge ->> 'code' as charge_code,
           c.charge ->> 'kind' as kind, c.charge::text as charge,
           (c.charge ->> 'name') || ' · ' || r.name as description,
           coalesce(nullif(c.charge ->> 'name_en', ''), c.charge ->> 'name') || ' · ' || r.name as description_en,
           case when i.own_month < m.period then i.own_month end as correction_of,
           trim_scale(i.quantity)::text as quantity, trim_scale(i.already)::text as already,
           i.active_days, i.period_days, i.meter_id,
           case when i.own_month = m.period and (c.charge ->> 'kind' = 'recurring' or meter.source = 'derived') then true end as creditable,
           coalesce(meter.unit, case c.charge ->> 'kind' when 'one_off' then 'Units' else 'Months' end) as unit,
           instant_text(greatest(period_start(i.own_month, m.time_zone), c.starts_at)) as service_starts_at,
           instant_text(least(period_end(i.own_month, m.time_zone), c.ends_at)) as service_ends_at,
           o.tax_category, trim_scale(tax.rate)::text as tax_rate,
           case when c.charge -> 'price' ->> 'model' = 'percentage' and meter.source = 'events' then (
               select json_agg(json_build_array(e.data ->> meter.value_property,
                                                e.period < m.period and (e.voided_in is null or e.voided_in >= m.period),
                                                e.voided_in is null or e.voided_in > m.period)
                               order by e.time, e.id)::text
               from event_resources x
               join events e on e.tenant_id = x.tenant_id and e.batch = x.batch
               where x.tenant_id = :tenant and x.resource_id = r.id and e.resource_id = r.id and e.type = meter.event_type
                 and e.period <= m.period
                 and e.time >= period_start(i.own_month, m.time_zone) and e.time < period_end(i.own_month, m.time_zone)
                 and e.last_time >= period_start(i.own_month, m.time_zone) and e.first_time < period_end(i.own_month, m.time_zone)
                 and event_decimal(e.data ->> meter.value_property) is not null
                 and event_passes(e.data, meter.filters)
                 and batch_is_counted(e.batch, meter.first_batch, (select b.computed_to from back_computations b where b.meter_id = meter.id))
                 and c.number = {{assignment_at e.tenant_id, e.resource_id, usage_slot(e.time)}}) end as events,
           case when c.charge -> 'price' ->> 'model' = 'matrix' then (
               select json_agg(json_build_array(
                          array(select g.dimensions[array_position(meter.dimensions, d.name)]
                                from jsonb_array_elements_text(c.charge -> 'price' -> 'dimensions') with ordinality d(name, place)
                                order by d.place),
                          coalesce(g.already, 0)::text, coalesce(g.whole, 0)::text) order by g.dimensions)::text
               from grouped g
               where g.resource_id = i.resource_id and g.number = i.number and g.meter_id = i.meter_id
                 and g.own_month = i.own_month) end as groups,
           null as credit
    from month m
    cross join item i
    join charged c on c.resource_id = i.resource_id and c.number = i.number and c.place = i.place
    join resources r on r.tenant_id = :tenant and r.id = c.resource_id
    join offerings o on o.id = r.offering_id
    left join meters meter on meter.id = i.meter_id
    left join lateral (
        select t.rate from tax_rates t
        where t.category = o.tax_category
          and t.valid_from <= (least(period_end(i.own_month, m.time_zone), c.ends_at) at time zone m.time_zone
                               - interval '1 microsecond')::date
        order by t.valid_from desc limit 1) tax on true
)
select b.place, b.resource_id, b.offering_id, b.plan_id, b.plan_version, b.charge_code, b.kind, b.charge, b.description,
       b.description_en, b.correction_of, b.quantity, b.already, b.active_days, b.period_days, b.meter_id, b.creditable,
       b.unit, b.service_starts_at, b.service_ends_at, b.tax_category, b.tax_rate, b.events, b.groups, b.credit, 0 as after
from billed b
union all
select f.place, r.id, r.offering_id, a.plan_id, a.plan_version, f.code, 'fee', f.charge::text,
       {{fee_text f, '逾期占用费', '遗失赔偿', '损坏赔偿', r}}, {{fee_text f, 'Overdue', 'Loss', 'Damage', r}},
       null, f.quantity::text, null, null, null, null, null, case f.code when 'overdue' then 'Days' else 'Units' end,
       instant_text(f.starts_at), instant_text(f.ends_at), o.tax_category, trim_scale(tax.rate)::text, null, null, null, 1
from month m
cross join lateral (
    select c.place, c.resource_id, c.code, c.asset_tag, c.quantity, c.last_day,
           c.first_day::timestamp at time zone m.time_zone as starts_at,
           (c.last_day + 1)::timestamp at time zone m.time_zone as ends_at,
           jsonb_build_object('code', c.code, 'kind', 'fee', 'working', c.working, 'price', jsonb_build_object(
               'model', 'unit', 'unit_amount', trim_scale(c.unit_amount)::text)) as charge
    from terminal_charges(:tenant, m.period) c) f
join resources r on r.tenant_id = :tenant and r.id = f.resource_id
join offerings o on o.id = r.offering_id
join plan_assignments a on a.tenant_id = r.tenant_id and a.resource_id = r.id
    and a.number = {{assignment_at r.tenant_id, r.id, usage_slot(f.starts_at)}}
left join lateral (
    select t.rate from tax_rates t
    where t.category = o.tax_category and t.valid_from <= f.last_day
    order by t.valid_from desc limit 1) tax on true
union all
select d.place, r.id, r.offering_id, d.plan_id, d.plan_version, 'service-credit-' || d.measure, 'service_credit', null,
       {{credit_text d, m, '服务等级赔付 · ', '业务中断', '安装延期', ' 分钟', r}},
       {{credit_text d, m, 'Service credit · ', 'interruption', 'late installation', ' minutes', r}},
       case when d.month < m.period then d.month end, null, null, null, null, null, null, 'Minutes',
       instant_text(period_start(d.month, m.time_zone)), instant_text(period_end(d.month, m.time_zone)),
       d.tax_category, trim_scale(d.tax_rate)::text, null, null, d.credit::text, 2
from month m cross join service_credits_due(:tenant, m.period) d
join resources r on r.tenant_id = :tenant and r.id = d.resource_id
order by after, place
