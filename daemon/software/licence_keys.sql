-- Licence keys. What is done with them is functions of the schema (0034_licence_keys.sql).

-- statement: list_licence_keys
select k.id as cursor, licence_key_document(k) as document
from {{resource_named}} r
left join licence_keys k on k.tenant_id = r.tenant_id and k.resource_id = r.id
  and (:state::text is null or k.state = any (string_to_array(:state, ',')))
  and (:seat_id::text is null or k.seat_id = :seat_id)
{{page k.id}}

-- statement: get_licence_key
select licence_key_document(k) as document, k.version
from licence_keys k
where k.id = :licence_key_id and k.resource_id = :resource_id and {{own k}}

-- statement: add_licence_keys keyed
-- :keys are sealed.
select a.document, '/v1/resources/' || :resource_id || '/licence-keys' as location
from licence_keys_add(:tenant, :resource_id, :keys::jsonb) a

-- statement: act_on_licence_key keyed
select a.document, a.version
from licence_key_act(:tenant, :resource_id, :licence_key_id, :action, :if_match::bigint,
                     coalesce(:body::jsonb, '{}')) a

-- statement: reveal_licence_key
select v.tenant_id, v.secret
from licence_key_reveal(:tenant, :actor_side, :actor, :resource_id, :licence_key_id) v

-- statement: list_licence_key_reveals
select v.number as cursor, json_build_object(
    'number', v.number, 'actor', v.actor, 'at', instant_text(v.at)) as document
from (select k.tenant_id, k.id from licence_keys k
      where k.id = :licence_key_id and k.resource_id = :resource_id and {{own k}}) k
left join licence_key_reveals v on v.tenant_id = k.tenant_id and v.licence_key_id = k.id
{{page_by_number v.number}}
