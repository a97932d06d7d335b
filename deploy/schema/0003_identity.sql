-- Who may come in: people (users), what they are to a tenant (members) or to the operator
-- (operators), API keys, sessions, and the look-ups through which a credential becomes an actor.
--
-- What tells a secret from a guess never leaves through a role of requests: bccd_tenant and
-- bccd_operator cannot read password hashes and have no right to sessions at all. bccd_auth reads no
-- table; it may call the functions below, which belong to bccd_lookup.

set local role bccd_owner;

create table users (
    id text collate "C" primary key check (id like 'usr\_%'),
    email text collate "C" not null unique
        check (email = lower(email) and length(email) between 3 and 254),
    name text not null check (length(name) between 1 and 200),
    language text collate "C" not null default 'zh-CN' check (language in ('en', 'zh-CN')),
    state text collate "C" not null default 'active' check (state in ('active', 'disabled')),
    password_hash text collate "C" not null check (password_hash like '$argon2id$%'),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table users is 'domain: identity; people who sign in; of no tenant, since one may be a member of several';

create table operators (
    user_id text collate "C" primary key references users,
    role text collate "C" not null
        check (role in ('platform_admin', 'operator', 'finance', 'auditor', 'park_manager')),
    park_id text collate "C" references parks,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint operators_park check ((role = 'park_manager') = (park_id is not null))
);
comment on table operators is 'domain: identity; people of the operator''s side and their role';

create table members (
    tenant_id text collate "C" not null references tenants,
    user_id text collate "C" not null references users,
    role text collate "C" not null
        check (role in ('owner', 'admin', 'developer', 'billing', 'member')),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, user_id)
);
comment on table members is 'domain: identity; which user is what in which tenant';
create index members_user on members (user_id);

-- A key belongs to its tenant (or to the operator), not to the person who made it, so it outlives his
-- leaving. It acts as `role`, within `scopes` (none: all that the role may). After a rotation the key
-- before stays good until previous_expires_at.
create table api_keys (
    id text collate "C" primary key check (id like 'key\_%'),
    tenant_id text collate "C" references tenants,
    name text not null check (length(name) between 1 and 200),
    prefix text collate "C" not null check (length(prefix) = 8),
    digest bytea not null unique check (octet_length(digest) = 32),
    previous_digest bytea unique check (octet_length(previous_digest) = 32),
    previous_expires_at timestamptz,
    role text collate "C" not null,
    scopes text[] collate "C" not null default '{}',
    park_id text collate "C" references parks,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    created_by text collate "C" not null,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint api_keys_role check (
        case when tenant_id is null
             then role in ('platform_admin', 'operator', 'finance', 'auditor', 'park_manager')
             else role in ('owner', 'admin', 'developer', 'billing', 'member') end),
    constraint api_keys_park check ((role = 'park_manager') = (park_id is not null)),
    -- What the daemon keeps of them: ACTOR_SCOPES_SIZE less the terminator.
    constraint api_keys_scopes check (length(array_to_string(scopes, ' ')) <= 511),
    check ((previous_digest is null) = (previous_expires_at is null))
);
comment on table api_keys is 'domain: identity; API keys of tenants and of the operator (without tenant_id), as SHA-256';
create index api_keys_tenant on api_keys (tenant_id, id);

create table sessions (
    id text collate "C" primary key check (id like 'ses\_%'),
    user_id text collate "C" not null references users,
    tenant_id text collate "C" references tenants,
    digest bytea not null unique check (octet_length(digest) = 32),
    address text collate "C",
    created_at timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    expires_at timestamptz not null
);
comment on table sessions is 'domain: identity; who is signed in, for a tenant or for the operator (without tenant_id), as SHA-256';
create index sessions_user on sessions (user_id);

-- Sign-ins tried since the last that succeeded, by a hash of the name given, whether or not an account
-- bears it: so throttling tells nobody which accounts there are, and the table never outgrows its
-- 2^20 rows.
create table sign_in_attempts (
    bucket integer primary key check (bucket between 0 and 1048575),
    attempts integer not null,
    attempted_at timestamptz not null,
    locked_until timestamptz
);
comment on table sign_in_attempts is 'domain: identity; throttles the guessing of passwords';

-- ---- Who sees what ----

grant select (id, email, name, language, state, version, created_at, updated_at), insert,
      update (email, name, language, state, password_hash, version, updated_at)
    on users to bccd_tenant, bccd_operator;
grant select on operators to bccd_tenant; -- without a policy: none; so both sides share statements
grant select, insert, update, delete on operators to bccd_operator;
grant select, insert, update, delete on members to bccd_tenant, bccd_operator;
grant select, insert, update on api_keys to bccd_tenant, bccd_operator;

grant select (id, email, name, language, state, password_hash, version, created_at, updated_at),
      update (password_hash, version, updated_at) on users to bccd_lookup;
grant select (user_id, role, park_id) on operators to bccd_lookup;
grant select (tenant_id, user_id, role, created_at) on members to bccd_lookup;
grant select (id, tenant_id, digest, previous_digest, previous_expires_at, role, scopes, park_id,
              expires_at, last_used_at, revoked_at), update (last_used_at) on api_keys to bccd_lookup;
grant select, insert, delete, update (last_used_at) on sessions to bccd_lookup;
grant select, insert, update, delete on sign_in_attempts to bccd_lookup;
grant select (id, park_id, code, name, state) on tenants to bccd_lookup;

-- True when a user has an access beyond a tenant (or a park): then nobody there may change the
-- account, which others rely on.
create function user_reaches_beyond(account text, tenant text, park text) returns boolean
    language sql stable security definer set search_path = public, pg_temp
    return (tenant is not null or park is not null)
           and (exists (select from operators o where o.user_id = account)
                or exists (select from members m join tenants t on t.id = m.tenant_id
                            where m.user_id = account
                              and (m.tenant_id <> tenant or t.park_id <> park)));
alter function user_reaches_beyond owner to bccd_lookup;
revoke all on function user_reaches_beyond from public;
grant execute on function user_reaches_beyond to bccd_tenant, bccd_operator;

call protect_tenant_table('members');
call protect_tenant_table('api_keys');
call protect_platform_table('users');
call protect_platform_table('operators');
call protect_platform_table('sessions');
call protect_platform_table('sign_in_attempts');

create policy member on users for select to bccd_tenant
    using (id in (select m.user_id from members m where m.tenant_id = setting('tenant')));
create policy added on users for insert to bccd_tenant with check (setting('tenant') is not null);
create policy changed on users for update to bccd_tenant
    using (id in (select m.user_id from members m where m.tenant_id = setting('tenant'))
           and not user_reaches_beyond(id, setting('tenant'), null));
-- A park manager: himself and the members of his park's tenants.
create policy park_seen on users as restrictive for select to bccd_operator
    using (setting('park') is null or id = setting('actor')
           or exists (select from members m where m.user_id = users.id));
create policy park_changed on users as restrictive for update to bccd_operator
    using (setting('park') is null or not user_reaches_beyond(id, null, setting('park')));
create policy park on operators as restrictive to bccd_operator
    using (setting('park') is null or user_id = setting('actor'));

create policy lookup on users to bccd_lookup using (true);
create policy lookup on operators to bccd_lookup using (true);
create policy lookup on members to bccd_lookup using (true);
create policy lookup on api_keys to bccd_lookup using (true);
create policy lookup on sessions to bccd_lookup using (true);
create policy lookup on sign_in_attempts to bccd_lookup using (true);
create policy lookup on tenants for select to bccd_lookup using (true);

call audit_table('users', 'password_hash');
call audit_table('operators');
call audit_table('members');
-- That a key or session was used is no change to be kept.
create trigger audit
    after insert or delete
       or update of name, digest, role, scopes, park_id, expires_at, revoked_at on api_keys
    for each row execute function audit_row('digest', 'previous_digest');
create trigger audit after insert or delete on sessions
    for each row execute function audit_row('digest');

-- ---- What changed, told to those who cache it: the digest, or '' for all ----

create function announce_key() returns trigger
    language plpgsql
as $$
begin
    perform pg_notify('bccd_credentials', encode(old.digest, 'hex'));
    if old.previous_digest is not null then
        perform pg_notify('bccd_credentials', encode(old.previous_digest, 'hex'));
    end if;
    return null;
end
$$;

create function announce_session() returns trigger
    language plpgsql
as $$
begin
    perform pg_notify('bccd_credentials', encode(old.digest, 'hex'));
    return null;
end
$$;

create function announce_all() returns trigger
    language plpgsql
as $$
begin
    perform pg_notify('bccd_credentials', '');
    return null;
end
$$;

create trigger announce
    after delete or update of digest, previous_digest, previous_expires_at, role, scopes, park_id,
                              expires_at, revoked_at on api_keys
    for each row execute function announce_key();
create trigger announce after delete or update of user_id, tenant_id, digest, expires_at on sessions
    for each row execute function announce_session();
create trigger announce after delete or update of state on users
    for each row execute function announce_all();
create trigger announce after delete or update on members
    for each row execute function announce_all();
create trigger announce after delete or update on operators
    for each row execute function announce_all();
create trigger announce after delete or update of state on tenants
    for each row execute function announce_all();

-- A new password or a disabled account ends the account's sessions, but for the one that
-- change_password keeps.
create function end_sessions() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    delete from sessions where user_id = new.id and id is distinct from setting('kept_session');
    return null;
end
$$;
alter function end_sessions owner to bccd_lookup;
create trigger end_sessions after update of password_hash, state on users
    for each row when (old.password_hash is distinct from new.password_hash
                       or old.state is distinct from new.state)
    execute function end_sessions();

-- ---- Look-ups: all that bccd_auth may do ----

-- The actor behind an API key; no row when it is unknown, revoked or expired, or its tenant not active.
create function look_up_key(key_digest bytea)
    returns table (side text, actor text, tenant text, park text, role text, scopes text, session text)
    language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with found as (
        select k.id, k.tenant_id, k.park_id, k.role, k.scopes
          from api_keys k
         where (k.digest = key_digest
                or (k.previous_digest = key_digest and k.previous_expires_at > now()))
           and k.revoked_at is null
           and (k.expires_at is null or k.expires_at > now())
           and (k.tenant_id is null or exists (select from tenants t
                                                where t.id = k.tenant_id and t.state = 'active'))
    ), used as (
        update api_keys k
           set last_used_at = now()
          from found f
         where k.id = f.id
           and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute')
    )
    select case when f.tenant_id is null then 'operator' else 'tenant' end,
           f.id, f.tenant_id, f.park_id, f.role, array_to_string(f.scopes, ' '), null::text
      from found f;
end
$$;

-- The actor behind a session, with the role that he has now; no row when it ended, was idle for too
-- long, or its user or tenant may not act.
create function look_up_session(session_digest bytea, idle_seconds bigint)
    returns table (side text, actor text, tenant text, park text, role text, scopes text, session text)
    language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with found as (
        select s.id, s.user_id, s.tenant_id, o.park_id, coalesce(m.role, o.role) as role
          from sessions s
          join users u on u.id = s.user_id and u.state = 'active'
          left join tenants t on t.id = s.tenant_id and t.state = 'active'
          left join members m on m.tenant_id = t.id and m.user_id = s.user_id
          left join operators o on s.tenant_id is null and o.user_id = s.user_id
         where s.digest = session_digest
           and s.expires_at > now()
           and s.last_used_at > now() - idle_seconds * interval '1 second'
           and (m.role is not null or o.role is not null)
    ), used as (
        update sessions s
           set last_used_at = now()
          from found f
         where s.id = f.id and s.last_used_at < now() - interval '1 minute'
    )
    select case when f.tenant_id is null then 'operator' else 'tenant' end,
           f.user_id, f.tenant_id, f.park_id, f.role, '', f.id
      from found f;
end
$$;

-- Who acts, for the audit trail.
create function act_as(actor text, request_id text, address text) returns void
    language plpgsql
as $$
begin
    perform set_config('bccd.actor', coalesce(actor, ''), true),
            set_config('bccd.request', coalesce(request_id, ''), true),
            set_config('bccd.address', coalesce(address, ''), true);
end
$$;

-- Seeded at random: who could tell which names share a bucket would clear another's count by signing
-- in under a name of his own.
do $$
begin
    execute format('create function sign_in_bucket(login text) returns integer
                    language sql immutable strict parallel safe
                    return (hashtextextended(lower(login), %L::bigint) & 1048575)::integer',
                   hashtextextended(gen_random_uuid()::text, 0));
end
$$;

-- What a password is to be checked against, by e-mail address or user id. Counts the attempt before
-- it is known how it ends, so that many at once gain nothing; open_session and change_password clear
-- the count. From the tenth within an hour on, the account is locked for 1, 2, 4, 8 and then 16
-- minutes at a time: retry_after says for how many seconds, and nothing else is told then. Without an
-- account that may sign in, user_id is NULL.
create function look_up_password(login text)
    returns table (user_id text, email text, password_hash text, retry_after bigint)
    language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    place integer := sign_in_bucket(login);
begin
    insert into sign_in_attempts as a (bucket, attempts, attempted_at)
    values (place, 1, now())
    on conflict (bucket) do update
       set attempts = case when a.attempted_at < now() - interval '1 hour' then 1
                           else least(a.attempts + 1, 100) end,
           attempted_at = now(),
           locked_until = case when a.attempted_at >= now() - interval '1 hour' and a.attempts >= 9
                               then now() + interval '1 minute' * (1 << least(a.attempts - 9, 4)) end
     where a.locked_until is null or a.locked_until <= now();
    if not found then
        return query
        select null::text, null::text, null::text,
               greatest(1, ceil(extract(epoch from a.locked_until - now())))::bigint
          from sign_in_attempts a where a.bucket = place;
        return;
    end if;
    return query
    select u.id, u.email, u.password_hash, null::bigint
      from (values (lower(login))) as wanted (login)
      left join users u on (u.email = wanted.login or u.id = wanted.login) and u.state = 'active';
end
$$;

-- Opens a session once the password was right: for the tenant wanted; else for the operator, where
-- the user is of its side; else for the first tenant that he became a member of. No row when he has
-- no such access, or the hash that was verified is not his any more. The lock makes who sets a new
-- password wait, and then end this session too.
create function open_session(opener text, verified_hash text, wanted text, new_session text,
                             new_digest bytea, seconds bigint, request_id text, from_address text)
    returns table (document json)
    language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    account record;
    access record;
begin
    select u.id, u.email, u.name, u.language into account
      from users u
     where u.id = opener and u.state = 'active' and u.password_hash = verified_hash
       for share;
    select a.side, a.role, a.park_id, a.tenant_id into access
      from (select 'operator' as side, o.role, o.park_id, null::text as tenant_id,
                   null::timestamptz as since
              from operators o where o.user_id = opener and wanted is null
             union all
            select 'tenant', m.role, null, m.tenant_id, m.created_at
              from members m join tenants t on t.id = m.tenant_id and t.state = 'active'
             where m.user_id = opener and (wanted is null or m.tenant_id = wanted)) as a
     order by a.since nulls first, a.tenant_id
     limit 1;
    if account.id is null or access.side is null then
        return;
    end if;
    perform act_as(opener, request_id, from_address);
    delete from sign_in_attempts where bucket = sign_in_bucket(account.email);
    delete from sessions where user_id = opener and expires_at <= now();
    insert into sessions (id, user_id, tenant_id, digest, address, expires_at)
    values (new_session, opener, access.tenant_id, new_digest, from_address,
            now() + seconds * interval '1 second');
    return query
    select json_build_object(
        'id', new_session, 'side', access.side, 'role', access.role,
        'tenant', (select json_build_object('id', t.id, 'code', t.code, 'name', t.name)
                     from tenants t where t.id = access.tenant_id),
        'park_id', access.park_id,
        'user', json_build_object('id', account.id, 'email', account.email, 'name', account.name,
                                  'language', account.language),
        'memberships',
        (select coalesce(json_agg(json_build_object(
                    'tenant', json_build_object('id', t.id, 'code', t.code, 'name', t.name),
                    'role', m.role) order by m.created_at, t.id), '[]')
           from members m join tenants t on t.id = m.tenant_id and t.state = 'active'
          where m.user_id = opener),
        'expires_at', instant_text(now() + seconds * interval '1 second'));
end
$$;

-- True when there was one to close.
create function close_session(closed text, closer text, request_id text, from_address text)
    returns boolean
    language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform act_as(closer, request_id, from_address);
    delete from sessions where id = closed and user_id = closer;
    return found;
end
$$;

-- The user's own change, the hash of his present password verified before; ends all his sessions but
-- `kept`. False when that hash is not his any more.
create function change_password(owner text, kept text, verified_hash text, new_hash text,
                                request_id text, from_address text) returns boolean
    language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform act_as(owner, request_id, from_address), set_config('bccd.kept_session', kept, true);
    delete from sign_in_attempts where bucket = sign_in_bucket(owner);
    update users
       set password_hash = new_hash, version = version + 1, updated_at = now()
     where id = owner and state = 'active' and password_hash = verified_hash;
    return found;
end
$$;

do $$
declare
    name text;
begin
    foreach name in array array['look_up_key', 'look_up_session', 'look_up_password',
                                'open_session', 'close_session', 'change_password'] loop
        execute format('alter function %I owner to bccd_lookup', name);
        execute format('revoke all on function %I from public', name);
        execute format('grant execute on function %I to bccd_auth', name);
    end loop;
end
$$;
