-- The close of a month: who keeps it open, both sides of every sum, and the end of it.

-- statement: unsettled_tenants
-- Who has an open invoice, or something to be billed, and so keeps the month from being closed.
select t.id, t.code
from tenants t, {{month_of :period::text}} m
where exists (select from invoices i where i.tenant_id = t.id and i.period = m.period and i.state = 'draft')
order by t.id

-- statement: gate_terms
-- Both sides of each term that must agree before a month is closed.
with line as (
    select i.kind, l.net, l.tax, l.tax_rate
    from invoice_lines l join invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
    where i.period = :period and i.state = 'finalized'
), invoice as (
    select i.kind, i.net, i.tax, i.total from invoices i where i.period = :period and i.state = 'finalized'
), posting as (
    select p.account, p.amount, e.period
    from ledger_postings p join ledger_entries e on e.tenant_id = p.tenant_id and e.number = p.entry
    where e.period <= :period
), term as (
    select 2 as place, 'rated_net' as term, 'the lines, each rounded once' as left_name,
           'net of the invoices' as right_name,
           (select coalesce(sum(l.net), 0) from line l) as left_value,
           (select coalesce(sum(i.net), 0) from invoice i) as right_value
    union all
    select 3, 'line_tax', 'tax on each line''s net at its rate', 'tax of the invoices',
           (select coalesce(sum(round(l.net * l.tax_rate, 2)), 0) from line l where l.kind = 'period'),
           (select coalesce(sum(i.tax), 0) from invoice i where i.kind = 'period')
    union all
    select 4, 'billed_cost', 'BilledCost of the FOCUS rows, charges and their tax', 'totals of the invoices',
           (select coalesce(sum(l.net + l.tax), 0) from line l),
           (select coalesce(sum(i.total), 0) from invoice i)
    union all
    select 5, 'receivable', 'totals of the invoices', 'receivable posted to the ledger',
           (select coalesce(sum(i.total), 0) from invoice i),
           (select coalesce(sum(p.amount), 0) from posting p
            where p.period = :period and p.account like 'assets:receivable:%')
    union all
    select 6, 'revenue', 'revenue posted to the ledger', 'EffectiveCost of the FOCUS rows without tax',
           (select coalesce(-sum(p.amount), 0) from posting p
            where p.period = :period and p.account like 'revenue:%'),
           (select coalesce(sum(l.net), 0) from line l)
    union all
    select 7, 'receivable_balance', 'opening and movement of receivables', 'totals of all final invoices so far',
           (select coalesce(sum(p.amount), 0) from posting p where p.account like 'assets:receivable:%'),
           (select coalesce(sum(i.total), 0) from invoices i where i.period <= :period and i.state = 'finalized')
    union all
    select 8, 'credits', 'lines that were credited', 'of them, those of which no more was taken back than they came to',
           count(*), count(*) filter (where abs(c.net) <= abs(o.net) and abs(c.tax) <= abs(o.tax))
    from (select n.tenant_id, n.credits, l.credits_line, sum(l.net) as net, sum(l.tax) as tax
          from invoices n join invoice_lines l on l.tenant_id = n.tenant_id and l.invoice_id = n.id
          where n.kind = 'credit_note' and n.period <= :period
          group by n.tenant_id, n.credits, l.credits_line) c
    join invoice_lines o on o.tenant_id = c.tenant_id and o.invoice_id = c.credits and o.line = c.credits_line
    union all
    select 9, 'ledger_balance', 'all postings', 'zero', (select coalesce(sum(p.amount), 0) from posting p), 0
)
select t.place, t.term, t.left_name, t.right_name, trim_scale(t.left_value)::text as left_value,
       trim_scale(t.right_value)::text as right_value, t.left_value = t.right_value as agrees
from term t
order by t.place

-- statement: billed_lines
-- What was billed for tenants' month, in the order of billable_charges.
select l.tenant_id, l.resource_id, l.charge_code, l.plan_id, l.plan_version, coalesce(l.correction_of, '') as correction_of,
       trim_scale(l.quantity)::text as quantity, trim_scale(l.amount)::text as amount,
       round(l.net, 2)::text as net, round(l.tax, 2)::text as tax
from many_texts(:tenants::text[]) t(id)
cross join lateral (
    -- Fenced: by tenant, however few lines there were when the plan was made.
    select l.tenant_id, l.line, l.resource_id, l.charge_code, l.plan_id, l.plan_version, l.correction_of, l.quantity, l.amount,
           l.net, l.tax
    from invoices i join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
    where i.tenant_id = t.id and i.period = :period and i.kind = 'period'
    offset 0) l
order by l.tenant_id, l.line

-- statement: usage_against_lines
-- What metering counted for tenants in the month and a plan's charge prices, beside the quantity on the lines,
-- read another way than billable_charges does: from the roll-ups and the history of states alone. Sums are compared with
-- all that came late to them; of what is no sum the month's own is, for each time on a plan, since what comes late to it is a
-- difference. Levels that are held for long come from held_in on both sides.
with month as materialized (
    select m.period, m.time_zone, m.starts_at, m.ends_at from {{month_of :period::text}} m
), account as materialized (
    select a.tenant_id from many_texts(:tenants::text[]) a(tenant_id)
), priced as materialized (
    select v.plan_id, v.number as plan_version, c.charge ->> 'code' as code, meter.id as meter_id, meter.source, meter.aggregation,
           meter.divide_by, {{adds_up meter}} as sums
    from (select distinct a.plan_id, a.plan_version from account t join plan_assignments a on a.tenant_id = t.tenant_id) p
    join plan_versions v on v.plan_id = p.plan_id and v.number = p.plan_version
    cross join lateral jsonb_array_elements(v.charges) as c(charge)
    join meters meter on meter.code = c.charge ->> 'meter'
), charge as materialized (
    select row_number() over () as key, a.tenant_id, a.resource_id, a.number, p.code, p.meter_id, p.source, p.aggregation, p.divide_by,
           p.sums, case when p.sums then '-infinity' else greatest(m.starts_at, a.starts_at) end as begins, a.takes_from, a.takes_to
    from month m
    cross join {{plans_in_time}} a
    join priced p on p.plan_id = a.plan_id and p.plan_version = a.plan_version
), used as materialized (
    select u.tenant_id, u.slot, u.period, u.resource_id, u.meter_id, u.dimensions, u.total, u.count, u.minimum, u.maximum,
           u.latest_at, u.latest, u.member
    from month m cross join account t
    cross join lateral (
        select u.tenant_id, u.slot, u.period, u.resource_id, u.meter_id, u.dimensions, u.total, u.count, u.minimum, u.maximum,
               u.latest_at, u.latest, u.member
        from usage_all u
        where u.tenant_id = t.tenant_id and u.period = m.period and u.meter_id = any (array(select p.meter_id from priced p))
        offset 0) u
    union all
    select t.tenant_id, h.slot, m.period, h.resource_id, h.meter_id, h.dimensions, h.total, h.count, null, null, null, null, null
    from month m
    cross join (select distinct c.tenant_id from charge c where c.aggregation = 'time_weighted') t
    cross join held_in(t.tenant_id, array(select p.meter_id from priced p), m.period, m.starts_at, m.ends_at) h
    union all
    select u.tenant_id, u.slot, u.period, u.resource_id, u.meter_id, u.dimensions, u.total, u.count, u.minimum, u.maximum,
           u.latest_at, u.latest, u.member
    from account t
    join usage_restatements r on r.tenant_id = t.tenant_id and r.period = :period
    cross join lateral (
        select a.tenant_id, a.slot, a.period, a.resource_id, a.meter_id, a.dimensions, a.total, a.count, a.minimum, a.maximum,
               a.latest_at, a.latest, a.member
        from usage_all a
        where a.tenant_id = r.tenant_id and a.meter_id = r.meter_id and a.slot = r.slot and a.resource_id = r.resource_id
          and a.period < r.period
          and superseded_in(a.tenant_id, a.meter_id, a.resource_id, a.slot, a.period) = r.period
        offset 0) u
), charged as (
    select c.key, c.tenant_id, c.resource_id, c.code, c.begins, c.sums, c.aggregation, c.source, c.divide_by, m.time_zone,
           u.period = m.period and (c.sums or u.slot >= m.starts_at) as now, c.sums and u.period < m.period as before,
           u.slot, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at, u.latest, u.member
    from month m
    cross join used u
    join charge c on c.tenant_id = u.tenant_id and c.resource_id = u.resource_id and c.meter_id = u.meter_id
        and u.slot >= c.takes_from and u.slot < c.takes_to
), found as (
    select c.tenant_id, c.resource_id, c.code, c.begins,
           sum(case c.aggregation when 'count' then c.count else c.total end
               * case when c.now then 1 when c.before then -1 else 0 end) as quantity
    from charged c
    where c.sums
    group by c.tenant_id, c.resource_id, c.code, c.begins
    union all
    select c.tenant_id, c.resource_id, c.code, c.begins, {{usage_value c, c, c.now, c.time_zone}}
    from charged c
    where not c.sums
    group by c.key, c.tenant_id, c.resource_id, c.code, c.begins, c.aggregation, c.source, c.divide_by, c.time_zone
    union all
    select c.tenant_id, c.resource_id, c.code, c.begins, case c.aggregation when 'max' then max(d.quantity) else sum(d.quantity) end
    from (select d.tenant_id, d.resource_id, d.quantity, {{assignment_on d, m.time_zone}} as number
          from month m cross join resource_days(m.starts_at, m.ends_at, m.time_zone, :tenants::text[]) d) d
    join charge c on c.tenant_id = d.tenant_id and c.resource_id = d.resource_id and c.number = d.number and c.source = 'derived'
    group by c.key, c.tenant_id, c.resource_id, c.code, c.begins, c.aggregation
), counted as (
    select f.tenant_id, f.resource_id, f.code, f.begins, sum(f.quantity) as quantity
    from found f
    group by f.tenant_id, f.resource_id, f.code, f.begins
), billed as (
    select l.tenant_id, l.resource_id, l.charge_code as code, case when s.sums then '-infinity' else l.service_starts_at end as begins,
           sum(l.quantity) as quantity
    from account t
    cross join lateral (
        select l.tenant_id, l.resource_id, l.charge_code, l.correction_of, l.meter_id, l.service_starts_at, l.quantity
        from invoices i join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
        where i.tenant_id = t.tenant_id and i.period = :period and i.kind = 'period' and l.meter_id is not null
        offset 0) l
    join meters meter on meter.id = l.meter_id
    cross join lateral (select {{adds_up meter}} as sums) s
    where s.sums or l.correction_of is null
    group by 1, 2, 3, 4
)
select tenant_id, resource_id, code as charge_code,
       trim_scale(coalesce(c.quantity, 0))::text as counted, trim_scale(coalesce(b.quantity, 0))::text as billed
from counted c full join billed b using (tenant_id, resource_id, code, begins)
order by tenant_id, resource_id, code, begins

-- statement: close_period
-- Queued twice, it is closed once.
insert into periods (period, starts_at, ends_at, gate, closed_at, closed_by)
select m.period, m.starts_at, m.ends_at, :gate::jsonb, clock_timestamp(),
       (select o.created_by from operations o where o.id = :operation_id)
from {{month_of :period::text}} m
on conflict (period) do nothing
