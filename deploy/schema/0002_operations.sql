-- Work that outlives a request: operations, which clients watch and the runners of jobs carry out,
-- and the messages that the courier sends out.

set local role bccd_owner;

create table operations (
    id text collate "C" primary key check (id like 'op\_%'),
    tenant_id text collate "C" references tenants, -- null: the operator's own
    kind text collate "C" not null check (kind ~ '^[a-z][a-z0-9_]{0,63}$'),
    argument jsonb not null default '{}' check (jsonb_typeof(argument) = 'object'),
    state text collate "C" not null default 'queued'
        check (state in ('queued', 'running', 'succeeded', 'failed')),
    done bigint not null default 0 check (done >= 0),
    total bigint check (total >= 0),
    result jsonb,
    error jsonb,
    attempts integer not null default 0,
    not_before timestamptz not null default now(),
    lease_owner text collate "C",
    lease_until timestamptz,
    -- Grows with every claim. Whoever commits for the job shows the number of his claim, so one that
    -- was taken for dead and is not can do no harm.
    fence bigint not null default 0,
    period_seconds bigint check (period_seconds > 0), -- comes round again; not shown to clients
    unique_key text collate "C" check (length(unique_key) <= 200),
    created_by text collate "C",
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    constraint operations_lease check ((state = 'running') = (lease_until is not null)),
    constraint operations_end check ((state in ('succeeded', 'failed')) = (ended_at is not null))
);
comment on table operations is 'domain: db; long work: queued by requests, carried out by jobs, watched by clients';
-- The same work is not queued twice while it has not ended.
create unique index operations_unique_key on operations (unique_key) where state in ('queued', 'running');
create index operations_due on operations (not_before, id) where state in ('queued', 'running');
create index operations_tenant on operations (tenant_id, id);
call protect_tenant_table('operations');
grant select, insert on operations to bccd_tenant, bccd_operator;
grant select, insert, update, delete on operations to bccd_jobs;

create function operations_wake() returns trigger
    language plpgsql
as $$
begin
    perform pg_notify('bccd_jobs', '');
    return null;
end
$$;
create trigger wake after insert on operations for each statement execute function operations_wake();

create table courier_messages (
    id bigint generated always as identity primary key,
    tenant_id text collate "C" references tenants,
    kind text collate "C" not null check (kind in ('radius_disconnect')),
    payload jsonb not null check (jsonb_typeof(payload) = 'object'),
    state text collate "C" not null default 'pending' check (state in ('pending', 'sent', 'failed')),
    attempts integer not null default 0,
    not_before timestamptz not null default now(),
    deadline timestamptz not null default now() + interval '5 minutes',
    result jsonb,
    created_at timestamptz not null default now(),
    ended_at timestamptz
);
comment on table courier_messages is 'domain: process; what goes out: taken by the courier, which notes what became of it';
create index courier_messages_due on courier_messages (not_before, id) where state = 'pending';
create index courier_messages_tenant on courier_messages (tenant_id, id);
call protect_tenant_table('courier_messages');
-- Payloads hold sealed secrets: requests queue them and do not read them back.
grant insert on courier_messages to bccd_tenant, bccd_operator;
grant select, insert, update, delete on courier_messages to bccd_jobs;

create function courier_wake() returns trigger
    language plpgsql
as $$
begin
    perform pg_notify('bccd_courier', '');
    return null;
end
$$;
create trigger wake after insert on courier_messages for each statement execute function courier_wake();
