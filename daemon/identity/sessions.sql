-- Signing in and out, and who is signed in. But for the last they run as bccd_auth, which may call
-- these functions and nothing else.

-- statement: look_up_password
select p.user_id, p.email, p.password_hash, p.retry_after
from look_up_password(:login) p

-- statement: open_session
select s.document
from open_session(:opener, :verified_hash, :tenant, :new_ses, decode(:session_digest, 'hex'),
                  :seconds::bigint, :request_id, :address) s

-- statement: close_session
select 'ok' as outcome
from close_session(:actor_session, :actor, :request_id, :address) as closed
where closed

-- statement: change_password
select case when changed then 'ok' else 'password_wrong' end as outcome
from change_password(:actor, :actor_session, :verified_hash, :password_hash, :request_id,
                     :address) as changed

-- statement: get_me
select json_build_object(
    'actor', :actor::text, 'side', :actor_side::text, 'role', :actor_role::text,
    'tenant', (select json_build_object('id', t.id, 'code', t.code, 'name', t.name)
               from tenants t where t.id = :actor_tenant),
    'park_id', :actor_park::text,
    'user', (select json_build_object('id', u.id, 'email', u.email, 'name', u.name,
                                      'language', u.language)
             from users u where u.id = :actor),
    'api_key', (select json_build_object('id', k.id, 'name', k.name, 'prefix', k.prefix,
                                         'scopes', k.scopes,
                                         'expires_at', instant_text(k.expires_at))
                from api_keys k where k.id = :actor),
    'time_zone', (select p.time_zone from platform p)) as document
