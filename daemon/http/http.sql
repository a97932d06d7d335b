-- What every request sends around its own statement.

-- statement: begin_request
-- Settings local to the segment's transaction: who acts, for whom, in which request, from where.
select set_config('bccd.tenant', coalesce(:actor_tenant, ''), true),
       set_config('bccd.actor', coalesce(:actor, ''), true),
       set_config('bccd.park', coalesce(:actor_park, ''), true),
       set_config('bccd.request', :request_id, true),
       set_config('bccd.address', :address, true)

-- statement: begin_reading
-- Of what changes nothing nobody is told who asked, and from where.
select set_config('bccd.tenant', coalesce(:actor_tenant, ''), true),
       set_config('bccd.actor', coalesce(:actor, ''), true),
       set_config('bccd.park', coalesce(:actor_park, ''), true)

-- statement: claim_idempotency_key
select idempotency_claim(:actor, :idempotency_key)

-- statement: find_idempotent_answer
select k.digest, k.status, k.location, k.etag, k.body
from idempotency_keys k
where k.scope = :actor and k.key = :idempotency_key

-- statement: look_up_key
select side, actor, tenant, park, role, scopes, session from look_up_key(decode(:digest, 'hex'))

-- statement: look_up_session
select side, actor, tenant, park, role, scopes, session
from look_up_session(decode(:digest, 'hex'), :idle_seconds::bigint)

-- statement: forget_idempotency_keys
delete from idempotency_keys where created_at < now() - make_interval(hours => :hours::int)
