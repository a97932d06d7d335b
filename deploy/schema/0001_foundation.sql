-- The ground that every domain stands on: login roles, exact types, what is spelled how, the
-- procedures that lock a table, the audit trail, idempotency keys, parks and tenants.

do $$
declare
    role_name text;
begin
    foreach role_name in array array['bccd_owner', 'bccd_lookup'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I nologin', role_name);
        end if;
    end loop;
    foreach role_name in array array['bccd_tenant', 'bccd_operator', 'bccd_jobs', 'bccd_auth'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I login', role_name);
        end if;
    end loop;
end
$$;

revoke all on schema public from public;
grant usage on schema public to bccd_tenant, bccd_operator, bccd_jobs, bccd_auth, bccd_lookup;
grant usage, create on schema public to bccd_owner;
-- bccd_owner hands its look-up functions to bccd_lookup, which has rights to single columns alone.
grant bccd_lookup to bccd_owner;
grant create on schema public to bccd_lookup;

set local role bccd_owner;

-- numeric takes NaN and Infinity; money and quantities do not.
create domain exact as numeric
    check (value <> 'NaN'::numeric and value < 'Infinity'::numeric and value > '-Infinity'::numeric);

create domain currency_code as text collate "C" check (value ~ '^[A-Z]{3}$');

-- Flat and bounded, as the contract's schema Metadata says.
create domain metadata as jsonb
    check (jsonb_typeof(value) = 'object' and pg_column_size(value) <= 32768);

-- RFC 3339 in UTC; a fraction only where there is one.
create function instant_text(value timestamptz) returns text
    language sql immutable strict parallel safe
    return to_char(value at time zone 'UTC',
                   case when date_trunc('second', value) = value then 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
                        else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' end);

create function money(amount numeric, currency text) returns json
    language sql immutable strict parallel safe
    return json_build_object('amount', round(amount, 2)::text, 'currency', currency);

-- An exact number as the API spells it: without trailing zeros.
create function number_text(value numeric) returns text
    language sql immutable strict parallel safe
    return trim_scale(value)::text;

-- The settings of a request: who acts, for which tenant or park, in which request. Local to the
-- transaction; a statement without them sees nothing.
create function setting(name text) returns text
    language sql stable strict parallel safe
    return nullif(current_setting('bccd.' || name, true), '');

-- The month so many months later: period_after('2026-12', 1).
create function period_after(period text, months integer) returns text
    language sql immutable strict parallel safe
    return to_char(to_date(period, 'YYYY-MM') + make_interval(months => months), 'YYYY-MM');

-- The instant at which a calendar month begins in a time zone: period_start('2026-10', 'Asia/Shanghai').
create function period_start(period text, zone text) returns timestamptz
    language sql stable strict parallel safe
    return (to_date(period, 'YYYY-MM')::timestamp) at time zone zone;

create function period_end(period text, zone text) returns timestamptz
    language sql stable strict parallel safe
    return ((to_date(period, 'YYYY-MM') + interval '1 month')::timestamp) at time zone zone;

-- Audit: one generic row trigger, so that no operation can forget it.
create table audit_events (
    number bigint generated always as identity primary key,
    tenant_id text collate "C",
    at timestamptz not null default clock_timestamp(),
    actor text collate "C",
    request_id text collate "C",
    address text collate "C",
    table_name text not null,
    row_id text,
    action text not null check (action in ('insert', 'update', 'delete')),
    old jsonb,
    new jsonb
);
comment on table audit_events is 'domain: audit; who changed what, from where, before and after, less secret columns';
create index audit_events_tenant on audit_events (tenant_id, number);
create index audit_events_row on audit_events (row_id, number);

-- The trigger's arguments name the secret columns, which are left out.
create function audit_row() returns trigger
    language plpgsql
as $$
declare
    before_row jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - tg_argv end;
    after_row jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - tg_argv end;
    named jsonb := coalesce(after_row, before_row);
begin
    if tg_op = 'UPDATE' and to_jsonb(old) = to_jsonb(new) then
        return null;
    end if;
    insert into audit_events (tenant_id, actor, request_id, address, table_name, row_id, action, old, new)
    values (case tg_table_name when 'tenants' then named ->> 'id' else named ->> 'tenant_id' end,
            coalesce(setting('actor'), session_user), setting('request'), setting('address'),
            tg_table_name, named ->> 'id', lower(tg_op), before_row, after_row);
    return null;
end
$$;

-- Audits a table's rows; further arguments name secret columns.
create procedure audit_table(name regclass, variadic secret text[] default '{}')
    language plpgsql
as $$
begin
    execute format('create trigger audit after insert or update or delete on %s for each row
                    execute function audit_row(%s)', name,
                   (select coalesce(string_agg(quote_literal(column_name), ', '), '')
                      from unnest(secret) as column_name));
end
$$;

-- The second lock of a tenant's door, on a table with a column tenant_id: its tenant's rows for
-- bccd_tenant; for bccd_operator those of all tenants, or of the actor's park; all for bccd_jobs.
create procedure protect_tenant_table(name regclass)
    language plpgsql
as $$
begin
    execute format('alter table %s enable row level security', name);
    execute format('alter table %s force row level security', name);
    execute format('create policy tenant on %s to bccd_tenant
                    using (tenant_id = setting(''tenant''))', name);
    execute format('create policy operator on %s to bccd_operator
                    using (setting(''actor'') is not null
                           and (setting(''park'') is null
                                or tenant_id in (select id from tenants)))', name);
    execute format('create policy jobs on %s to bccd_jobs using (true)', name);
end
$$;

-- A table of the platform, which no tenant owns: bccd_tenant gets no policy, so a grant to it reads
-- nothing unless the migration adds one. Park managers see it as operators do.
create procedure protect_platform_table(name regclass)
    language plpgsql
as $$
begin
    execute format('alter table %s enable row level security', name);
    execute format('alter table %s force row level security', name);
    execute format('create policy operator on %s to bccd_operator
                    using (setting(''actor'') is not null)', name);
    execute format('create policy jobs on %s to bccd_jobs using (true)', name);
end
$$;

-- Idempotency keys: claimed before the work in the same transaction, the answer kept after it.
create table idempotency_keys (
    scope text collate "C" not null, -- whose key: the actor's
    key text collate "C" not null,
    digest text collate "C" not null, -- SHA-256 of operation, path and body
    status smallint not null,
    location text,
    etag text,
    body text,
    created_at timestamptz not null default now(),
    primary key (scope, key)
);
comment on table idempotency_keys is 'domain: http; stored answers of keyed requests; scoped by actor, so no tenant sees another''s';
create index idempotency_keys_age on idempotency_keys (created_at);
alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
create policy own on idempotency_keys to bccd_tenant, bccd_operator
    using (scope = setting('actor'));
create policy jobs on idempotency_keys to bccd_jobs using (true);
grant select, insert on idempotency_keys to bccd_tenant, bccd_operator;
grant select, delete on idempotency_keys to bccd_jobs;

-- Claims a key: refuses with BC409 while another request holds it, and with BC208 when it was answered
-- already, so that the main statement never runs.
create function idempotency_claim(claimed_scope text, claimed_key text) returns void
    language plpgsql
as $$
begin
    if claimed_key is null then
        return;
    end if;
    if not pg_try_advisory_xact_lock(hashtextextended(claimed_scope || ' ' || claimed_key, 20261101)) then
        raise exception using errcode = 'BC409', message = 'the key is in use by a request that still runs';
    end if;
    if exists (select from idempotency_keys where scope = claimed_scope and key = claimed_key) then
        raise exception using errcode = 'BC208', message = 'the key was answered already';
    end if;
end
$$;

create table parks (
    id text collate "C" primary key check (id like 'prk\_%'),
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text not null check (length(name) between 1 and 200),
    name_en text not null default '' check (length(name_en) <= 200),
    metadata metadata not null default '{}',
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table parks is 'domain: tenants; outsourcing parks and bases';
grant select, insert, update on parks to bccd_operator;
grant select on parks to bccd_jobs, bccd_tenant;

create table tenants (
    id text collate "C" primary key check (id like 'ten\_%'),
    park_id text collate "C" not null references parks,
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text not null check (length(name) between 1 and 200),
    name_en text not null default '' check (length(name_en) <= 200),
    tax_number text collate "C" check (length(tax_number) <= 20), -- unified social credit code
    billing_address text not null default '' check (length(billing_address) <= 500),
    billing_email text collate "C" check (length(billing_email) <= 254),
    currency currency_code not null default 'CNY',
    state text collate "C" not null default 'active' check (state in ('active', 'suspended', 'closed')),
    external_id text collate "C" unique check (length(external_id) <= 128),
    metadata metadata not null default '{}',
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table tenants is 'domain: tenants; enterprises, who rent and are billed';
create index tenants_park on tenants (park_id, id);
grant select, insert, update on tenants to bccd_operator;
grant select on tenants to bccd_jobs, bccd_tenant;

call protect_platform_table('parks');
create policy tenant on parks to bccd_tenant
    using (id = (select park_id from tenants where id = setting('tenant')));
-- A park manager sees the park that is his.
create policy park on parks as restrictive to bccd_operator
    using (setting('park') is null or id = setting('park'));
call audit_table('parks');

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant on tenants to bccd_tenant using (id = setting('tenant'));
create policy operator on tenants to bccd_operator
    using (setting('actor') is not null and (setting('park') is null or park_id = setting('park')));
create policy jobs on tenants to bccd_jobs using (true);
call audit_table('tenants');

alter table audit_events enable row level security;
alter table audit_events force row level security;
create policy tenant on audit_events to bccd_tenant using (tenant_id = setting('tenant'));
create policy operator on audit_events to bccd_operator
    using (setting('actor') is not null
           and (setting('park') is null or tenant_id in (select id from tenants)));
create policy jobs on audit_events to bccd_jobs using (true);
-- The trail is written on behalf of whoever changes a row; nobody may alter it.
create policy written on audit_events for insert to bccd_tenant, bccd_operator, bccd_lookup, bccd_owner
    with check (true);
grant select, insert on audit_events to bccd_tenant, bccd_operator, bccd_jobs;
grant insert on audit_events to bccd_lookup, bccd_owner;
