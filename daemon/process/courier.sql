-- Messages that go out. `not_before` is the lease as well: while a courier works on one it lies
-- ahead, so another takes it up once it has gone without a sign for a while.

-- The payload is described in courier.h; the condition decides whether it is queued at all.
-- fragment: queue_disconnect(queued_tenant, queued_payload, queued_if)
insert into courier_messages (tenant_id, kind, payload)
select queued_tenant, 'radius_disconnect', queued_payload
where queued_if

-- statement: claim_courier_messages
with due as (
    select m.id
    from courier_messages m
    where m.state = 'pending' and m.not_before <= now()
    order by m.not_before, m.id
    limit :limit::integer
    for update skip locked
)
update courier_messages m
set attempts = m.attempts + 1, not_before = now() + make_interval(secs => :lease::integer)
from due
where m.id = due.id
returning m.id, m.payload ->> 'nas_address' as nas_address, m.payload ->> 'nas_port' as nas_port,
          m.payload ->> 'secret' as secret, m.payload ->> 'secret_place' as secret_place,
          m.payload ->> 'user_name' as user_name, m.payload ->> 'session_id' as session_id,
          greatest(0, extract(epoch from m.deadline - now()) * 1000)::bigint as time_left

-- statement: hold_courier_message
update courier_messages m
set attempts = m.attempts + 1, not_before = now() + make_interval(secs => :lease::integer)
where m.id = :id::bigint and m.state = 'pending'

-- statement: end_courier_message
update courier_messages m
set state = :state, ended_at = now(),
    result = jsonb_build_object('answer', :answer::text, 'error_cause', :error_cause::integer)
where m.id = :id::bigint and m.state = 'pending'

-- statement: forget_courier_messages
with old as (
    select m.id
    from courier_messages m
    where m.ended_at < now() - make_interval(days => :days::integer)
    limit :batch::integer
)
delete from courier_messages m using old where m.id = old.id
