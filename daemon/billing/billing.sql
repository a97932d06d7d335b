-- Billing: what a tenant owes for a month, invoices, runs and the close.

-- fragment: run_document(r)
json_build_object(
    'id', r.id, 'period', r.period, 'finalize', r.finalize, 'tenant_id', r.tenant_id,
    'operation_id', r.operation_id, 'state', r.state, 'accounts', r.accounts,
    'invoices', r.invoices, 'failures', r.failures,
    'created_at', instant_text(r.created_at), 'ended_at', instant_text(r.ended_at))

-- fragment: invoice_document(i)
json_build_object(
    'id', i.id, 'tenant_id', i.tenant_id, 'period', i.period, 'kind', i.kind, 'state', i.state,
    'number', i.number, 'net', money(i.net, i.currency), 'tax', money(i.tax, i.currency),
    'total', money(i.total, i.currency), 'buyer', i.buyer,
    'period_starts_at', instant_text(i.period_starts_at),
    'period_ends_at', instant_text(i.period_ends_at), 'time_zone', i.time_zone,
    'finalized_at', instant_text(i.finalized_at), 'due_on', i.due_on, 'run_id', i.run_id,
    'external_id', i.external_id, 'created_at', instant_text(i.created_at))

-- fragment: credit_note_document(i)
json_build_object(
    'id', i.id, 'tenant_id', i.tenant_id, 'invoice_id', i.credits, 'number', i.number, 'period', i.period,
    'reason', i.reason, 'net', money(i.net, i.currency), 'tax', money(i.tax, i.currency),
    'total', money(i.total, i.currency), 'buyer', i.buyer, 'finalized_at', instant_text(i.finalized_at))

-- fragment: line_document(l, currency)
json_build_object(
    'line', l.line, 'kind', l.kind, 'correction_of', l.correction_of, 'credits_line', l.credits_line,
    'resource_id', l.resource_id, 'offering_id', l.offering_id, 'plan_id', l.plan_id,
    'plan_version', l.plan_version, 'charge_code', l.charge_code,
    'description', l.description, 'description_en', l.description_en,
    'service_starts_at', instant_text(l.service_starts_at),
    'service_ends_at', instant_text(l.service_ends_at),
    'quantity', number_text(l.quantity), 'unit', l.unit,
    'billed_quantity', number_text(l.billed_quantity), 'unit_amount', number_text(l.unit_amount),
    'exact_amount', number_text(l.amount), 'net', money(l.net, currency),
    'tax_category', l.tax_category, 'tax_rate', number_text(l.tax_rate),
    'tax', money(l.tax, currency))

-- fragment: period_document(p)
json_build_object(
    'period', p.period, 'state', case when period_is_closed(p.period) then 'closed' else 'open' end,
    'starts_at', instant_text(p.starts_at), 'ends_at', instant_text(p.ends_at), 'gate', p.gate,
    'closed_at', instant_text(p.closed_at), 'closed_by', p.closed_by)

-- What a line's meter counted, day by day in the zone of the bill: of events and traffic, and of the
-- history of states. Of slots that were counted anew in the month, what they had before comes off.
-- fragment: metered_days(l, i, m)
(select coalesce(json_agg(json_build_object(
     'day', d.day, 'value', number_text(d.value), 'total', number_text(d.total), 'count', d.count,
     'maximum', number_text(d.maximum)) order by d.day), '[]')
 from (select (u.slot at time zone i.time_zone)::date as day, sum(case when u.counts then u.total else -u.total end) as total,
              sum(case when u.counts then u.count else -u.count end) as count,
              coalesce(max(u.maximum) filter (where u.counts), 0) as maximum,
              coalesce({{usage_value m, u, u.counts, i.time_zone}}, 0)
              - case when m.aggregation in ('sum', 'count') then coalesce({{usage_value m, u, not u.counts, i.time_zone}}, 0) else 0 end as value
       from (select u.resource_id, u.slot, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at, u.latest, u.member,
                    u.period = i.period as counts
             from usage_all u
             where u.tenant_id = l.tenant_id and u.resource_id = l.resource_id and u.meter_id = l.meter_id
               and u.slot >= usage_slot(l.service_starts_at) and u.slot < l.service_ends_at
               and (u.period = i.period
                    or u.period < i.period and superseded_in(u.tenant_id, u.meter_id, u.resource_id, u.slot, u.period) = i.period)) u
       group by 1) d)

-- fragment: derived_days(l, i)
(select coalesce(json_agg(json_build_object(
     'day', d.day, 'value', number_text(d.quantity), 'total', number_text(d.quantity), 'count', 1,
     'maximum', number_text(d.quantity)) order by d.day), '[]')
 from resource_days(l.service_starts_at, l.service_ends_at, i.time_zone, l.tenant_id) d
 where d.resource_id = l.resource_id)

-- A month of the operator's zone with its ends.
-- fragment: month_of(named)
(select named as period, p.time_zone, period_start(named, p.time_zone) as starts_at,
        period_end(named, p.time_zone) as ends_at,
        extract(day from to_date(named, 'YYYY-MM') + interval '1 month' - interval '1 day')::bigint as days
 from platform p)

-- Who had a plan in the month, a device that was due, a fee for one, or usage that counts in it.
-- fragment: has_activity(t, m)
(exists (select from plan_assignments a
         where a.tenant_id = t.id and a.starts_at < m.ends_at
           and (a.ends_at is null or a.ends_at > m.starts_at))
 or exists (select from terminal_loans l
            where l.tenant_id = t.id and l.overdue_day_rate is not null and l.due_on < m.ends_at::date
              and (l.ends_at is null or l.ends_at >= m.starts_at))
 or exists (select from terminal_fees f where f.tenant_id = t.id and f.period = m.period)
 or exists (select from usage_all u where u.tenant_id = t.id and u.period = m.period)
 or exists (select from usage_restatements u where u.tenant_id = t.id and u.period = m.period))

-- Whether what comes late to a meter is simply more of it.
-- fragment: adds_up(meter)
(meter.aggregation in ('sum', 'count', 'days') and meter.divide_by is null)

-- The month from which on a tenant may have something to be billed.
-- fragment: first_period(t)
least((select period_of(min(a.starts_at)) from plan_assignments a where a.tenant_id = t.id),
      (select min(u.period) from usage_slots u where u.tenant_id = t.id),
      (select min(u.period) from usage_deltas u where u.tenant_id = t.id))

-- The plan that a resource is on in a quarter hour: the last that began by its end, else the first; so nothing
-- that was counted just before the start or after the end is lost.
-- fragment: assignment_at(tenant, resource, quarter)
coalesce((select max(g.number) from plan_assignments g
          where g.tenant_id = tenant and g.resource_id = resource and usage_slot(g.starts_at) <= quarter),
         (select min(g.number) from plan_assignments g
          where g.tenant_id = tenant and g.resource_id = resource))

-- The plan of a day: the last that was in force on it.
-- fragment: assignment_on(d, of_zone)
(select max(g.number) from plan_assignments g
 where g.tenant_id = d.tenant_id and g.resource_id = d.resource_id
   and g.starts_at < ((d.day + 1)::timestamp at time zone of_zone)
   and (g.ends_at is null or g.ends_at > (d.day::timestamp at time zone of_zone)))

-- What a credit is for; of a settled month it names that.
-- fragment: credit_text(d, m, what, interruption, installation, minutes, r)
what || case d.measure when 'interruption' then interruption else installation end || ' ' || (d.credit ->> 'minutes')
|| minutes || case when d.month < m.period then ' · ' || d.month else '' end || ' · ' || r.name

-- fragment: fee_text(f, overdue, loss, damage, r)
case f.code when 'overdue' then overdue when 'loss' then loss else damage end || ' · ' || f.asset_tag || ' · ' || r.name

-- statement: list_billing_runs
select r.id as cursor, {{run_document r}} as document
from billing_runs r
where (:period::text is null or r.period = :period)
  and (:state::text is null or r.state = :state)
{{page r.id}}

-- statement: get_billing_run
select {{run_document r}} as document
from billing_runs r
where r.id = :billing_run_id

-- statement: create_billing_run keyed
-- Only a month that has ended is billed for good; a run that makes drafts may look at one under way.
with body as (
    select b.period, coalesce(b.finalize, false) as finalize, b.tenant
    from json_to_record(:body::json) as b(period text, finalize boolean, tenant text)
), checked as (
    select b.period, b.finalize, b.tenant,
           case when period_is_closed(b.period) then 'period_closed'
                when b.tenant is not null and not exists (select from tenants t where t.id = b.tenant) then 'absent'
                when b.finalize and m.ends_at > now() then 'period_not_ended'
                when m.starts_at > now() then 'period_not_ended'
                else 'ok' end as outcome
    from body b cross join lateral {{month_of b.period}} m
), queued as (
    {{queue_operation :new_op, null, 'billing_run', (select jsonb_build_object('run_id', :new_run::text) from checked), (select 'billing ' || c.period from checked c), (select c.outcome = 'ok' from checked c)}}
), made as (
    insert into billing_runs (id, period, operation_id, finalize, tenant_id, created_by)
    select :new_run, c.period, q.id, c.finalize, c.tenant, :actor
    from checked c, queued q
    returning id, period, operation_id, finalize, tenant_id, state, accounts, invoices, failures,
              created_at, ended_at
)
select case when c.outcome <> 'ok' then c.outcome when r.id is null then 'run_under_way' else 'ok' end as outcome,
       {{run_document r}} as document, '/v1/operations/' || r.operation_id as location
from checked c left join made r on true

-- statement: list_invoices
select i.id as cursor, {{invoice_document i}} as document
from invoices i
where {{own i}} and i.kind = 'period'
  and (:period::text is null or i.period = :period)
  and (:state::text is null or i.state = any (string_to_array(:state, ',')))
  and (:external_id::text is null or i.external_id = :external_id)
  and (:created_at_gte::timestamptz is null or i.created_at >= :created_at_gte::timestamptz)
  and (:created_at_lt::timestamptz is null or i.created_at < :created_at_lt::timestamptz)
{{page i.id}}

-- statement: get_invoice
select {{invoice_document i}} as document, i.version
from invoices i
where i.id = :invoice_id and {{own i}} and i.kind = 'period'

-- statement: update_invoice
with target as (
    select i.tenant_id, i.id, i.version from invoices i
    where i.id = :invoice_id and {{own i}} and i.kind = 'period' for update
), changed as (
    update invoices i
    set external_id = case when b.body ? 'external_id' then b.body ->> 'external_id' else i.external_id end,
        version = i.version + 1
    from target, (select :body::jsonb as body) b
    where i.tenant_id = target.tenant_id and i.id = target.id
      and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning i.tenant_id, i.id, i.period, i.kind, i.state, i.number, i.currency, i.net, i.tax, i.total, i.buyer,
              i.period_starts_at, i.period_ends_at, i.time_zone, i.finalized_at, i.due_on, i.run_id, i.external_id,
              i.version, i.created_at
)
select case when i.id is null then 'stale' else 'ok' end as outcome, {{invoice_document i}} as document, i.version
from target left join changed i on i.id = target.id

-- statement: list_invoice_lines
select l.line as cursor, {{line_document l, i.currency}} as document
from (select i.tenant_id, i.id, i.currency from invoices i
      where i.id = :invoice_id and {{own i}} and i.kind = 'period') i
left join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
  and (:cursor::text is null or l.line > :cursor::bigint)
order by l.line
limit :limit::bigint + 1

-- statement: explain_invoice_line
-- Everything that the amount came from, as it was frozen with the line.
select json_build_object(
    'line', {{line_document l, i.currency}},
    'price', l.price, 'steps', l.steps,
    'plan', json_build_object('id', l.plan_id, 'code', p.code, 'version', l.plan_version,
                              'published_at', instant_text(v.published_at)),
    'meter', case when m.id is not null then json_build_object(
        'id', m.id, 'code', m.code, 'source', m.source, 'aggregation', m.aggregation, 'unit', m.unit) end,
    'rounding', json_build_object('exact_amount', number_text(l.amount), 'net', money(l.net, i.currency),
                                  'rule', 'half away from zero, to cents, once a line'),
    'tax', json_build_object('category', l.tax_category, 'rate', number_text(l.tax_rate),
                             'amount', money(l.tax, i.currency)),
    'usage', case when m.source = 'derived' then {{derived_days l, i}}
                  else {{metered_days l, i, m}} end) as document
from invoices i
join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
join plans p on p.id = l.plan_id
join plan_versions v on v.plan_id = l.plan_id and v.number = l.plan_version
left join meters m on m.id = l.meter_id
where i.id = :invoice_id and l.line = :line::integer and {{own i}}

-- statement: queue_finalize_invoice keyed
-- Finalizing bills the tenant's month once more, from what was counted until then, and freezes it.
with target as (
    select i.tenant_id, i.id, i.period, i.state, m.ends_at
    from invoices i cross join lateral {{month_of i.period}} m
    where i.id = :invoice_id and {{own i}}
), checked as (
    select t.tenant_id, t.id, t.period,
           case when t.state = 'finalized' then 'state_conflict'
                when t.ends_at > now() then 'period_not_ended' else 'ok' end as outcome
    from target t
), queued as (
    {{queue_operation :new_op, (select c.tenant_id from checked c), 'billing_run', (select jsonb_build_object('run_id', :new_run::text) from checked), (select 'billing ' || c.period from checked c), (select c.outcome = 'ok' from checked c)}}
), made as (
    insert into billing_runs (id, period, operation_id, finalize, tenant_id, created_by)
    select :new_run, c.period, q.id, true, c.tenant_id, :actor
    from checked c, queued q
    returning id, period, operation_id, finalize, tenant_id, state, accounts, invoices, failures,
              created_at, ended_at
)
select case when c.outcome <> 'ok' then c.outcome when r.id is null then 'run_under_way' else 'ok' end as outcome,
       {{run_document r}} as document, '/v1/operations/' || r.operation_id as location
from checked c left join made r on true

-- statement: create_credit_note keyed
select {{credit_note_document i}} as document, '/v1/credit-notes/' || i.id as location
from credit_invoice(:new_crn, :body::jsonb) i

-- statement: list_credit_notes
select i.id as cursor, {{credit_note_document i}} as document
from invoices i
where {{own i}} and i.kind = 'credit_note'
  and (:invoice_id::text is null or i.credits = :invoice_id)
  and (:period::text is null or i.period = :period)
{{page i.id}}

-- statement: get_credit_note
select {{credit_note_document i}} as document
from invoices i
where i.id = :credit_note_id and {{own i}} and i.kind = 'credit_note'

-- statement: list_credit_note_lines
select l.line as cursor, {{line_document l, i.currency}} as document
from (select i.tenant_id, i.id, i.currency from invoices i
      where i.id = :credit_note_id and {{own i}} and i.kind = 'credit_note') i
left join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
  and (:cursor::text is null or l.line > :cursor::bigint)
order by l.line
limit :limit::bigint + 1

-- statement: list_periods
select replace(p.period, '-', '') as cursor, {{period_document p}} as document
from periods p
where true
{{page_by_number replace(p.period, '-', '')::bigint}}

-- statement: get_period
-- A month without a row is open, unless a later one is closed.
select {{period_document p}} as document
from (select m.period, m.starts_at, m.ends_at, p.gate, p.closed_at, p.closed_by
      from {{month_of :period::text}} m left join periods p on p.period = m.period) p

-- statement: queue_close_period keyed
with checked as (
    select m.period,
           case when period_is_closed(m.period) then 'period_closed'
                when m.ends_at > now() then 'period_not_ended'
                when f.period < m.period and not period_is_closed(period_after(m.period, -1))
                    then 'earlier_period_open'
                else 'ok' end as outcome
    from {{month_of :period::text}} m,
         (select min({{first_period t}}) as period from tenants t) f
), queued as (
    {{queue_operation :new_op, null, 'close_period', (select jsonb_build_object('period', c.period) from checked c), (select 'close ' || c.period from checked c), (select c.outcome = 'ok' from checked c)}}
)
select case when c.outcome <> 'ok' then c.outcome when o.id is null then 'run_under_way' else 'ok' end as outcome,
       json_build_object('operation_id', o.id, 'period', c.period) as document,
       '/v1/operations/' || o.id as location
from checked c left join queued o on true

-- statement: list_tax_rates
select t.place as cursor,
       json_build_object('category', t.category, 'valid_from', t.valid_from,
                         'rate', number_text(t.rate), 'source', t.source) as document
from (select r.category, r.valid_from, r.rate, r.source,
             row_number() over (order by r.category, r.valid_from desc) as place
      from tax_rates r
      where :category::text is null or r.category = :category) t
where (:cursor::text is null or t.place > :cursor::bigint)
order by t.place
limit :limit::bigint + 1

-- statement: create_tax_rate keyed
-- A rate holds from a day on that no settled month has seen.
with body as (
    select b.category, b.valid_from, b.rate, b.source
    from json_to_record(:body::json) as b(category text, valid_from date, rate numeric, source text)
), checked as (
    select b.category, b.valid_from, b.rate, b.source,
           exists (select from periods p
                   where to_date(p.period, 'YYYY-MM') + interval '1 month' > b.valid_from)
           or exists (select from invoices i where i.kind = 'period' and i.state = 'finalized'
                      and (i.period_ends_at at time zone i.time_zone)::date > b.valid_from) as settled
    from body b
), made as (
    insert into tax_rates (category, valid_from, rate, source)
    select c.category, c.valid_from, c.rate, coalesce(c.source, '') from checked c where not c.settled
    returning category, valid_from, rate, source
)
select case when c.settled then 'period_settled' else 'ok' end as outcome, '/valid_from' as pointer,
       json_build_object('category', t.category, 'valid_from', t.valid_from,
                         'rate', number_text(t.rate), 'source', t.source) as document
from checked c left join made t on true

-- ---- The work ----

-- statement: take_billing_run
-- One that was interrupted has settled accounts already.
update billing_runs r set state = 'running' where r.id = :run_id
returning r.id, r.period, r.finalize, r.tenant_id,
          (select count(*) from invoices i where i.run_id = r.id and i.state = 'finalized') as settled

-- statement: end_billing_run
update billing_runs r
set state = :state, accounts = :accounts::integer,
    invoices = (select count(*) from invoices i where i.run_id = r.id),
    failures = :failures::jsonb, ended_at = now()
where r.id = :run_id

-- statement: month_bounds
select m.period, m.time_zone, instant_text(m.starts_at) as starts_at,
       instant_text(m.ends_at) as ends_at, m.days
from {{month_of :period::text}} m

-- statement: billable_tenants
-- Who is to be billed for the month and is not settled yet; with closing, everybody.
select t.id
from tenants t, {{month_of :period::text}} m
where (:tenant::text is null or t.id = :tenant)
  and {{has_activity t, m}}
  and (:closing::boolean or not period_is_settled(t.id, m.period))
order by t.id

-- statement: unsettled_before
-- The months before this one that a tenant may still have to be billed for, the first one first.
select to_char(o.month, 'YYYY-MM') as period
from tenants t,
     generate_series(to_date({{first_period t}}, 'YYYY-MM'),
                     to_date(period_after(:period, -1), 'YYYY-MM'), interval '1 month') as o(month)
where t.id = :tenant and not period_is_settled(t.id, to_char(o.month, 'YYYY-MM'))
order by o.month

-- statement: lock_period_to_write
select lock_period_shared(:period)

-- statement: lock_period_to_settle
select lock_period_exclusive(:period)

-- A tenant without charges and none at all give the same rows of billable_charges.
-- statement: require_tenant
select refuse('not_found', null) where not exists (select from tenants t where t.id = :tenant)

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
), usage as (
    select u.resource_id, u.number, u.meter_id, u.own_month,
           {{usage_value meter, u, u.now, u.time_zone}} as whole, {{usage_value meter, u, u.before, u.time_zone}} as already
    from (select p.resource_id, {{assignment_at :tenant, p.resource_id, p.slot}} as number, p.meter_id, p.own_month,
                 p.now, p.before, p.slot, p.dimensions, p.total, p.count, p.minimum, p.maximum, p.latest_at, p.latest, p.member,
                 m.time_zone
          from month m cross join part p) u
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
       b.unit, b.service_starts_at, b.service_ends_at, b.tax_category, b.tax_rate, b.events, b.credit, 0 as after
from billed b
union all
select f.place, r.id, r.offering_id, a.plan_id, a.plan_version, f.code, 'fee', f.charge::text,
       {{fee_text f, '逾期占用费', '遗失赔偿', '损坏赔偿', r}}, {{fee_text f, 'Overdue', 'Loss', 'Damage', r}},
       null, f.quantity::text, null, null, null, null, null, case f.code when 'overdue' then 'Days' else 'Units' end,
       instant_text(f.starts_at), instant_text(f.ends_at), o.tax_category, trim_scale(tax.rate)::text, null, null, 1
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
       d.tax_category, trim_scale(d.tax_rate)::text, null, d.credit::text, 2
from month m cross join service_credits_due(:tenant, m.period) d
join resources r on r.tenant_id = :tenant and r.id = d.resource_id
order by after, place

-- statement: drop_draft_invoice
delete from invoices i where i.tenant_id = :tenant and i.id = :id and i.state = 'draft'

-- statement: open_draft_invoice
-- The draft that is there keeps its id; its lines are made anew. No row when the invoice is final.
insert into invoices as i (tenant_id, id, period, currency, buyer, period_starts_at,
                           period_ends_at, time_zone, run_id)
select t.id, :id, m.period, t.currency,
       jsonb_build_object('name', t.name, 'name_en', t.name_en, 'tax_number', t.tax_number,
                          'address', t.billing_address, 'email', t.billing_email, 'code', t.code),
       m.starts_at, m.ends_at, m.time_zone, :run_id
from tenants t, {{month_of :period::text}} m
where t.id = :tenant
on conflict (tenant_id, period) where kind = 'period' do update
set currency = excluded.currency, buyer = excluded.buyer, run_id = excluded.run_id,
    version = i.version + 1
where i.state = 'draft'
returning i.id

-- statement: drop_invoice_lines
delete from invoice_lines l where l.tenant_id = :tenant and l.invoice_id = :id

-- statement: insert_invoice_line
insert into invoice_lines (
    tenant_id, invoice_id, line, kind, correction_of, resource_id, offering_id, plan_id,
    plan_version, charge_code, description, description_en, meter_id, service_starts_at,
    service_ends_at, quantity, unit, billed_quantity, unit_amount, amount, net, tax_category,
    tax_rate, tax, price, steps)
values (:tenant, :id, :line::integer, :kind, :correction_of, :resource_id, :offering_id, :plan_id,
        :plan_version::integer, :charge_code, :description, :description_en, :meter_id,
        :service_starts_at::timestamptz, :service_ends_at::timestamptz, :quantity::numeric, :unit,
        :billed_quantity::numeric, :unit_amount::numeric, :amount::numeric, :net::numeric,
        :tax_category, :tax_rate::numeric, :tax::numeric, :price::jsonb, :steps::jsonb)

-- statement: insert_service_credit
insert into service_credits (tenant_id, invoice_id, line, resource_id, period, measure, rule_id, rule_version, minutes,
                             percent, facts)
select :tenant, :id, :line::integer, :resource_id, f.facts ->> 'period', f.facts ->> 'measure',
       f.facts #>> '{rule,id}', (f.facts #>> '{rule,version}')::bigint, (f.facts ->> 'minutes')::bigint,
       :percent::numeric, f.facts
from (select :facts::jsonb as facts) f

-- statement: total_invoice
update invoices i
set net = s.net, tax = s.tax, total = s.net + s.tax
from (select coalesce(sum(l.net), 0) as net, coalesce(sum(l.tax), 0) as tax
      from invoice_lines l where l.tenant_id = :tenant and l.invoice_id = :id) s
where i.tenant_id = :tenant and i.id = :id

-- statement: finalize_invoice
update invoices i
set state = 'finalized', number = next_number('BCC-' || left(:period, 4)), finalized_at = clock_timestamp(),
    due_on = (i.period_ends_at at time zone i.time_zone)::date + 29, version = i.version + 1
where i.tenant_id = :tenant and i.id = :id and i.state = 'draft'

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
-- What was billed for a tenant's month, in the order of billable_charges.
select l.resource_id, l.charge_code, l.plan_id, l.plan_version, coalesce(l.correction_of, '') as correction_of,
       trim_scale(l.quantity)::text as quantity, trim_scale(l.amount)::text as amount,
       round(l.net, 2)::text as net, round(l.tax, 2)::text as tax
from invoice_lines l join invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
where i.tenant_id = :tenant and i.period = :period and i.kind = 'period'
order by l.line

-- statement: usage_against_lines
-- What metering counted for a tenant in the month and a plan's charge prices, beside the quantity on the lines,
-- read another way than billable_charges does: from the roll-ups and the history of states alone. Sums are compared with
-- all that came late to them; of what is no sum the month's own is, for each time on a plan, since what comes late to it is a
-- difference.
with month as (
    select m.period, m.time_zone, m.starts_at, m.ends_at from {{month_of :period::text}} m
), charge as (
    select a.resource_id, a.number, c.charge ->> 'code' as code, meter.id as meter_id, meter.source, meter.aggregation,
           meter.divide_by, s.sums, case when s.sums then '-infinity' else greatest(m.starts_at, a.starts_at) end as begins
    from month m
    join plan_assignments a on a.tenant_id = :tenant
    join plan_versions v on v.plan_id = a.plan_id and v.number = a.plan_version
    cross join lateral jsonb_array_elements(v.charges) as c(charge)
    join meters meter on meter.code = c.charge ->> 'meter'
    cross join lateral (select {{adds_up meter}} as sums) s
), used as (
    select u.slot, u.period, u.resource_id, u.meter_id, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at,
           u.latest, u.member
    from usage_all u
    where u.tenant_id = :tenant and u.period = :period and u.meter_id = any (array(select c.meter_id from charge c))
    union all
    select u.slot, u.period, u.resource_id, u.meter_id, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at,
           u.latest, u.member
    from usage_restatements r
    cross join lateral (
        select a.slot, a.period, a.resource_id, a.meter_id, a.dimensions, a.total, a.count, a.minimum, a.maximum, a.latest_at,
               a.latest, a.member
        from usage_all a
        where a.tenant_id = r.tenant_id and a.meter_id = r.meter_id and a.slot = r.slot and a.resource_id = r.resource_id
          and a.period < r.period
          and superseded_in(a.tenant_id, a.meter_id, a.resource_id, a.slot, a.period) = r.period
        offset 0) u
    where r.tenant_id = :tenant and r.period = :period
), counted as (
    select c.resource_id, c.code, c.begins,
           case when c.sums
                then coalesce({{usage_value c, u, u.period = m.period, m.time_zone}}, 0) - coalesce({{usage_value c, u, u.period < m.period, m.time_zone}}, 0)
                else {{usage_value c, u, u.period = m.period and u.slot >= m.starts_at, m.time_zone}} end as quantity
    from month m
    cross join used u
    join charge c on c.resource_id = u.resource_id and c.meter_id = u.meter_id
        and c.number = {{assignment_at :tenant, u.resource_id, u.slot}}
    group by c.resource_id, c.code, c.begins, c.sums, c.aggregation, c.source, c.divide_by, m.time_zone
    union all
    select c.resource_id, c.code, c.begins, case c.aggregation when 'max' then max(d.quantity) else sum(d.quantity) end
    from month m, resource_days(m.starts_at, m.ends_at, m.time_zone, :tenant) d
    join charge c on c.resource_id = d.resource_id and c.source = 'derived'
    where c.number = {{assignment_on d, m.time_zone}}
    group by c.resource_id, c.code, c.begins, c.aggregation
), billed as (
    select l.resource_id, l.charge_code as code, case when s.sums then '-infinity' else l.service_starts_at end as begins,
           sum(l.quantity) as quantity
    from invoices i
    join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
    join meters meter on meter.id = l.meter_id
    cross join lateral (select {{adds_up meter}} as sums) s
    where i.tenant_id = :tenant and i.period = :period and i.kind = 'period' and (s.sums or l.correction_of is null)
    group by 1, 2, 3
)
select resource_id, code as charge_code,
       trim_scale(coalesce(c.quantity, 0))::text as counted, trim_scale(coalesce(b.quantity, 0))::text as billed
from counted c full join billed b using (resource_id, code, begins)
order by resource_id, code, begins

-- statement: close_period
-- Queued twice, it is closed once.
insert into periods (period, starts_at, ends_at, gate, closed_at, closed_by)
select m.period, m.starts_at, m.ends_at, :gate::jsonb, clock_timestamp(),
       (select o.created_by from operations o where o.id = :operation_id)
from {{month_of :period::text}} m
on conflict (period) do nothing

-- statement: put_platform
insert into platform (time_zone, issuer_name, issuer_name_zh)
values (:time_zone, :issuer_name, :issuer_name_zh)
on conflict (one) do update
set issuer_name = excluded.issuer_name, issuer_name_zh = excluded.issuer_name_zh
