-- The first page of the console: reads what all domains keep, and writes nothing.

-- statement: get_overview
-- All bills are in one currency.
with clock as materialized (
    select p.time_zone, (now() at time zone p.time_zone)::date as today,
           (now() at time zone p.time_zone)::date - 89 as first_day
    from platform p
), month as materialized (
    select i.period, sum(i.net::numeric) as net, sum(i.tax::numeric) as tax, sum(i.total::numeric) as total,
           count(*) as invoices, count(*) filter (where i.state = 'finalized') as final_invoices,
           sum(i.total::numeric) filter (where i.state = 'finalized') as final_total,
           count(*) filter (where i.due_on < c.today) as overdue_invoices,
           sum(i.total::numeric) filter (where i.due_on < c.today) as overdue_total
    from invoices i, clock c
    where {{own i}} and :invoices_shown::boolean
    group by i.period
), standing as materialized (
    select r.kind, r.state, count(*) as count
    from resources r
    where {{own r}}
    group by r.kind, r.state
), recurring as (
    select sum(v.amount) as amount
    from resources r
    join plan_assignments a on a.tenant_id = r.tenant_id and a.resource_id = r.id
    join (select p.plan_id, p.number, sum({{flat_amount c.charge -> 'price'}}) as amount
          from plan_versions p, jsonb_array_elements(p.charges) as c(charge)
          where c.charge ->> 'kind' = 'recurring'
          group by p.plan_id, p.number) v on v.plan_id = a.plan_id and v.number = a.plan_version
    where {{own r}} and r.state = 'active'
      and a.starts_at <= now() and (a.ends_at is null or a.ends_at > now())
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
                          when m.final_invoices = m.invoices then 'finalized' else 'draft' end,
            'net', money(m.net, 'CNY'), 'tax', money(m.tax, 'CNY'), 'total', money(m.total, 'CNY'),
            'invoices', m.invoices) order by m.period), '[]')
        from (select n.period, n.net, n.tax, n.total, n.invoices, n.final_invoices
              from month n order by n.period desc limit 13) m),
    'recurring', (select money(coalesce(r.amount, 0), 'CNY') from recurring r),
    'unpaid', (
        select json_build_object(
            'total', money(coalesce(sum(m.final_total), 0), 'CNY'),
            'invoices', coalesce(sum(m.final_invoices), 0),
            'overdue_total', money(coalesce(sum(m.overdue_total), 0), 'CNY'),
            'overdue_invoices', coalesce(sum(m.overdue_invoices), 0))
        from month m having :invoices_shown::boolean),
    'resources', (
        select coalesce(json_agg(json_build_object('kind', s.kind, 'state', s.state, 'count', s.count)
                                 order by s.kind, s.state), '[]')
        from standing s),
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
    'attention_total', (select count(*) from attention)) as document
from clock c

-- What a flat price costs a whole period, as a bill rounds it (proto/openapi/price.yaml).
-- fragment: flat_amount(price)
round(least(greatest((price ->> 'amount')::numeric
                     * (100 - coalesce((price ->> 'discount_percent')::numeric, 0)) / 100,
                     (price ->> 'minimum_amount')::numeric), (price ->> 'maximum_amount')::numeric), 2)

-- Steps into and out of active since the first day: 1 or -1, and the first day that it bears on.
-- What comes and goes at one instant was never there. As in resource_days, a day counts when any
-- part of it was active, so the day of a step out still does.
-- fragment: active_steps
select s.tenant_id, s.resource_id, s.kind, s.step, s.at,
       case s.step when 1 then (s.at at time zone c.time_zone)::date
                   else ((s.at - interval '1 microsecond') at time zone c.time_zone)::date + 1 end as day
from (select t.tenant_id, t.resource_id, r.kind, t.effective_at as at,
             sum(case t.to_state when 'active' then 1 else -1 end) as step
      from clock f
      join resource_transitions t on t.effective_at >= f.first_day::timestamp at time zone f.time_zone
      join resources r on r.tenant_id = t.tenant_id and r.id = t.resource_id
      where {{own t}} and {{own r}} and (t.to_state = 'active') <> (t.from_state is not distinct from 'active')
      group by t.tenant_id, t.resource_id, r.kind, t.effective_at) s, clock c
where s.step <> 0

-- How many were active, from how many are now and the steps in between: the cost is that of the steps.
-- One that left and came back on one day counts once.
-- fragment: active_days
select d.day, sum(d.active) filter (where d.kind = 'software') as software,
       sum(d.active) filter (where d.kind = 'broadband') as broadband,
       sum(d.active) filter (where d.kind = 'terminal') as terminal
from (
    select e.day, e.kind,
           sum(e.steps) over (partition by e.kind order by e.day) - e.again as active
    from (
        select g.day::date as day, k.kind,
               coalesce(s.steps, 0)
               + case when g.day::date = c.first_day then coalesce(n.active, 0) - coalesce(w.steps, 0) else 0 end as steps,
               coalesce(s.again, 0) as again
        from clock c
        cross join generate_series(c.first_day, c.today, interval '1 day') as g(day)
        cross join (values ('software'), ('broadband'), ('terminal')) as k(kind)
        left join (
            select p.day, p.kind, sum(p.step) as steps,
                   count(*) filter (where p.step = 1 and exists (
                       select from step o
                       where o.tenant_id = p.tenant_id and o.resource_id = p.resource_id and o.step = -1
                         and o.day = p.day + 1 and o.at < p.at)) as again
            from step p group by p.day, p.kind) s on s.day = g.day::date and s.kind = k.kind
        left join (select p.kind, sum(p.step) as steps from step p group by p.kind) w on w.kind = k.kind
        left join (select t.kind, t.count as active from standing t where t.state = 'active') n on n.kind = k.kind
    ) e
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
select 5, 'invoice_overdue', i.id, i.number, i.tenant_id, (i.due_on + 1)::timestamp at time zone c.time_zone,
       round(i.total, 2)::text || ' ' || i.currency
from invoices i, clock c
where {{own i}} and :invoices_shown::boolean and i.state = 'finalized' and i.due_on < c.today
