-- Vendors of software whose Open Service Broker (API 2.17) makes, changes and removes subscriptions: the
-- brokers, which plan stands for which of theirs, what they were asked for, and what is under way.
--
-- The courier speaks with them. It takes a call that is due under a lease (claim_vendor_calls of daemon/software/vendors.sql),
-- and hands what came of it to one function (vendor_answer of 0033_vendor_answers.sql), which says what is next. What was
-- asked for is written down before it is asked, so whoever is killed in between leaves nothing at a vendor that nobody
-- knows of.
set local role bccd_owner;

-- ---- Brokers ----

create table vendor_brokers (
    id text collate "C" primary key check (id like 'vbr\_%'),
    name text not null unique check (length(name) between 1 and 200),
    url text collate "C" not null check (url like 'https://_%' and length(url) <= 500),
    username text not null default '' check (length(username) <= 200),
    password bytea, -- sealed; null: it asks for none
    authority text check (length(authority) <= 16384), -- PEM; null: those that the system trusts
    request_seconds integer not null default 60 check (request_seconds between 1 and 120),
    poll_seconds integer not null default 10 check (poll_seconds between 1 and 600),
    deadline_seconds integer not null default 3600 check (deadline_seconds between 5 and 604800),
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    catalog jsonb check (jsonb_typeof(catalog) = 'array'), -- its services, as osb_read_catalog of proto/osb.h leaves them
    catalog_read_at timestamptz,
    catalog_problem text check (length(catalog_problem) <= 500), -- of the latest attempt; null: it went well
    catalog_due timestamptz default now(), -- when it is asked for next; the lease as well
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table vendor_brokers is 'domain: software; Open Service Brokers of vendors';
create index vendor_brokers_due on vendor_brokers (catalog_due) where state = 'active';
call protect_platform_table('vendor_brokers');
create policy park on vendor_brokers as restrictive to bccd_operator using ((select setting('park')) is null);
grant select, insert, update on vendor_brokers to bccd_operator;
grant select, update (catalog, catalog_read_at, catalog_problem, catalog_due) on vendor_brokers to bccd_jobs;
create policy lookup on vendor_brokers for select to bccd_lookup using (true);
grant select (id, state, deadline_seconds, catalog) on vendor_brokers to bccd_lookup;
-- That the catalog was read is no change to be kept.
create trigger audit
    after insert or delete or update of name, url, username, password, authority, request_seconds, poll_seconds,
                                        deadline_seconds, state on vendor_brokers
    for each row execute function audit_row('password');

-- A plan of ours that is one of theirs: resources on it are made by the vendor.
create table vendor_plans (
    plan_id text collate "C" primary key references plans,
    broker_id text collate "C" not null references vendor_brokers,
    service_id text not null check (length(service_id) between 1 and 200),
    vendor_plan_id text not null check (length(vendor_plan_id) between 1 and 200),
    parameters jsonb not null default '{}' check (jsonb_typeof(parameters) = 'object'),
    seats_parameter text check (length(seats_parameter) between 1 and 64), -- which parameter has the seats; null: none
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table vendor_plans is 'domain: software; which plan of a vendor stands behind a plan of ours';
create index vendor_plans_broker on vendor_plans (broker_id, plan_id);
call protect_platform_table('vendor_plans');
call audit_table('vendor_plans');
-- A tenant's action finds whether its plan is a vendor's.
create policy tenant on vendor_plans for select to bccd_tenant using (true);
create policy lookup on vendor_plans for select to bccd_lookup using (true);
grant select on vendor_plans to bccd_tenant, bccd_jobs, bccd_lookup;
grant select, insert, update, delete on vendor_plans to bccd_operator;

-- ---- What vendors were asked for ----

create table vendor_instances (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    number integer not null check (number > 0),
    instance_id uuid not null unique, -- what it is called at the vendor
    broker_id text collate "C" not null references vendor_brokers,
    service_id text not null,
    vendor_plan_id text not null,
    parameters jsonb not null, -- as the vendor was last known to have them
    state text collate "C" not null default 'asked' check (state in ('asked', 'live', 'gone', 'abandoned')),
    dashboard_url text check (length(dashboard_url) <= 1000),
    asked_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    primary key (tenant_id, resource_id, number),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    constraint vendor_instances_end check ((state in ('gone', 'abandoned')) = (ended_at is not null))
);
comment on table vendor_instances is
    'domain: software; every instance that a vendor was ever asked for: gone once the vendor has said so';
create unique index vendor_instances_open on vendor_instances (tenant_id, resource_id) where ended_at is null;

-- ---- What is under way ----

-- kind: what was wanted. state: running, undoing (it did not come about and is taken back until the vendor confirms
-- that), and how it ended. call: what the vendor is asked now; polling: it has accepted that, and is asked how far it is.
create table vendor_operations (
    id text collate "C" not null unique check (id like 'vop\_%'),
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    instance integer not null,
    kind text collate "C" not null check (kind in ('provision', 'change', 'terminate')),
    state text collate "C" not null default 'running'
        check (state in ('running', 'undoing', 'succeeded', 'failed', 'undone', 'abandoned')),
    wanted jsonb not null default '{}', -- of a change: plan, seats, and the vendor's after it; of an undoing: its cause
    call text collate "C" not null check (call in ('provision', 'update', 'deprovision')),
    polling boolean not null default false,
    vendor_operation text check (length(vendor_operation) <= 10000),
    attempts integer not null default 0, -- in a row that brought nothing
    claims bigint not null default 0,    -- calls that were taken up; the latest is the fence
    answered bigint not null default 0,  -- the latest of which it is known what came of it
    sent boolean not null default false, -- one may have reached the vendor
    lost_until timestamptz, -- of one it is not known what the vendor makes of it, which it may do until then
    not_before timestamptz not null default clock_timestamp(), -- when the next call is due; during one, its lease
    deadline timestamptz not null, -- until then it is tried; what is taken back is tried for ever
    problem_code text collate "C",
    problem_detail text check (length(problem_detail) <= 500),
    actor text collate "C" not null,
    reason text not null default '' check (length(reason) <= 500), -- why it was abandoned
    version bigint not null default 1,
    started_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, resource_id, instance) references vendor_instances (tenant_id, resource_id, number),
    constraint vendor_operations_end check ((state in ('running', 'undoing')) = (ended_at is null)),
    constraint vendor_operations_problem check ((problem_code is null) = (problem_detail is null))
);
comment on table vendor_operations is 'domain: software; what a vendor is asked to do with a resource, and how far it is';
-- One at a time.
create unique index vendor_operations_open on vendor_operations (tenant_id, resource_id) where ended_at is null;
create index vendor_operations_due on vendor_operations (not_before, id) where ended_at is null;
create index vendor_operations_resource on vendor_operations (tenant_id, resource_id, id);

do $$
declare
    name text;
begin
    foreach name in array array['vendor_instances', 'vendor_operations'] loop
        call protect_tenant_table(name::regclass);
        execute format('grant select, insert, update on %I to bccd_tenant, bccd_operator, bccd_jobs', name);
        execute format('create constraint trigger documents after insert or update of state on %I
                        deferrable initially deferred for each row
                        execute function renew_resource_documents(''tenant_id'', ''resource_id'')', name);
    end loop;
end
$$;
call audit_table('vendor_instances');
-- That it was asked once more is no change to be kept.
create trigger audit after insert or delete or update of state, call, actor, reason, deadline on vendor_operations
    for each row execute function audit_row();

create trigger wake after insert on vendor_operations for each statement execute function courier_wake();
create trigger wake after insert on vendor_brokers for each statement execute function courier_wake();
