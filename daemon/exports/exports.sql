-- Exports: what is asked for, the files that are served, and the rows that they are made of.

-- Raised when a format's files come to look otherwise; a closed period is then made once more.
-- fragment: format_version
1

-- fragment: export_document(e)
json_build_object(
    'id', e.id, 'format', e.format, 'format_version', e.format_version, 'period', e.period,
    'revision', e.revision, 'final', e.final, 'supersedes', e.supersedes, 'state', e.state,
    'operation_id', e.operation_id, 'manifest', e.manifest,
    'files', (select coalesce(json_agg(json_build_object(
                         'name', f.name, 'content_type', f.content_type, 'bytes', f.bytes,
                         'rows', f.rows, 'sha256', f.sha256) order by f.name), '[]')
              from export_files f where f.export_id = e.id and e.state = 'ready'),
    'created_by', e.created_by, 'created_at', instant_text(e.created_at),
    'ready_at', instant_text(e.ready_at))

-- statement: list_exports
select e.id as cursor, {{export_document e}} as document
from exports e
where (:format::text is null or e.format = :format)
  and (:period::text is null or e.period = :period)
  and (:state::text is null or e.state = any (string_to_array(:state, ',')))
{{page e.id}}

-- statement: get_export
select {{export_document e}} as document
from exports e
where e.id = :export_id

-- statement: get_export_file
select f.content_type, f.bytes, f.sha256, e.period || '-r' || e.revision || '-' || f.name as saved_as
from export_files f join exports e on e.id = f.export_id
where f.export_id = :export_id and f.name = :name and e.state = 'ready'

-- statement: get_export_chunk
select encode(c.bytes, 'hex') as bytes
from export_chunks c
where c.export_id = :export_id and c.name = :name and c.number = :number::integer

-- One at a time asks for an export, so that nothing is made twice. One whose operation was given up
-- (a process that died again and again) is not under way any more.
-- statement: lock_exports
with locked as materialized (
    select pg_advisory_xact_lock(hashtextextended('exports', 20261103))
), given_up as (
    select e.id
    from locked, exports e join operations o on o.id = e.operation_id
    where e.state in ('queued', 'running') and o.state = 'failed'
)
update exports e set state = 'failed' from given_up g where e.id = g.id

-- statement: create_export keyed
-- A closed period has one export a format version, which is served for ever; an open one a new
-- revision each time.
with body as (
    select b.format, b.period from json_to_record(:body::json) as b(format text, period text)
), wanted as (
    select b.format, b.period, period_is_closed(b.period) as final, m.starts_at > now() as ahead,
           (select e.id from exports e
            where e.format = b.format and e.format_version = {{format_version}}
              and e.period = b.period and e.final and e.state <> 'failed') as known,
           (select coalesce(max(e.revision), 0) + 1 from exports e
            where e.format = b.format and e.period = b.period) as revision,
           (select e.id from exports e
            where e.format = b.format and e.period = b.period and e.state = 'ready'
            order by e.revision desc limit 1) as supersedes
    from body b cross join lateral {{month_of b.period}} m
), queued as (
    {{queue_operation :new_op, null, 'export', (select jsonb_build_object('export_id', :new_exp::text) from wanted), (select 'export ' || w.format || ' ' || w.period from wanted w), (select w.known is null and not w.ahead from wanted w)}}
), made as (
    insert into exports (id, format, format_version, period, revision, final, supersedes,
                         operation_id, created_by)
    select :new_exp, w.format, {{format_version}}, w.period, w.revision, w.final, w.supersedes, q.id,
           :actor
    from wanted w, queued q
    returning id, format, format_version, period, revision, final, supersedes, state, operation_id,
              manifest, created_by, created_at, ready_at
), shown as (
    select m.id, m.format, m.format_version, m.period, m.revision, m.final, m.supersedes, m.state,
           m.operation_id, m.manifest, m.created_by, m.created_at, m.ready_at
    from made m
    union all
    select e.id, e.format, e.format_version, e.period, e.revision, e.final, e.supersedes, e.state,
           e.operation_id, e.manifest, e.created_by, e.created_at, e.ready_at
    from exports e join wanted w on w.known = e.id
)
select case when w.ahead then 'period_not_begun' when a.id is null then 'run_under_way' else 'ok' end as outcome,
       {{export_document a}} as document, '/v1/operations/' || a.operation_id as location
from wanted w left join shown a on true

-- ---- The work ----

-- statement: take_export
with taken as (
    update exports e set state = 'running' where e.id = :export_id and e.state <> 'ready'
)
select e.id, e.format, e.format_version, e.period, e.revision, e.supersedes,
       case when e.final then 'true' else 'false' end as final, e.state = 'ready' as ready,
       e.manifest::text as manifest, m.time_zone, instant_text(e.created_at) as created_at,
       instant_text(m.starts_at) as period_starts_at, instant_text(m.ends_at) as period_ends_at,
       p.issuer_name
from exports e cross join platform p cross join lateral {{month_of e.period}} m
where e.id = :export_id

-- statement: drop_export_chunks
delete from export_chunks c where c.export_id = :export_id

-- statement: insert_export_chunk
insert into export_chunks (export_id, name, number, bytes)
values (:export_id, :name, :number::integer, :bytes::bytea)

-- statement: insert_export_file
insert into export_files (export_id, name, content_type, bytes, rows, sha256)
values (:export_id, :name, :content_type, :bytes::bigint, :rows::bigint, :sha256)

-- statement: finish_export
update exports e set state = 'ready', manifest = :manifest::json, ready_at = clock_timestamp()
where e.id = :export_id

-- statement: fail_export
update exports e set state = 'failed' where e.id = :export_id and e.state <> 'ready'

-- statement: list_export_files
select f.name, f.bytes from export_files f where f.export_id = :export_id order by f.name

-- Both sides of what must agree before anything is written: the lines, the invoices, the ledger. Of
-- an open period `net` and `tax` have drafts in them, which the ledger does not know.
-- statement: export_totals
with invoice as (
    select i.tenant_id, i.id, i.state, i.net, i.tax, i.total
    from invoices i
    where i.period = :period and (i.state = 'finalized' or not :final::boolean)
), line as (
    select i.state, l.net, l.tax
    from invoice i join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
), posting as (
    select p.account, p.amount
    from ledger_entries e join ledger_postings p on p.tenant_id = e.tenant_id and p.entry = e.number
    where e.period = :period
), total as (
    select (select coalesce(sum(i.net), 0) from invoice i) as net,
           (select coalesce(sum(i.tax), 0) from invoice i) as tax,
           (select coalesce(sum(l.net), 0) from line l) as lines_net,
           (select coalesce(sum(l.tax), 0) from line l) as lines_tax,
           (select count(*) from line l) as lines,
           (select coalesce(sum(i.net), 0) from invoice i where i.state = 'finalized') as final_net,
           (select coalesce(sum(i.tax), 0) from invoice i where i.state = 'finalized') as final_tax,
           (select coalesce(sum(i.total), 0) from invoice i where i.state = 'finalized') as final_total,
           (select coalesce(-sum(p.amount), 0) from posting p where p.account like 'revenue:%') as revenue,
           (select coalesce(-sum(p.amount), 0) from posting p where p.account = 'liabilities:vat-output') as output_tax,
           (select coalesce(sum(p.amount), 0) from posting p where p.account like 'assets:receivable:%') as receivable,
           (select count(*) from ledger_entries e where e.period = :period) as entries
)
select round(t.net, 2)::text as net, round(t.tax, 2)::text as tax,
       round(t.final_net, 2)::text as final_net, round(t.final_tax, 2)::text as final_tax,
       t.lines, t.entries,
       t.net = t.lines_net and t.tax = t.lines_tax and t.final_net = t.revenue
           and t.final_tax = t.output_tax and t.final_total = t.receivable as agree,
       format('Invoices: net %s, tax %s; their lines: net %s, tax %s. Final invoices: net %s, tax %s, total %s; '
              'the ledger: revenue %s, output tax %s, receivable %s.',
              t.net, t.tax, t.lines_net, t.lines_tax, t.final_net, t.final_tax, t.final_total,
              t.revenue, t.output_tax, t.receivable) as detail
from total t

-- The lines of a period in the order of the invoices' numbers; drafts come last.
-- fragment: exported_lines(wanted_period, wanted_final)
invoices i
join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
join offerings o on o.id = l.offering_id
join plans p on p.id = l.plan_id
join resources r on r.tenant_id = l.tenant_id and r.id = l.resource_id
join tenants t on t.id = i.tenant_id
join parks k on k.id = t.park_id
cross join platform s
left join meters m on m.id = l.meter_id
where i.period = wanted_period and (i.state = 'finalized' or not wanted_final::boolean)
order by i.number nulls last, i.id, l.line

-- What exported_lines are sorted by is found fastest where it stands first in a wide row.
-- fragment: sorted_first()
i.number as InvoiceId, i.id as invoice_id, l.line

-- fragment: seconds_text(moment)
to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')

-- fragment: percent_text(rate)
trim_scale(rate * 100)::text

-- The names of FOCUS's columns where a value is taken over as it is (proto/focus.h). Times have no
-- fraction there; a charge of less than a second gets one.
-- statement: export_focus_rows
select {{sorted_first}},
       i.tenant_id as BillingAccountId,
       coalesce(nullif(btrim(i.buyer ->> 'name_en'), ''), i.buyer ->> 'code') as BillingAccountName,
       i.currency as BillingCurrency,
       instant_text(i.period_starts_at) as BillingPeriodStart,
       instant_text(i.period_ends_at) as BillingPeriodEnd,
       case when l.correction_of is not null then 'Correction' end as ChargeClass,
       l.description_en as ChargeDescription,
       case when l.kind in ('one_off', 'fee', 'service_credit') then 'One-Time' when l.kind = 'recurring' then 'Recurring' else 'Usage-Based' end as ChargeFrequency,
       {{seconds_text l.service_starts_at}} as ChargePeriodStart,
       {{seconds_text greatest(l.service_ends_at, l.service_starts_at + interval '1 second')}} as ChargePeriodEnd,
       trim_scale(l.quantity)::text as ConsumedQuantity,
       s.issuer_name as HostProviderName,
       s.issuer_name as InvoiceIssuerName,
       s.issuer_name as ProviderName,
       s.issuer_name as PublisherName,
       l.resource_id as ResourceId,
       nullif(btrim(r.name), '') as ResourceName,
       case o.kind when 'software' then 'Software Subscription' when 'broadband' then 'Broadband Line'
                   else 'Terminal' end as ResourceType,
       case o.kind when 'software' then 'Business Applications' when 'broadband' then 'Networking'
                   else 'Compute' end as ServiceCategory,
       case o.kind when 'software' then 'Software Rental' when 'broadband' then 'Broadband Access'
                   else 'Terminal Rental' end as ServiceName,
       s.issuer_name as ServiceProviderName,
       case o.kind when 'software' then 'Other (Business Applications)'
                   when 'broadband' then 'Network Connectivity'
                   else 'End User Computing' end as ServiceSubcategory,
       o.code || '/' || l.charge_code as SkuId,
       coalesce(m.code, 'subscription') as SkuMeter,
       json_build_object('x_PlanCode', p.code, 'x_PlanVersion', l.plan_version::text,
                         'x_PriceModel', l.price ->> 'model')::text as SkuPriceDetails,
       l.plan_id || '/' || l.plan_version || '/' || l.charge_code as SkuPriceId,
       i.tenant_id || '/' || nullif(btrim(r.site), '') as SubAccountId,
       nullif(btrim(r.site), '') as SubAccountName,
       nullif(r.metadata, '{}'::jsonb)::text as Tags,
       l.description as x_ChargeDescriptionZh,
       trim_scale(l.amount)::text as x_ExactAmount,
       l.line::text as x_InvoiceLine,
       i.state as x_InvoiceState,
       s.issuer_name_zh as x_IssuerNameZh,
       o.code as x_OfferingCode,
       o.name as x_OfferingNameZh,
       l.correction_of as x_OriginalPeriod,
       k.code as x_ParkCode,
       k.name as x_ParkNameZh,
       l.tax_category as x_TaxCategory,
       trim_scale(l.tax_rate)::text as x_TaxRate,
       i.buyer ->> 'code' as x_TenantCode,
       i.buyer ->> 'name' as x_TenantNameZh,
       i.time_zone as x_TimeZone,
       l.unit as x_Unit,
       l.net::text as net, l.tax::text as tax, trim_scale(l.unit_amount)::text as unit_amount,
       trim_scale(l.billed_quantity)::text as billed_quantity, l.price ->> 'divide_by' as divide_by,
       case when l.kind = 'service_credit' then 'true' end as credit,
       'VAT ' || {{percent_text l.tax_rate}} || '% on ' || l.description_en as tax_description,
       '增值税 ' || {{percent_text l.tax_rate}} || '% · ' || l.description as tax_description_zh
from {{exported_lines :period, :final}}

-- statement: export_line_rows
select i.number as invoice_number, i.state as invoice_state, i.period, i.buyer ->> 'code' as tenant_code,
       i.buyer ->> 'name' as tenant_name, i.buyer ->> 'name_en' as tenant_name_en,
       i.buyer ->> 'tax_number' as tax_number, l.line, l.kind, l.correction_of,
       o.code as offering_code, o.name as offering_name, p.code as plan_code, l.plan_version, l.charge_code,
       l.description, l.description_en, r.name as resource_name, r.site, r.external_id,
       instant_text(l.service_starts_at) as service_starts_at,
       instant_text(l.service_ends_at) as service_ends_at, number_text(l.quantity) as quantity, l.unit,
       number_text(l.billed_quantity) as billed_quantity, number_text(l.unit_amount) as unit_amount,
       number_text(l.amount) as exact_amount, round(l.net, 2)::text as net, l.tax_category,
       number_text(l.tax_rate) as tax_rate, round(l.tax, 2)::text as tax,
       round(l.net + l.tax, 2)::text as total, i.currency, m.code as meter_code, i.time_zone, i.tenant_id,
       i.id as invoice_id, l.resource_id, l.offering_id, l.plan_id,
       json_build_object(
           'invoice_id', i.id, 'invoice_number', i.number, 'invoice_state', i.state,
           'tenant_id', i.tenant_id, 'tenant_code', i.buyer ->> 'code', 'tenant_name', i.buyer ->> 'name',
           'tenant_name_en', i.buyer ->> 'name_en', 'tax_number', i.buyer ->> 'tax_number',
           'period', i.period, 'time_zone', i.time_zone, 'offering_code', o.code, 'plan_code', p.code,
           'resource_name', r.name, 'meter_code', m.code, 'line', {{line_document l, i.currency}})::text as document
from {{exported_lines :period, :final}}

-- What the ledger's entries name, for the declarations that stand first.
-- statement: export_journal_names
select n.what, n.name
from (
    select distinct 1 as place, 'commodity' as what, p.currency::text as name
    from ledger_entries e join ledger_postings p on p.tenant_id = e.tenant_id and p.entry = e.number
    where e.period = :period
    union
    select distinct 2, 'account', p.account
    from ledger_entries e join ledger_postings p on p.tenant_id = e.tenant_id and p.entry = e.number
    where e.period = :period
    union
    select distinct 3, 'payee', i.buyer ->> 'name'
    from ledger_entries e join invoices i on i.tenant_id = e.tenant_id and i.id = e.invoice_id
    where e.period = :period
) n
order by n.place, n.name

-- statement: export_journal_rows
select e.posted_on::text as posted_on, e.number::text as number, e.description, i.number as invoice_number,
       i.buyer ->> 'name' as payee,
       (select json_agg(json_build_array(p.account, p.amount::text, p.currency) order by p.posting)
        from ledger_postings p
        where p.tenant_id = e.tenant_id and p.entry = e.number)::text as postings
from ledger_entries e join invoices i on i.tenant_id = e.tenant_id and i.id = e.invoice_id
where e.period = :period
order by e.posted_on, e.number
