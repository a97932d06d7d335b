-- Reservations hold a part of hard quotas for what is to come. What they do is functions of the schema (0061_quotas.sql); what
-- settles one is an event, which is stored as any other.

-- statement: list_reservations
select r.id as cursor, reservation_document(r) as document
from reservations r
where {{own r}}
  and (:state::text is null
       or :state = case when r.state = 'held' and r.expires_at <= clock_timestamp() then 'expired' else r.state end)
{{page r.id}}

-- statement: get_reservation
select reservation_document(r) as document
from reservations r
where r.id = :reservation_id and {{own r}}

-- statement: create_reservation keyed
select reservation_document(r) as document, '/v1/reservations/' || r.id as location
from reserve(:tenant, :new_rsv, :actor, :body::jsonb) r

-- statement: release_reservation
select reservation_document(r) as document
from reservation_release(:tenant, :reservation_id) r

-- The event that settles a reservation, of the time from which it is held. `counts` is false where the meter's filters do not
-- pass what is to be told beside it.
-- statement: find_reservation
select r.tenant_id, r.state, event_passes(d.data::json, m.filters) as counts,
       m.value_property, m.value_property is not null or (d.body ->> 'quantity')::numeric = 1 as whole,
       json_build_object('specversion', '1.0', 'id', r.id, 'source', '/v1/reservations', 'type', m.event_type,
                         'subject', r.resource_id, 'time', instant_text(r.created_at), 'data', d.data)::text as event
from reservations r
join meters m on m.id = r.meter_id
cross join lateral (
    select b.body, coalesce(b.body -> 'data', '{}')
           || case when m.value_property is null then '{}' else jsonb_build_object(m.value_property, b.body ->> 'quantity') end as data
    from (select :body::jsonb as body) b) d
where r.id = :reservation_id and {{own r}}

-- Goes before what stores the event.
-- statement: lock_for_settling
select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('bccd.quotas', 'kept', true),
       lock_usage_periods(event_time(:first_slot::bigint), event_time(:last_slot::bigint)), lock_meters_shared(),
       lock_tenant_events_shared(:tenant), settle_reservation(:tenant, :reservation_id, :quantity::numeric)
