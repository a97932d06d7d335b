-- Operators made from the command line, as bccd_operator.

-- statement: admin_begin
select set_config('bccd.actor', 'bccd admin', true)

-- statement: admin_find_user
select u.id
from users u
where u.email = lower(:email)

-- statement: admin_create_user
insert into users (id, email, name, password_hash)
values (:user_id, lower(:email), :name, :password_hash)

-- statement: admin_reset_user
update users
set password_hash = :password_hash, state = 'active', version = version + 1, updated_at = now()
where id = :user_id

-- statement: admin_appoint
insert into operators (user_id, role)
values (:user_id, :role)
on conflict (user_id) do update
set role = excluded.role, park_id = null, version = operators.version + 1, updated_at = now()

-- statement: admin_replace_key
-- One key an operator from here: the one before is revoked.
with revoked as (
    update api_keys
    set revoked_at = now(), version = version + 1, updated_at = now()
    where tenant_id is null and created_by = :user_id and name = 'bccd admin' and revoked_at is null
)
insert into api_keys (id, name, prefix, digest, role, created_by)
values (:key_id, 'bccd admin', :key_prefix, decode(:key_digest, 'hex'), :role, :user_id)
