-- What tenants owe a price for, in a month.

-- fragment: billable(each, tenants)
-- Each charge of each plan that a resource was on in the month, with what it is charged for: once for one that is due when
-- the resource first becomes active, days for a recurring one, the meter's quantity for usage. Days and usage belong to the
-- plan in force at their time.
-- Usage of an earlier month that counts in this one has rows of its own (correction_of), with what that month
-- was billed for before: `already`, null where it had no line. What was counted anew since, as events were voided, was
-- billed for as it stood before.
-- After them come what is owed for terminals beside their rent, then the credits for missed service levels, which are
-- shares of what is `creditable`.
--
-- A part of a month, by the charge's proration: calendar_day, its active days; fixed_30, the same where every
-- month has thirty days, since the last one stands for what is missing or too much; none, the whole, and once
-- only, to the plan with which the resource began.
with month as materialized (
    select m.period, m.time_zone, m.starts_at, m.ends_at, m.days from {{month_of :period::text}} m
), account as materialized (
    select a.tenant_id from each a(tenant_id)
), assigned as materialized (
    select row_number() over () as key, a.tenant_id, a.resource_id, a.number, a.plan_id, a.plan_version, a.starts_at, a.ends_at,
           a.takes_from, a.takes_to
    from {{plans_in_time}} a
), days as materialized (
    select d.key, count(*) as active_days,
           sum(case when extract(day from d.day) = d.days then 31 - d.days else 1 end) as of_thirty, sum(d.quantity) as quantity,
           max(d.quantity) as most, d.number = min(d.number) over (partition by d.tenant_id, d.resource_id) as begins
    from (select d.tenant_id, d.resource_id, d.day, d.quantity, m.days, max(g.number) as number, max(g.key) as key
          from month m
          cross join resource_days(m.starts_at, least(m.ends_at, now()), m.time_zone, tenants) d
          join assigned g on g.resource_id = d.resource_id
              and g.starts_at < ((d.day + 1)::timestamp at time zone m.time_zone)
              and g.ends_at > (d.day::timestamp at time zone m.time_zone)
          group by d.tenant_id, d.resource_id, d.day, d.quantity, m.days) d
    group by d.tenant_id, d.resource_id, d.number, d.key
), charge as materialized (
    select row_number() over () as key, v.plan_id, v.number as plan_version, c.place, c.charge::text as charge, c.charge ->> 'code' as code,
           c.charge ->> 'kind' as kind, c.charge ->> 'proration' as proration, c.charge ->> 'name' as name,
           coalesce(nullif(c.charge ->> 'name_en', ''), c.charge ->> 'name') as name_en, c.charge -> 'price' ->> 'model' as model,
           c.charge -> 'price' -> 'dimensions' as dimensions, meter.id as meter_id, meter.source, meter.aggregation, meter.unit
    from (select distinct a.plan_id, a.plan_version from month m join assigned a on a.starts_at < m.ends_at) p
    join plan_versions v on v.plan_id = p.plan_id and v.number = p.plan_version
    cross join lateral jsonb_array_elements(v.charges) with ordinality as c(charge, place)
    left join meters meter on meter.code = c.charge ->> 'meter'
), charged as materialized (
    select a.key, a.tenant_id, a.resource_id, c.key as charge, c.kind, c.proration, c.source, c.aggregation, c.meter_id,
           a.active, a.active_days, a.of_thirty, a.quantity, a.most, a.begins
    from (select a.key, a.tenant_id, a.resource_id, a.plan_id, a.plan_version, d.key is not null as active, d.active_days,
                 d.of_thirty, d.quantity, d.most, d.begins
          from month m
          join assigned a on a.starts_at < m.ends_at
          left join days d on d.key = a.key
          offset 0) a
    join charge c on c.plan_id = a.plan_id and c.plan_version = a.plan_version
), counted as materialized (
    select u.tenant_id, u.resource_id, u.meter_id, u.slot, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at,
           u.latest, u.member
    from month m cross join account t
    cross join lateral (
        -- Fenced, so that each part of the view is read by tenant.
        select u.tenant_id, u.resource_id, u.meter_id, u.slot, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at,
               u.latest, u.member
        from usage_all u
        where u.tenant_id = t.tenant_id and u.period = m.period and u.meter_id = any (array(select c.meter_id from charge c))
        offset 0) u
    union all
    select t.tenant_id, h.resource_id, h.meter_id, h.slot, h.dimensions, h.total, h.count, null, null, null, null, null
    from month m
    cross join (select distinct c.tenant_id from charged c where c.aggregation = 'time_weighted') t
    cross join held_in(t.tenant_id, array(select c.meter_id from charge c), m.period, m.starts_at, m.ends_at) h
), late as materialized (
    select c.tenant_id, c.resource_id, c.meter_id, to_char(c.slot at time zone m.time_zone, 'YYYY-MM') as own_month
    from month m join counted c on c.slot < m.starts_at
    union
    select r.tenant_id, r.resource_id, r.meter_id, to_char(r.slot at time zone m.time_zone, 'YYYY-MM')
    from month m cross join account t
    join usage_restatements r on r.tenant_id = t.tenant_id and r.period = m.period
    where r.meter_id in (select c.meter_id from charge c)
), part as (
    select c.tenant_id, c.resource_id, c.meter_id,
           case when c.slot >= m.starts_at then m.period else to_char(c.slot at time zone m.time_zone, 'YYYY-MM') end as own_month,
           true as now, false as before, c.slot, c.dimensions, c.total, c.count, c.minimum, c.maximum, c.latest_at, c.latest, c.member
    from month m cross join counted c
    union all
    select l.tenant_id, l.resource_id, l.meter_id, l.own_month, coalesce(s.period > m.period, true),
           coalesce(s.period >= m.period, true), u.slot, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at, u.latest,
           u.member
    from month m cross join late l
    cross join lateral (
        -- And here by what is late.
        select u.tenant_id, u.resource_id, u.meter_id, u.period, u.slot, u.dimensions, u.total, u.count, u.minimum, u.maximum,
               u.latest_at, u.latest, u.member
        from usage_all u
        where u.tenant_id = l.tenant_id and u.meter_id = l.meter_id and u.resource_id = l.resource_id
          and u.slot >= period_start(l.own_month, m.time_zone) and u.slot < period_end(l.own_month, m.time_zone)
          and u.period < m.period
        offset 0) u
    cross join lateral (
        select case when exists (select from usage_restatements r where r.tenant_id = l.tenant_id)
                    then superseded_in(u.tenant_id, u.meter_id, u.resource_id, u.slot, u.period) end as period) s
    union all
    select l.tenant_id, l.resource_id, l.meter_id, l.own_month, true, true, h.slot, h.dimensions, h.total, h.count, null, null, null,
           null, null
    from month m cross join late l
    cross join lateral (
        select distinct s.period from usage_spans s
        where s.tenant_id = l.tenant_id and s.meter_id = l.meter_id and s.resource_id = l.resource_id
          and s.slot >= period_start(l.own_month, m.time_zone) and s.slot < period_end(l.own_month, m.time_zone)
          and s.period < m.period) p
    cross join lateral held_in(l.tenant_id, array[l.meter_id], p.period, 'infinity', '-infinity') h -- nothing that is held now
    where h.resource_id = l.resource_id and to_char(h.slot at time zone m.time_zone, 'YYYY-MM') = l.own_month
), dated as (
    select g.key, p.resource_id, p.meter_id, p.own_month, p.now, p.before, p.slot, p.dimensions, p.total, p.count,
           p.minimum, p.maximum, p.latest_at, p.latest, p.member, m.time_zone, meter.aggregation, meter.source, meter.divide_by
    from month m cross join part p
    join assigned g on g.resource_id = p.resource_id and p.slot >= g.takes_from and p.slot < g.takes_to
    join meters meter on meter.id = p.meter_id
), grouped as materialized (
    -- Of a matrix: what adds up, under each combination of the meter's dimensions.
    select d.key, d.meter_id, d.own_month, d.dimensions,
           sum(case d.aggregation when 'count' then d.count else d.total end) filter (where d.now) as whole,
           sum(case d.aggregation when 'count' then d.count else d.total end) filter (where d.before) as already
    from dated d
    where d.meter_id = any (array(select c.meter_id from charge c where c.model = 'matrix'))
    group by d.key, d.meter_id, d.own_month, d.dimensions
), usage as materialized (
    -- What is a sum, or the most, is apart: the others sort their rows.
    select u.key, u.meter_id, u.own_month,
           usage_quantity(case u.aggregation when 'count' then sum(u.count) filter (where u.now)
                                             when 'max' then max(u.maximum) filter (where u.now)
                                             when 'min' then min(u.minimum) filter (where u.now)
                                             else sum(u.total) filter (where u.now) end, u.divide_by) as whole,
           usage_quantity(case u.aggregation when 'count' then sum(u.count) filter (where u.before)
                                             when 'max' then max(u.maximum) filter (where u.before)
                                             when 'min' then min(u.minimum) filter (where u.before)
                                             else sum(u.total) filter (where u.before) end, u.divide_by) as already
    from dated u
    where u.aggregation in ('sum', 'count', 'max', 'min', 'time_weighted')
    group by u.key, u.meter_id, u.own_month, u.aggregation, u.divide_by
    having bool_or(u.now <> u.before) and (sum(u.count) filter (where u.now) <> 0 or bool_or(u.before))
    union all
    select u.key, u.meter_id, u.own_month,
           {{usage_value u, u, u.now, u.time_zone}}, {{usage_value u, u, u.before, u.time_zone}}
    from dated u
    where u.aggregation not in ('sum', 'count', 'max', 'min', 'time_weighted')
    group by u.key, u.meter_id, u.own_month, u.time_zone, u.aggregation, u.source, u.divide_by
    having bool_or(u.now <> u.before) and (sum(u.count) filter (where u.now) <> 0 or bool_or(u.before))
), first_active as (
    select t.tenant_id, t.resource_id, min(t.effective_at) as at
    from resource_transitions t
    where (t.tenant_id, t.resource_id) in (select c.tenant_id, c.resource_id from charged c where c.kind = 'one_off')
      and t.to_state = 'active'
    group by t.tenant_id, t.resource_id
), item as materialized (
    select c.key, c.charge, m.period as own_month, null::numeric as quantity, null::numeric as already, 1::bigint as active_days,
           1::bigint as period_days
    from month m
    join first_active f on f.at >= m.starts_at and f.at < m.ends_at
    join assigned g on g.tenant_id = f.tenant_id and g.resource_id = f.resource_id
        and usage_slot(f.at) >= g.takes_from and usage_slot(f.at) < g.takes_to
    join charged c on c.key = g.key and c.kind = 'one_off'
    union all
    select c.key, c.charge, m.period, null, null,
           case c.proration when 'fixed_30' then c.of_thirty when 'none' then m.days else c.active_days end,
           case c.proration when 'fixed_30' then 30 else m.days end
    from month m cross join charged c
    where c.kind = 'recurring' and c.active and (c.begins or c.proration is distinct from 'none')
    union all
    select c.key, c.charge, m.period, case c.aggregation when 'max' then c.most else c.quantity end, null, null, null
    from month m cross join charged c
    where c.source = 'derived' and c.active
    union all
    select c.key, c.charge, c.period, coalesce(u.whole, 0), null, null, null
    from (select c.key, c.charge, c.meter_id, c.active, m.period from month m cross join charged c where c.source <> 'derived') c
    left join usage u on u.key = c.key and u.meter_id = c.meter_id and u.own_month = c.period
    where u.meter_id is not null or c.active
    union all
    select c.key, c.charge, u.own_month, coalesce(u.whole, 0) - coalesce(u.already, 0),
           case when u.already is not null or exists (
               select from resource_days(period_start(u.own_month, m.time_zone), period_end(u.own_month, m.time_zone),
                                         m.time_zone, array[g.tenant_id]) d
               where d.resource_id = g.resource_id and {{assignment_on d, m.time_zone}} = g.number)
           then coalesce(u.already, 0) end,
           null, null
    from month m
    join usage u on u.own_month < m.period
    join charged c on c.key = u.key and c.meter_id = u.meter_id and c.source <> 'derived'
    join assigned g on g.key = u.key
), billed as (
    select row_number() over (partition by g.tenant_id order by g.resource_id, g.number, x.place, i.own_month) as place,
           g.tenant_id, g.resource_id, r.offering_id, g.plan_id, g.plan_version, x.code as charge_code, x.kind, x.charge, x.name || ' · ' || r.name as description, x.name_en || ' · ' || r.name as description_en,
           case when i.own_month < m.period then i.own_month end as correction_of,
           trim_scale(i.quantity)::text as quantity, trim_scale(i.already)::text as already,
           i.active_days, i.period_days, x.meter_id,
           case when i.own_month = m.period and (x.kind = 'recurring' or x.source = 'derived') then true end as creditable,
           coalesce(x.unit, case x.kind when 'one_off' then 'Units' else 'Months' end) as unit,
           greatest(case when i.own_month = m.period then m.starts_at else period_start(i.own_month, m.time_zone) end,
                    g.starts_at) as service_starts_at,
           least(case when i.own_month = m.period then m.ends_at else period_end(i.own_month, m.time_zone) end,
                 g.ends_at) as service_ends_at,
           o.tax_category, m.time_zone,
           case when x.model = 'percentage' and x.source = 'events' then (
               select json_agg(json_build_array(e.data ->> meter.value_property,
                                                e.period < m.period and (e.voided_in is null or e.voided_in >= m.period),
                                                e.voided_in is null or e.voided_in > m.period)
                               order by e.time, e.id)::text
               from meters meter
               join event_resources b on b.tenant_id = g.tenant_id and b.resource_id = g.resource_id
               join events e on e.tenant_id = b.tenant_id and e.batch = b.batch
               where meter.id = x.meter_id and e.resource_id = g.resource_id and e.type = meter.event_type and e.period <= m.period
                 and e.time >= period_start(i.own_month, m.time_zone) and e.time < period_end(i.own_month, m.time_zone)
                 and e.last_time >= period_start(i.own_month, m.time_zone) and e.first_time < period_end(i.own_month, m.time_zone)
                 and event_decimal(e.data ->> meter.value_property) is not null
                 and event_passes(e.data, meter.filters)
                 and batch_is_counted(e.batch, meter.first_batch, (select b.computed_to from back_computations b where b.meter_id = meter.id))
                 and usage_slot(e.time) >= g.takes_from and usage_slot(e.time) < g.takes_to) end as events,
           case when x.model = 'matrix' then (
               select json_agg(json_build_array(
                          array(select u.dimensions[array_position(meter.dimensions, d.name)]
                                from jsonb_array_elements_text(x.dimensions) with ordinality d(name, place)
                                order by d.place),
                          coalesce(u.already, 0)::text, coalesce(u.whole, 0)::text) order by u.dimensions)::text
               from grouped u join meters meter on meter.id = u.meter_id
               where u.key = i.key and u.meter_id = x.meter_id and u.own_month = i.own_month) end as groups
    from month m
    cross join item i
    join assigned g on g.key = i.key
    join charge x on x.key = i.charge
    join resources r on r.tenant_id = g.tenant_id and r.id = g.resource_id
    join offerings o on o.id = r.offering_id
), taxed as materialized (
    select d.tax_category, d.service_ends_at, tax.rate
    from (select distinct b.tax_category, b.service_ends_at, b.time_zone from billed b) d
    left join lateral (
        select t.rate from tax_rates t
        where t.category = d.tax_category
          and t.valid_from <= (d.service_ends_at at time zone d.time_zone - interval '1 microsecond')::date
        order by t.valid_from desc limit 1) tax on true
)
select b.tenant_id, b.place, b.resource_id, b.offering_id, b.plan_id, b.plan_version, b.charge_code, b.kind, b.charge, b.description,
       b.description_en, b.correction_of, b.quantity, b.already, b.active_days, b.period_days, b.meter_id, b.creditable,
       b.unit, instant_text(b.service_starts_at) as service_starts_at, instant_text(b.service_ends_at) as service_ends_at,
       b.tax_category, trim_scale(t.rate)::text as tax_rate, b.events, b.groups, null as credit, 0 as after
from billed b join taxed t on t.tax_category = b.tax_category and t.service_ends_at = b.service_ends_at
union all
select r.tenant_id, f.place, r.id, r.offering_id, a.plan_id, a.plan_version, f.code, 'fee', f.charge::text,
       {{fee_text f, '逾期占用费', '遗失赔偿', '损坏赔偿', r}}, {{fee_text f, 'Overdue', 'Loss', 'Damage', r}},
       null, f.quantity::text, null, null, null, null, null, case f.code when 'overdue' then 'Days' else 'Units' end,
       instant_text(f.starts_at), instant_text(f.ends_at), o.tax_category, trim_scale(tax.rate)::text, null, null, null, 1
from month m
cross join (select t.tenant_id from account t, month m
            where exists (select from terminal_loans l
                          where l.tenant_id = t.tenant_id and l.overdue_day_rate is not null and l.due_on < m.ends_at::date)
               or exists (select from terminal_fees f where f.tenant_id = t.tenant_id and f.period = m.period)) t
cross join lateral (
    select c.place, c.resource_id, c.code, c.asset_tag, c.quantity, c.last_day,
           c.first_day::timestamp at time zone m.time_zone as starts_at,
           (c.last_day + 1)::timestamp at time zone m.time_zone as ends_at,
           jsonb_build_object('code', c.code, 'kind', 'fee', 'working', c.working, 'price', jsonb_build_object(
               'model', 'unit', 'unit_amount', trim_scale(c.unit_amount)::text)) as charge
    from terminal_charges(t.tenant_id, m.period) c) f
join resources r on r.tenant_id = t.tenant_id and r.id = f.resource_id
join offerings o on o.id = r.offering_id
join assigned a on a.tenant_id = r.tenant_id and a.resource_id = r.id
    and usage_slot(f.starts_at) >= a.takes_from and usage_slot(f.starts_at) < a.takes_to
left join lateral (
    select t.rate from tax_rates t
    where t.category = o.tax_category and t.valid_from <= f.last_day
    order by t.valid_from desc limit 1) tax on true
union all
select r.tenant_id, d.place, r.id, r.offering_id, d.plan_id, d.plan_version, 'service-credit-' || d.measure, 'service_credit', null,
       {{credit_text d, m, '服务等级赔付 · ', '业务中断', '安装延期', ' 分钟', r}},
       {{credit_text d, m, 'Service credit · ', 'interruption', 'late installation', ' minutes', r}},
       case when d.month < m.period then d.month end, null, null, null, null, null, null, 'Minutes',
       instant_text(period_start(d.month, m.time_zone)), instant_text(period_end(d.month, m.time_zone)),
       d.tax_category, trim_scale(d.tax_rate)::text, null, null, d.credit::text, 2
from month m
cross join (select t.tenant_id from account t
            where exists (select from tickets i where i.tenant_id = t.tenant_id and i.interrupted_from is not null)
               or exists (select from work_orders w where w.tenant_id = t.tenant_id)
               or exists (select from service_credits c where c.tenant_id = t.tenant_id)) t
cross join lateral service_credits_due(t.tenant_id, m.period) d
join resources r on r.tenant_id = t.tenant_id and r.id = d.resource_id
order by tenant_id, after, place

-- statement: billable_charges
{{billable many_texts(:tenants::text[]), :tenants::text[]}}

-- Of the tenant of a request.
-- statement: billable_charges_of_tenant
{{billable unnest(array[:tenant::text]), array[:tenant::text]}}
