-- The waiting list. What is done with it is functions of the schema (0043_waiting_list.sql).

-- statement: list_waiting_list_entries
select e.id as cursor, waiting_list_document(e) as document
from waiting_list_entries e
where {{own e}}
  and (:state::text is null or e.state = any (string_to_array(:state, ',')))
  and (:offering_id::text is null or e.offering_id = :offering_id)
  and (:access_point_id::text is null or e.access_point_id = :access_point_id)
  and (:terminal_model_id::text is null or e.terminal_model_id = :terminal_model_id)
{{page e.id}}

-- statement: get_waiting_list_entry
-- Its place changes without its version, as others leave.
select waiting_list_document(e) as document, e.version, true as changes
from waiting_list_entries e
where e.id = :waiting_list_entry_id and {{own e}}

-- statement: join_waiting_list keyed
select j.document, j.version, '/v1/waiting-list-entries/' || :new_wai as location
from waiting_list_join(:new_wai, :tenant, :actor, :body::jsonb) j

-- statement: cancel_waiting_list_entry keyed
select c.document, c.version
from waiting_list_cancel(:tenant, :waiting_list_entry_id, :if_match::bigint, coalesce(:body::jsonb, '{}')) c

-- statement: lapse_offers
select waiting_list_lapse(:batch::integer) as done

-- statement: offer_to_those_who_wait
select waiting_list_offer(:last) as last
