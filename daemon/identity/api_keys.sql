-- API keys. :grantable are the roles that the caller may hand on, separated by commas; :held are the
-- scopes that bound the caller himself, separated by blanks ("" when none does).

-- fragment: api_key_document(k)
json_build_object(
    'id', k.id, 'tenant', k.tenant_id, 'name', k.name, 'prefix', k.prefix, 'role', k.role,
    'park_id', k.park_id, 'scopes', k.scopes,
    'state', case when k.revoked_at is not null then 'revoked'
                  when k.expires_at <= now() then 'expired' else 'active' end,
    'created_by', k.created_by, 'created_at', instant_text(k.created_at),
    'updated_at', instant_text(k.updated_at), 'expires_at', instant_text(k.expires_at),
    'last_used_at', instant_text(k.last_used_at), 'revoked_at', instant_text(k.revoked_at))

-- Its own key anybody may change; another's when he could have made it: else a rotation would hand
-- him more than he has.
-- fragment: api_key_target()
select k.id, k.digest,
       case when k.id is distinct from :actor
                 and not k.role = any (string_to_array(:grantable, ',')) then 'role_not_allowed'
            when :held <> '' and (k.scopes = '{}'
                                  or not k.scopes <@ string_to_array(:held, ' '))
                then 'scope_not_allowed'
            when k.revoked_at is not null or k.expires_at <= now() then 'api_key_ended'
            else 'ok' end as outcome
from api_keys k
where {{own k}} and k.id = :key_id
for update

-- statement: list_api_keys
select k.id as cursor, {{api_key_document k}} as document
from api_keys k
where {{own k}}
  and (:created_by::text is null or k.created_by = :created_by)
  and (:role::text is null or k.role = :role)
{{page k.id}}

-- statement: get_api_key
select {{api_key_document k}} as document, k.version
from api_keys k
where {{own k}} and k.id = :key_id

-- statement: create_api_key
-- An operator's credential that names no tenant makes a key of the operator's side. Without
-- expires_at in the body the key is good for a year; null makes it last until it is revoked.
with body as (
    select b.body ->> 'name' as name, coalesce(b.body ->> 'role', :actor_role) as role,
           b.body ->> 'park_id' as park_id,
           array(select jsonb_array_elements_text(coalesce(b.body -> 'scopes', '[]'))) as scopes,
           case when b.body ? 'expires_at' then (b.body ->> 'expires_at')::timestamptz
                else now() + interval '365 days' end as expires_at
    from (select :body::jsonb as body) b
), wanted as (
    select case when not b.role = any (string_to_array(:grantable, ',')) then 'role_not_allowed'
                when b.role = any ('{owner,admin,developer,billing,member}')
                         <> (:tenant::text is not null) then 'role_mismatch'
                when (b.role = 'park_manager') <> (b.park_id is not null) then 'role_mismatch'
                when :tenant::text is not null
                     and not exists (select from tenants t where t.id = :tenant)
                    then 'reference_unknown'
                when b.expires_at <= now() then 'expires_in_past'
                else 'ok' end as outcome,
           b.name, b.role, b.park_id, b.scopes, b.expires_at
    from body b
), made as (
    insert into api_keys (id, tenant_id, name, prefix, digest, role, scopes, park_id, expires_at,
                          created_by)
    select :new_key, :tenant, w.name, :key_prefix, decode(:key_digest, 'hex'), w.role, w.scopes,
           w.park_id, w.expires_at, :actor
    from wanted w
    where w.outcome = 'ok'
    returning id, tenant_id, name, prefix, role, scopes, park_id, expires_at, last_used_at,
              revoked_at, created_by, version, created_at, updated_at
)
select w.outcome, {{api_key_document k}} as document, k.version, '/v1/api-keys/' || k.id as location
from wanted w
left join made k on true

-- statement: rotate_api_key
with target as (
    {{api_key_target}}
), changed as (
    update api_keys k
    set digest = decode(:key_digest, 'hex'), prefix = :key_prefix,
        previous_digest = case when :overlap::bigint > 0 then t.digest end,
        previous_expires_at = case when :overlap::bigint > 0
                                   then now() + :overlap::bigint * interval '1 second' end,
        version = k.version + 1, updated_at = now()
    from target t
    where k.id = t.id and t.outcome = 'ok'
    returning k.id, k.tenant_id, k.name, k.prefix, k.role, k.scopes, k.park_id, k.expires_at,
              k.last_used_at, k.revoked_at, k.created_by, k.version, k.created_at, k.updated_at
)
select t.outcome, {{api_key_document k}} as document, k.version, null as location
from target t
left join changed k on k.id = t.id

-- statement: revoke_api_key
with target as (
    {{api_key_target}}
), changed as (
    update api_keys k
    set revoked_at = now(), previous_digest = null, previous_expires_at = null,
        version = k.version + 1, updated_at = now()
    from target t
    where k.id = t.id and t.outcome = 'ok'
    returning k.id, k.tenant_id, k.name, k.prefix, k.role, k.scopes, k.park_id, k.expires_at,
              k.last_used_at, k.revoked_at, k.created_by, k.version, k.created_at, k.updated_at
)
select t.outcome, {{api_key_document k}} as document, k.version
from target t
left join changed k on k.id = t.id
