-- Faults and maintenance. What is done with them is functions of the schema (0029_service.sql).

-- statement: list_tickets
select t.id as cursor, ticket_document(t, :actor_side) as document
from tickets t
where {{own t}}
  and (:state::text is null or t.state = any (string_to_array(:state, ',')))
  and (:resource_id::text is null or t.resource_id = :resource_id)
  and (:assignee_id::text is null or t.assignee_id = :assignee_id)
{{page t.id}}

-- statement: get_ticket
select ticket_document(t, :actor_side) as document, t.version
from tickets t
where t.id = :ticket_id and {{own t}}

-- statement: create_ticket keyed
select o.document, o.version, '/v1/tickets/' || :new_tkt as location
from ticket_open(:new_tkt, :tenant, :actor_side, :actor, :body::jsonb) o

-- statement: act_on_ticket keyed
select a.document, a.version
from ticket_act(:tenant, :actor_side, :actor, :ticket_id, :action, :if_match::bigint, coalesce(:body::jsonb, '{}')) a

-- statement: list_ticket_entries
select e.number as cursor, json_build_object(
    'number', e.number, 'event', e.event, 'state', e.state, 'note', e.note, 'internal', e.internal, 'actor', e.actor,
    'at', instant_text(e.at)) as document
from (select t.tenant_id, t.id from tickets t where t.id = :ticket_id and {{own t}}) t
left join ticket_entries e on e.tenant_id = t.tenant_id and e.ticket_id = t.id
  and (:actor_side = 'operator' or not e.internal)
{{page_by_number e.number}}

-- ---- Maintenance ----

-- A tenant sees what was announced to it.
-- fragment: concerns_asker(m)
(:actor_side = 'operator' or exists (
    select from maintenance_resources w where w.maintenance_id = m.id and w.tenant_id = :actor_tenant))

-- statement: list_maintenances
select m.id as cursor, maintenance_document(m, :actor_side, :actor_tenant) as document
from maintenances m
where {{concerns_asker m}}
  and (:state::text is null or m.state = any (string_to_array(:state, ',')))
{{page m.id}}

-- statement: get_maintenance
select maintenance_document(m, :actor_side, :actor_tenant) as document, m.version
from maintenances m
where m.id = :maintenance_id and {{concerns_asker m}}

-- statement: create_maintenance keyed
select c.document, c.version, '/v1/maintenances/' || :new_mnt as location
from maintenance_create(:new_mnt, :body::jsonb) c

-- statement: act_on_maintenance keyed
select a.document, a.version
from maintenance_act(:maintenance_id, :action, :if_match::bigint, coalesce(:body::jsonb, '{}')) a
