-- The trail that the trigger audit_row writes: read, never changed.

-- statement: list_audit_events
select a.number as cursor,
       json_build_object(
           'id', a.number::text, 'at', instant_text(a.at), 'tenant', a.tenant_id, 'actor', a.actor,
           'request_id', a.request_id, 'address', a.address, 'object_type', a.table_name,
           'row_id', a.row_id, 'action', a.action, 'old', a.old, 'new', a.new) as document
from audit_events a
where {{own a}}
  and (:actor_side = 'operator' or audit_shown_to_tenant(a))
  and (:object_type::text is null or a.table_name = :object_type)
  and (:row_id::text is null or a.row_id = :row_id)
  and (:actor_id::text is null or a.actor = :actor_id)
  and (:action::text is null or a.action = :action)
  and (:at_gte::timestamptz is null or a.at >= :at_gte::timestamptz)
  and (:at_lt::timestamptz is null or a.at < :at_lt::timestamptz)
{{page_by_number a.number}}
