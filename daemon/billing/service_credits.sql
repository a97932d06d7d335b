-- Credits for missed service levels: the rules, and what was credited. What is to be credited is functions of the schema
-- (0035_service_credits.sql).

-- statement: list_service_credit_rules
select r.id as cursor, service_credit_rule_document(r) as document
from service_credit_rules r
where not exists (select from service_credit_rules n where n.id = r.id and n.version > r.version)
  and (:state::text is null or r.state = :state)
  and (:measure::text is null or r.measure = :measure)
{{page r.id}}

-- statement: get_service_credit_rule
select service_credit_rule_document(r) as document, r.version
from service_credit_rules r
where r.id = :service_credit_rule_id
order by r.version desc
limit 1

-- statement: create_service_credit_rule keyed
select c.document, c.version, '/v1/service-credit-rules/' || :new_scr as location
from service_credit_rule_create(:new_scr, :actor, :body::jsonb) c

-- statement: update_service_credit_rule
select u.document, u.version
from service_credit_rule_update(:service_credit_rule_id, :if_match::bigint, :actor, :body::jsonb) u

-- statement: list_service_credits
select c.number as cursor, json_build_object(
    'tenant_id', c.tenant_id, 'resource_id', c.resource_id, 'period', i.period, 'correction_of', l.correction_of,
    'measure', c.measure, 'minutes', c.minutes, 'percent', number_text(c.percent), 'rule_id', c.rule_id,
    'rule_version', c.rule_version, 'net', money(l.net, i.currency), 'tax', money(l.tax, i.currency),
    'invoice_id', c.invoice_id, 'line', c.line) as document
from service_credits c
join invoices i on i.tenant_id = c.tenant_id and i.id = c.invoice_id
join invoice_lines l on l.tenant_id = c.tenant_id and l.invoice_id = c.invoice_id and l.line = c.line
where {{own c}}
  and (:resource_id::text is null or c.resource_id = :resource_id)
  and (:period::text is null or i.period = :period)
{{page_by_number c.number}}

-- statement: month_is_settled
select case when period_is_settled(:tenant, :period) then 'true' else 'false' end as settled
