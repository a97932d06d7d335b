-- Users, and what they are to tenants and to the operator. :grantable are the roles that the caller
-- may give, change and take, separated by commas.

-- fragment: user_access(u)
left join operators o on o.user_id = u.id
left join lateral (
    select coalesce(json_agg(json_build_object('tenant', m.tenant_id, 'role', m.role)
                             order by m.created_at, m.tenant_id), '[]') as memberships,
           array_agg(m.role) as roles
    from members m
    where m.user_id = u.id
) a on true

-- fragment: user_document(u, o, a)
json_build_object(
    'id', u.id, 'email', u.email, 'name', u.name, 'language', u.language, 'state', u.state,
    'operator_role', o.role, 'park_id', o.park_id, 'memberships', a.memberships,
    'created_at', instant_text(u.created_at), 'updated_at', instant_text(u.updated_at))

-- fragment: user_visible(u)
(:tenant::text is null
 or exists (select from members v where v.tenant_id = :tenant and v.user_id = u.id))

-- Which user is meant, and whether the caller may change the account.
-- fragment: user_target()
select u.id, u.version, u.state,
       case when user_reaches_beyond(u.id, :tenant, setting('park')) then 'account_shared'
            when not array_remove(array_append(a.roles, o.role), null)
                     <@ string_to_array(:grantable, ',') then 'role_not_allowed'
            else 'ok' end as outcome
from users u
{{user_access u}}
where u.id = :user_id and {{user_visible u}}

-- statement: list_users
select u.id as cursor, {{user_document u, o, a}} as document
from users u
{{user_access u}}
where {{user_visible u}}
  and (:email::text is null or u.email = lower(:email))
  and (:state::text is null or u.state = any (string_to_array(:state, ',')))
{{page u.id}}

-- statement: get_user
select {{user_document u, o, a}} as document, u.version
from users u
{{user_access u}}
where u.id = :user_id and {{user_visible u}}

-- Nothing is returned from the insert: the new user is not yet visible to a tenant within the
-- statement.
-- fragment: make_user(wanted)
insert into users (id, email, name, language, password_hash)
select :new_usr, lower(:email), :name, :language, :password_hash
from wanted
where outcome = 'ok'

-- fragment: made_user()
(select :new_usr::text as id, lower(:email::text) as email, :name::text as name,
        :language::text as language, 'active' as state, now() as created_at, now() as updated_at)

-- statement: create_member_user
-- A user who is a member of a tenant from the beginning.
with wanted as (
    select case when not :role = any (string_to_array(:grantable, ',')) then 'role_not_allowed'
                when not exists (select from tenants t where t.id = :tenant) then 'reference_unknown'
                else 'ok' end as outcome
), made as (
    {{make_user wanted}}
), joined as (
    insert into members (tenant_id, user_id, role)
    select :tenant, :new_usr, :role
    from wanted
    where outcome = 'ok'
)
select w.outcome, {{user_document u, o, a}} as document, 1 as version,
       '/v1/users/' || u.id as location
from wanted w,
     {{made_user}} u,
     (select null::text as role, null::text as park_id) o,
     (select json_build_array(json_build_object('tenant', :tenant::text, 'role', :role::text))
                 as memberships) a

-- statement: create_operator_user
-- A user of the operator's side, or, without a role, of none yet. Who acts for a park creates users
-- in its tenants alone.
with wanted as (
    select case when not coalesce(:operator_role = any (string_to_array(:grantable, ',')),
                                  setting('park') is null) then 'role_not_allowed'
                when coalesce(:operator_role = 'park_manager', false) <> (:park_id::text is not null)
                    then 'role_mismatch'
                else 'ok' end as outcome
), made as (
    {{make_user wanted}}
), appointed as (
    insert into operators (user_id, role, park_id)
    select :new_usr, :operator_role, :park_id
    from wanted
    where outcome = 'ok' and :operator_role::text is not null
)
select w.outcome, {{user_document u, o, a}} as document, 1 as version,
       '/v1/users/' || u.id as location
from wanted w,
     {{made_user}} u,
     (select :operator_role::text as role, :park_id::text as park_id) o,
     (select json_build_array() as memberships) a

-- statement: update_user
with target as (
    {{user_target}}
), changed as (
    update users u
    set email = coalesce(lower(b.body ->> 'email'), u.email),
        name = coalesce(b.body ->> 'name', u.name),
        language = coalesce(b.body ->> 'language', u.language),
        version = u.version + 1, updated_at = now()
    from target t, (select :body::jsonb as body) b
    where u.id = t.id and t.outcome = 'ok'
      and (:if_match::bigint is null or u.version = :if_match::bigint)
    returning u.id, u.email, u.name, u.language, u.state, u.version, u.created_at, u.updated_at
)
select case when t.outcome <> 'ok' then t.outcome when u.id is null then 'stale' else 'ok' end
           as outcome,
       {{user_document u, o, a}} as document, u.version
from target t
left join changed u on u.id = t.id
{{user_access u}}

-- statement: set_user_state
-- From :from_state to :to_state. Nobody disables himself, so somebody is always left to enable.
with target as (
    {{user_target}}
), changed as (
    update users u
    set state = :to_state, version = u.version + 1, updated_at = now()
    from target t
    where u.id = t.id and t.outcome = 'ok' and u.state = :from_state
      and u.id is distinct from :actor
    returning u.id, u.email, u.name, u.language, u.state, u.version, u.created_at, u.updated_at
)
select case when t.id = :actor then 'own_account'
            when t.outcome <> 'ok' then t.outcome
            when u.id is null then 'state_conflict' else 'ok' end as outcome,
       {{user_document u, o, a}} as document, u.version
from target t
left join changed u on u.id = t.id
{{user_access u}}

-- statement: set_user_password
with target as (
    {{user_target}}
), changed as (
    update users u
    set password_hash = :password_hash, version = u.version + 1, updated_at = now()
    from target t
    where u.id = t.id and t.outcome = 'ok'
)
select t.outcome
from target t

-- statement: find_user_for_password
-- Before the costly hash: whether the caller may, and what the password must not be.
select t.outcome, u.email
from ({{user_target}}) t
join users u on u.id = t.id

-- statement: set_operator_role
-- Gives a user the role :operator_role on the operator's side, changes it, or takes it (NULL).
with target as (
    select t.id,
           case when t.id = :actor then 'own_account'
                when t.outcome <> 'ok' then t.outcome
                when not coalesce(:operator_role, o.role, 'platform_admin')
                         = any (string_to_array(:grantable, ',')) then 'role_not_allowed'
                when coalesce(:operator_role = 'park_manager', false) <> (:park_id::text is not null)
                    then 'role_mismatch'
                else 'ok' end as outcome
    from ({{user_target}}) t
    left join operators o on o.user_id = t.id
), removed as (
    delete from operators o
    using target t
    where o.user_id = t.id and t.outcome = 'ok' and :operator_role::text is null
), appointed as (
    insert into operators (user_id, role, park_id)
    select t.id, :operator_role, :park_id
    from target t
    where t.outcome = 'ok' and :operator_role::text is not null
    on conflict (user_id) do update
    set role = excluded.role, park_id = excluded.park_id, version = operators.version + 1,
        updated_at = now()
), changed as (
    update users u
    set version = u.version + 1, updated_at = now()
    from target t
    where u.id = t.id and t.outcome = 'ok'
    returning u.id, u.email, u.name, u.language, u.state, u.version, u.created_at, u.updated_at
)
select t.outcome, {{user_document u, r, a}} as document, u.version
from target t
left join changed u on u.id = t.id
{{user_access u}}
cross join (select :operator_role::text as role, :park_id::text as park_id) r

-- fragment: member_document(m, u)
json_build_object(
    'tenant', m.tenant_id,
    'user', json_build_object('id', u.id, 'email', u.email, 'name', u.name, 'state', u.state),
    'role', m.role, 'created_at', instant_text(m.created_at),
    'updated_at', instant_text(m.updated_at))

-- statement: list_members
select m.user_id as cursor, {{member_document m, u}} as document
from (select t.id from tenants t
      where t.id = :tenant_id and (:tenant::text is null or t.id = :tenant)) t
left join (members m join users u on u.id = m.user_id) on m.tenant_id = t.id
{{page m.user_id}}

-- statement: get_member
select {{member_document m, u}} as document, m.version
from members m
join users u on u.id = m.user_id
where {{own m}} and m.tenant_id = :tenant_id and m.user_id = :user_id

-- statement: add_member keyed
with found as (
    select t.id as tenant_id,
           case when not (b.body ->> 'role') = any (string_to_array(:grantable, ','))
                    then 'role_not_allowed'
                when u.id is null then 'reference_unknown'
                else 'ok' end as outcome,
           b.body ->> 'role' as role, u.id, u.email, u.name, u.state
    from tenants t
    cross join (select :body::jsonb as body) b
    left join users u on u.id = b.body ->> 'user_id'
    where t.id = :tenant_id and (:tenant::text is null or t.id = :tenant)
), made as (
    insert into members (tenant_id, user_id, role)
    select f.tenant_id, f.id, f.role from found f where f.outcome = 'ok'
    returning tenant_id, user_id, role, version, created_at, updated_at
)
select f.outcome, {{member_document m, f}} as document, m.version,
       '/v1/tenants/' || m.tenant_id || '/members/' || m.user_id as location
from found f
left join made m on m.user_id = f.id

-- Who is meant and the tenant's owners, locked in one order: so that two owners cannot remove each
-- other.
-- fragment: locked_members()
select m.tenant_id, m.user_id, m.role, m.version
from members m
where {{own m}} and m.tenant_id = :tenant_id and (m.user_id = :user_id or m.role = 'owner')
order by m.user_id
for update

-- A tenant keeps an owner.
-- fragment: member_target(new_role)
select m.tenant_id, m.user_id,
       case when :if_match::bigint <> m.version then 'stale'
            when not m.role = any (string_to_array(:grantable, ',')) then 'role_not_allowed'
            when not coalesce(new_role = any (string_to_array(:grantable, ',')), true)
                then 'role_not_allowed'
            when m.role = 'owner' and new_role is distinct from 'owner'
                 and (select count(*) from locked l where l.role = 'owner') < 2 then 'last_owner'
            else 'ok' end as outcome
from locked m
where m.user_id = :user_id

-- statement: update_member
with locked as (
    {{locked_members}}
), target as (
    {{member_target :role::text}}
), changed as (
    update members m
    set role = :role, version = m.version + 1, updated_at = now()
    from target t
    where m.tenant_id = t.tenant_id and m.user_id = t.user_id and t.outcome = 'ok'
    returning m.tenant_id, m.user_id, m.role, m.version, m.created_at, m.updated_at
)
select t.outcome, {{member_document m, u}} as document, m.version
from target t
join users u on u.id = t.user_id
left join changed m on m.user_id = t.user_id

-- statement: remove_member
with locked as (
    {{locked_members}}
), target as (
    {{member_target null::text}}
), removed as (
    delete from members m
    using target t
    where m.tenant_id = t.tenant_id and m.user_id = t.user_id and t.outcome = 'ok'
)
select t.outcome
from target t
