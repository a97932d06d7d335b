-- Billing: invoices, credit notes, runs, months, tax rates; and what the others share.

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
-- Levels are no events that could be counted.
-- fragment: metered_days(l, i, m)
(select coalesce(json_agg(json_build_object(
     'day', d.day, 'value', number_text(d.value), 'total', number_text(d.total),
     'count', case when m.aggregation <> 'time_weighted' then d.count end, 'maximum', number_text(d.maximum))
     order by d.day), '[]')
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
                    or u.period < i.period and superseded_in(u.tenant_id, u.meter_id, u.resource_id, u.slot, u.period) = i.period)
             union all
             select r.resource_id, w.starts_at, r.dimensions,
                    r.level * extract(epoch from least(r.ends, w.ends_at) - greatest(r.begins, w.starts_at)), 0, null, null, null,
                    null, null, true
             from usage_runs r
             join usage_windows(usage_slot(l.service_starts_at),
                                usage_slot(l.service_ends_at + interval '15 minutes' - interval '1 microsecond'), 'day', i.time_zone) w
                 on w.starts_at < r.ends and w.ends_at > r.begins
             where r.tenant_id = l.tenant_id and r.resource_id = l.resource_id and r.meter_id = l.meter_id
               and coalesce(r.period, i.period) = i.period) u
       group by 1) d)

-- fragment: derived_days(l, i)
(select coalesce(json_agg(json_build_object(
     'day', d.day, 'value', number_text(d.quantity), 'total', number_text(d.quantity), 'count', 1,
     'maximum', number_text(d.quantity)) order by d.day), '[]')
 from resource_days(l.service_starts_at, l.service_ends_at, i.time_zone, array[l.tenant_id]) d
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
 or exists (select from usage_spans s where s.tenant_id = t.id and s.period = m.period)
 or exists (select from usage_restatements u where u.tenant_id = t.id and u.period = m.period))

-- Whether what comes late to a meter is simply more of it.
-- fragment: adds_up(meter)
(meter.aggregation in ('sum', 'count', 'time_weighted', 'days') and meter.divide_by is null)

-- The month from which on a tenant may have something to be billed.
-- fragment: first_period(t)
least((select period_of(min(a.starts_at)) from plan_assignments a where a.tenant_id = t.id),
      (select min(u.period) from usage_slots u where u.tenant_id = t.id),
      (select min(u.period) from usage_deltas u where u.tenant_id = t.id),
      (select min(u.period) from usage_spans u where u.tenant_id = t.id))

-- The times on plans of the tenants of `account`. What was counted in a quarter hour belongs to the plan that was the last to
-- begin by its end, else to the first, so that nothing is lost that was counted just before the start or after the end.
-- fragment: plans_in_time()
(select a.tenant_id, a.resource_id, a.number, a.plan_id, a.plan_version, a.starts_at, coalesce(a.ends_at, 'infinity') as ends_at,
        case when row_number() over w = 1 then '-infinity' else usage_slot(a.starts_at) end as takes_from,
        lead(usage_slot(a.starts_at), 1, 'infinity') over w as takes_to
 from account t join plan_assignments a on a.tenant_id = t.tenant_id
 window w as (partition by a.tenant_id, a.resource_id order by a.number))

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

-- statement: billable_tenants
-- Who is to be billed for the month and is not settled yet.
select t.id
from tenants t, {{month_of :period::text}} m
where (:tenant::text is null or t.id = :tenant)
  and {{has_activity t, m}}
  and not period_is_settled(t.id, m.period)
order by t.id

-- statement: active_tenants
-- Everybody who had something to be billed for, some in each row.
select array_agg(a.id order by a.id)::text as ids
from (select t.id, row_number() over (order by t.id) - 1 as place
      from tenants t, {{month_of :period::text}} m where {{has_activity t, m}}) a
group by a.place / :many::bigint
order by a.place / :many::bigint

-- statement: unsettled_before
-- The months before this one that tenants may still have to be billed for, and whose.
select to_char(o.month, 'YYYY-MM') as period, array_agg(t.id order by t.id)::text as tenants
from tenants t,
     generate_series(to_date({{first_period t}}, 'YYYY-MM'),
                     to_date(period_after(:period, -1), 'YYYY-MM'), interval '1 month') as o(month)
where t.id = any (:tenants::text[]) and not period_is_settled(t.id, to_char(o.month, 'YYYY-MM'))
group by o.month
order by o.month

-- statement: lock_period_to_write
select lock_period_shared(:period)

-- statement: lock_period_to_settle
select lock_period_exclusive(:period)

-- A tenant without charges and none at all give the same rows of billable_charges_of_tenant.
-- statement: require_tenant
select refuse('not_found', null) where not exists (select from tenants t where t.id = :tenant)

-- statement: drop_draft_invoice
delete from invoices i where i.tenant_id = :tenant and i.id = :id and i.state = 'draft'

-- ---- Drafts: the invoices of some tenants, made anew; those that became final meanwhile stay as they are ----

-- For the rest of a transaction: plans are made when the tables of invoices are small, and stay while these grow.
-- statement: plan_by_index
select set_config('enable_seqscan', 'off', true)

-- fragment: drafts_of(i)
i.tenant_id = any (:tenants::text[]) and i.period = :period and i.kind = 'period' and i.state = 'draft'

-- statement: open_drafts
-- The draft that is there keeps its id.
insert into invoices as i (tenant_id, id, period, currency, buyer, period_starts_at,
                           period_ends_at, time_zone, run_id)
select t.id, n.id, m.period, t.currency,
       jsonb_build_object('name', t.name, 'name_en', t.name_en, 'tax_number', t.tax_number,
                          'address', t.billing_address, 'email', t.billing_email, 'code', t.code),
       m.starts_at, m.ends_at, m.time_zone, :run_id
from unnest(:tenants::text[], :ids::text[]) n(tenant_id, id) join tenants t on t.id = n.tenant_id, {{month_of :period::text}} m
on conflict (tenant_id, period) where kind = 'period' do update
set currency = excluded.currency, buyer = excluded.buyer, run_id = excluded.run_id,
    version = i.version + 1
where i.state = 'draft'

-- statement: drop_draft_lines
delete from invoice_lines l using invoices i
where {{drafts_of i}} and l.tenant_id = i.tenant_id and l.invoice_id = i.id

-- statement: insert_draft_lines
insert into invoice_lines (
    tenant_id, invoice_id, line, kind, correction_of, resource_id, offering_id, plan_id,
    plan_version, charge_code, description, description_en, meter_id, service_starts_at,
    service_ends_at, quantity, unit, billed_quantity, unit_amount, amount, net, tax_category,
    tax_rate, tax, price, steps)
select i.tenant_id, i.id, l.line, l.kind, l.correction_of, l.resource_id, l.offering_id, l.plan_id, l.plan_version,
       l.charge_code, l.description, l.description_en, l.meter_id, l.service_starts_at, l.service_ends_at, l.quantity, l.unit,
       l.billed_quantity, l.unit_amount, l.amount, l.net, l.tax_category, l.tax_rate, l.tax, l.price, l.steps
from unnest(:tenant_id::text[], :line::integer[], :kind::text[], :correction_of::text[], :resource_id::text[],
            :offering_id::text[], :plan_id::text[], :plan_version::integer[], :charge_code::text[], :description::text[],
            :description_en::text[], :meter_id::text[], :service_starts_at::timestamptz[], :service_ends_at::timestamptz[],
            :quantity::numeric[], :unit::text[], :billed_quantity::numeric[], :unit_amount::numeric[], :amount::numeric[],
            :net::numeric[], :tax_category::text[], :tax_rate::numeric[], :tax::numeric[], :price::jsonb[], :steps::jsonb[])
    l(tenant_id, line, kind, correction_of, resource_id, offering_id, plan_id, plan_version, charge_code, description,
      description_en, meter_id, service_starts_at, service_ends_at, quantity, unit, billed_quantity, unit_amount, amount, net,
      tax_category, tax_rate, tax, price, steps)
join invoices i on i.tenant_id = l.tenant_id and i.period = :period and i.kind = 'period' and i.state = 'draft'

-- statement: insert_draft_credits
-- What a settled month is credited by, and a later one has to know.
insert into service_credits (tenant_id, invoice_id, line, resource_id, period, measure, rule_id, rule_version, minutes,
                             percent, facts)
select i.tenant_id, i.id, c.line, c.resource_id, c.facts ->> 'period', c.facts ->> 'measure',
       c.facts #>> '{rule,id}', (c.facts #>> '{rule,version}')::bigint, (c.facts ->> 'minutes')::bigint,
       c.percent, c.facts
from unnest(:tenant_id::text[], :line::integer[], :resource_id::text[], :percent::numeric[], :facts::jsonb[])
    c(tenant_id, line, resource_id, percent, facts)
join invoices i on i.tenant_id = c.tenant_id and i.period = :period and i.kind = 'period' and i.state = 'draft'

-- statement: total_drafts
-- One with nothing on it goes.
with total as (
    select i.tenant_id, i.id, count(l.line) as lines, sum(l.net) as net, sum(l.tax) as tax
    from invoices i left join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
    where {{drafts_of i}}
    group by i.tenant_id, i.id
), dropped as (
    delete from invoices i using total t where i.tenant_id = t.tenant_id and i.id = t.id and t.lines = 0
)
update invoices i
set net = t.net, tax = t.tax, total = t.net + t.tax
from total t
where i.tenant_id = t.tenant_id and i.id = t.id and t.lines > 0

-- statement: finalize_drafts
with due as materialized (
    select i.tenant_id, i.id, row_number() over (order by i.tenant_id) as place from invoices i where {{drafts_of i}}
), series as materialized (
    select s.name, next_numbers(s.name, s.many) as first
    from (select 'BCC-' || left(:period, 4) as name, (select count(*) from due) as many) s
)
update invoices i
set state = 'finalized', number = series_number(s.name, s.first + d.place - 1), finalized_at = clock_timestamp(),
    due_on = (i.period_ends_at at time zone i.time_zone)::date + 29, version = i.version + 1
from due d cross join series s
where i.tenant_id = d.tenant_id and i.id = d.id

-- statement: put_platform
insert into platform (time_zone, issuer_name, issuer_name_zh)
values (:time_zone, :issuer_name, :issuer_name_zh)
on conflict (one) do update
set issuer_name = excluded.issuer_name, issuer_name_zh = excluded.issuer_name_zh
