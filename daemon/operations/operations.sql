-- Long work as clients see it. What comes round by itself is not shown.

-- fragment: operation_document(o)
json_build_object(
    'id', o.id, 'tenant', o.tenant_id, 'kind', o.kind, 'state', o.state, 'done', o.done,
    'total', o.total, 'result', o.result, 'error', o.error, 'created_by', o.created_by,
    'created_at', instant_text(o.created_at), 'started_at', instant_text(o.started_at),
    'ended_at', instant_text(o.ended_at))

-- statement: list_operations
select o.id as cursor, {{operation_document o}} as document
from operations o
where {{own o}}
  and o.period_seconds is null
  and (:state::text is null or o.state = any (string_to_array(:state, ',')))
  and (:kind::text is null or o.kind = :kind)
  and (:created_at_gte::timestamptz is null or o.created_at >= :created_at_gte::timestamptz)
  and (:created_at_lt::timestamptz is null or o.created_at < :created_at_lt::timestamptz)
{{page o.id}}

-- statement: get_operation
select {{operation_document o}} as document, o.version
from operations o
where {{own o}} and o.id = :operation_id and o.period_seconds is null

-- statement: forget_operations
-- What a billing run or an export was made by stays with it.
{{forget_operations exists (select from billing_runs r where r.operation_id = o.id) or exists (select from exports e where e.operation_id = o.id)}}
