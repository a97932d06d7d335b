-- The first page of the console: reads what all domains keep, and writes nothing.

-- statement: plan_each_time
-- A plan for any tenant is a bad one for all of them at once, and the other way round.
select set_config('plan_cache_mode', 'force_custom_plan', true)

-- statement: get_overview
-- All bills are in one currency. Nothing but a credit note lessens what is unpaid.
with clock as materialized (
    select p.time_zone, (now() at time zone p.time_zone)::date as today,
           (now() at time zone p.time_zone)::date - 89 as first_day
    from platform p
    limit 1 -- there is one; so the planner knows it
), note as materialized (
    select n.tenant_id, n.credits, n.period, n.total::numeric as total
    from invoices n
    where {{own n}} and n.kind = 'credit_note' and :invoices_shown::boolean
), bill as materialized (
    select i.period, i.net::numeric as net, i.tax::numeric as tax, i.total::numeric as total,
           i.state = 'finalized' as final, i.due_on < c.today as overdue,
           i.total::numeric + coalesce(n.total, 0) as unpaid
    from invoices i
    left join (select n.tenant_id, n.credits, sum(n.total) as total from note n group by n.tenant_id, n.credits) n
              on n.tenant_id = i.tenant_id and n.credits = i.id
    cross join clock c
    where {{own i}} and i.kind = 'period' and :invoices_shown::boolean
), month as materialized (
    select period, b.net, b.tax, b.total, n.total as credited, b.invoices, b.final
    from (select b.period, sum(b.net) as net, sum(b.tax) as tax, sum(b.total) as total,
                 count(*) as invoices, bool_and(b.final) as final
          from bill b group by b.period) b
    full join (select n.period, sum(n.total) as total from note n group by n.period) n using (period)
), unpaid as materialized (
    select coalesce(sum(b.unpaid), 0) as total, count(*) as invoices,
           coalesce(sum(b.unpaid) filter (where b.overdue), 0) as overdue_total,
           count(*) filter (where b.overdue) as overdue_invoices
    from bill b
    where b.final and b.unpaid > 0
), standing as materialized ( -- on the plan that is in force
    select r.kind, r.state, a.plan_id, a.plan_version, count(*) as count
    from resources r
    left join plan_assignments a on a.tenant_id = r.tenant_id and a.resource_id = r.id
         and a.starts_at <= now() and (a.ends_at is null or a.ends_at > now())
    where {{own r}}
    group by r.kind, r.state, a.plan_id, a.plan_version
), step as materialized (
    {{active_steps}}
), day as (
    {{active_days}}
), attention as materialized (
    {{attention}}
)
select json_build_object(
    'as_of', instant_text(now()), 'time_zone', c.time_zone,
    'months', (
        select coalesce(json_agg(json_build_object(
            'period', m.period,
            'state', case when period_is_closed(m.period) then 'closed'
                          when m.final then 'finalized' else 'draft' end,
            'net', money(coalesce(m.net, 0), 'CNY'), 'tax', money(coalesce(m.tax, 0), 'CNY'),
            'total', money(coalesce(m.total, 0), 'CNY'), 'credited', money(coalesce(m.credited, 0), 'CNY'),
            'invoices', coalesce(m.invoices, 0)) order by m.period), '[]')
        from (select n.period, n.net, n.tax, n.total, n.credited, n.invoices, n.final
              from month n order by n.period desc limit 13) m),
    'recurring', (
        select money(coalesce(sum(s.count * {{flat_amount c.charge -> 'price'}}), 0), 'CNY')
        from standing s
        join plan_versions v on v.plan_id = s.plan_id and v.number = s.plan_version
        cross join jsonb_array_elements(v.charges) as c(charge)
        where s.state = 'active' and c.charge ->> 'kind' = 'recurring'),
    'unpaid', (
        select json_build_object('total', money(u.total, 'CNY'), 'invoices', u.invoices,
                                 'overdue_total', money(u.overdue_total, 'CNY'),
                                 'overdue_invoices', u.overdue_invoices)
        from unpaid u where :invoices_shown::boolean),
    'resources', (
        select coalesce(json_agg(json_build_object('kind', r.kind, 'state', r.state, 'count', r.count)
                                 order by r.kind, r.state), '[]')
        from (select s.kind, s.state, sum(s.count) as count from standing s group by s.kind, s.state) r),
    'active_days', (
        select json_agg(json_build_object('day', d.day, 'software', d.software, 'broadband', d.broadband,
                                          'terminal', d.terminal) order by d.day)
        from day d),
    'attention', (
        select coalesce(json_agg(json_build_object(
            'reason', a.reason, 'id', a.id, 'name', a.name, 'tenant_id', a.tenant_id,
            'since', instant_text(a.since), 'detail', a.detail) order by a.place, a.since, a.id), '[]')
        from (select b.place, b.reason, b.id, b.name, b.tenant_id, b.since, b.detail
              from attention b order by b.place, b.since, b.id limit 20) a),
    'attention_total', (select count(*) from attention a where a.place < 5)
                       + (select u.overdue_invoices from unpaid u)) as document
from clock c

-- What a flat price costs a whole period, as a bill rounds it (proto/openapi/price.yaml).
-- fragment: flat_amount(price)
round(least(greatest((price ->> 'amount')::numeric
                     * (100 - coalesce((price ->> 'discount_percent')::numeric, 0)) / 100,
                     (price ->> 'minimum_amount')::numeric), (price ->> 'maximum_amount')::numeric), 2)

-- What became of each resource on each day since the first one that it stepped into or out of active:
-- `step` is what it is more at the day's end than at its beginning; `more` is 1 where it was not
-- active when the day began and then was for a time, -1 where it was and left with that instant. For
-- `active` is the time between steps out and steps in, which tells those apart that cancel out.
-- fragment: active_steps
select s.kind, s.day, sum(s.step) as step,
       sum(case when s.step = 1 or s.step = 0 and s.active > '0' then 1
                when s.step = -1 and s.active = '0' then -1 else 0 end) as more
from (
    select d.resource_id, d.kind, d.day, sum(d.step) as step,
           sum(case d.step when 1 then d.starts_at - d.at when -1 then d.at - d.starts_at else '0' end) as active
    from (
        select t.resource_id, r.kind, t.effective_at as at, l.day, l.day::timestamp at time zone c.time_zone as starts_at,
               (t.to_state = 'active')::integer - (t.from_state is not distinct from 'active')::integer as step
        from resource_transitions t
        join resources r on r.tenant_id = t.tenant_id and r.id = t.resource_id
        cross join clock c
        cross join lateral (
            select case when t.effective_at <= now() then (t.effective_at at time zone c.time_zone)::date
                        else c.today + 1 end as day) l -- what is ahead is no day's yet
        where {{own t}} and {{own r}} and 'active' in (t.from_state, t.to_state)
          and t.effective_at >= (select f.first_day::timestamp at time zone f.time_zone from clock f)) d
    group by d.resource_id, d.kind, d.day) s
group by s.kind, s.day

-- How many were active in any part of each day, as resource_days counts them. How many were before the
-- first one follows from how many are now, so the cost is that of the steps.
-- fragment: active_days
with before as materialized (
    select k.kind, coalesce((select sum(s.count) from standing s where s.kind = k.kind and s.state = 'active'), 0)
                   - coalesce((select sum(s.step) from step s where s.kind = k.kind), 0) as active
    from (values ('software'), ('broadband'), ('terminal')) as k(kind)
)
select d.day, sum(d.active) filter (where d.kind = 'software') as software,
       sum(d.active) filter (where d.kind = 'broadband') as broadband,
       sum(d.active) filter (where d.kind = 'terminal') as terminal
from (
    select g.day::date as day, b.kind,
           b.active + coalesce(s.more, 0) - coalesce(s.step, 0)
           + sum(coalesce(s.step, 0)) over (partition by b.kind order by g.day) as active
    from clock c
    cross join generate_series(c.first_day, c.today, interval '1 day') as g(day)
    cross join before b
    left join step s on s.kind = b.kind and s.day = g.day::date
) d
group by d.day

-- fragment: attention
select case r.state when 'failed' then 1 else 4 end as place,
       case r.state when 'failed' then 'resource_failed' else 'resource_waiting' end as reason,
       r.id, r.name, r.tenant_id,
       (select max(t.effective_at) from resource_transitions t
        where t.tenant_id = r.tenant_id and t.resource_id = r.id
          and t.from_state is distinct from t.to_state) as since,
       coalesce(r.failure_detail, r.state) as detail
from resources r
where {{own r}} and r.state in ('failed', 'requested', 'approved', 'provisioning', 'terminating')
union all
select 2, 'operation_failed', o.id, o.kind, o.tenant_id, o.ended_at, coalesce(o.error ->> 'detail', '')
from operations o
where {{own o}} and :operations_shown::boolean and o.state = 'failed' and o.period_seconds is null
  and o.ended_at > now() - interval '30 days'
union all
select 3, 'radius_quarantine', q.reason, q.reason, null, min(q.received_at), count(*)::text
from radius_quarantine q
where :tenant::text is null and :broadband_shown::boolean and q.received_at > now() - interval '7 days'
group by q.reason
union all
(select 5, 'invoice_overdue', i.id, i.number, i.tenant_id, (i.due_on + 1)::timestamp at time zone i.time_zone,
        round(i.total + n.credited, 2)::text || ' ' || i.currency
 from invoices i
 cross join lateral (
     select coalesce(sum(n.total), 0) as credited from invoices n
     where n.tenant_id = i.tenant_id and n.credits = i.id) n
 where {{own i}} and :invoices_shown::boolean and i.due_on < (select c.today from clock c)
   and i.total + n.credited > 0
 order by i.due_on, i.id limit 20)
