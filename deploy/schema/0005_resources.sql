-- What tenants rent: resources of three kinds with their states, holds, plans and quantities over
-- time. What is done with them: 0007_resource_actions.sql.
set local role bccd_owner;

create domain resource_kind as text collate "C" check (value in ('software', 'broadband', 'terminal'));

create domain resource_state as text collate "C"
    check (value in ('requested', 'approved', 'provisioning', 'active', 'suspended', 'terminating',
                     'terminated', 'rejected', 'failed'));

create function refuse(code text, detail text) returns void
    language plpgsql
as $$
begin
    raise exception using errcode = 'BC422', message = code, detail = coalesce(detail, '');
end
$$;

-- ---- The one table of transitions ----

create table resource_actions (
    kind resource_kind not null,
    action text collate "C" not null,
    from_state resource_state not null,
    to_state resource_state not null,
    by_tenant boolean not null, -- the tenant's side may; the operator's always may
    primary key (kind, action, from_state)
);
comment on table resource_actions is
    'domain: resources; which action leads from which state to which, and who may take it';

insert into resource_actions (kind, action, from_state, to_state, by_tenant)
select k.kind, a.action, a.from_state, a.to_state, a.by_tenant
from (values ('software'), ('broadband'), ('terminal')) as k(kind)
join (values
    (null, 'approve', 'requested', 'approved', false),
    (null, 'reject', 'requested', 'rejected', false),
    (null, 'reject', 'approved', 'rejected', false),
    (null, 'provision', 'approved', 'provisioning', false),
    (null, 'activate', 'provisioning', 'active', false),
    (null, 'fail', 'provisioning', 'failed', false),
    (null, 'retry', 'failed', 'provisioning', false),
    (null, 'suspend', 'active', 'suspended', true),
    (null, 'suspend', 'suspended', 'suspended', true),
    (null, 'resume', 'suspended', 'active', true),
    (null, 'change', 'requested', 'requested', true),
    (null, 'change', 'approved', 'approved', true),
    (null, 'change', 'provisioning', 'provisioning', true),
    (null, 'change', 'active', 'active', true),
    (null, 'change', 'suspended', 'suspended', true),
    (null, 'terminate', 'requested', 'terminated', true),
    -- Software ends at once. A line has to be taken down, a terminal to come back; then the operator
    -- terminates once more.
    ('software', 'terminate', 'approved', 'terminated', true),
    ('software', 'terminate', 'provisioning', 'terminated', true),
    ('software', 'terminate', 'active', 'terminated', true),
    ('software', 'terminate', 'suspended', 'terminated', true),
    ('software', 'terminate', 'failed', 'terminated', true),
    ('broadband', 'terminate', 'approved', 'terminated', true),
    ('broadband', 'terminate', 'provisioning', 'terminating', true),
    ('broadband', 'terminate', 'active', 'terminating', true),
    ('broadband', 'terminate', 'suspended', 'terminating', true),
    ('broadband', 'terminate', 'failed', 'terminating', true),
    ('broadband', 'terminate', 'terminating', 'terminated', false),
    ('terminal', 'terminate', 'approved', 'terminating', true),
    ('terminal', 'terminate', 'provisioning', 'terminating', true),
    ('terminal', 'terminate', 'active', 'terminating', true),
    ('terminal', 'terminate', 'suspended', 'terminating', true),
    ('terminal', 'terminate', 'failed', 'terminating', true),
    ('terminal', 'terminate', 'terminating', 'terminated', false)
) as a(kind, action, from_state, to_state, by_tenant) on a.kind is null or a.kind = k.kind;

call protect_platform_table('resource_actions');
create policy tenant on resource_actions for select to bccd_tenant using (true);
grant select on resource_actions to bccd_tenant, bccd_operator, bccd_jobs;

-- ---- Resources ----

create table resources (
    id text collate "C" not null unique check (id like 'res\_%'),
    tenant_id text collate "C" not null references tenants,
    kind resource_kind not null,
    offering_id text collate "C" not null references offerings,
    name text not null check (length(name) between 1 and 200),
    site text not null default '' check (length(site) <= 500),
    state resource_state not null default 'requested',
    failure_code text collate "C" check (length(failure_code) <= 64),
    failure_detail text check (length(failure_detail) <= 500),
    failure_retryable boolean,
    external_id text collate "C" check (length(external_id) <= 128),
    metadata metadata not null default '{}',
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, external_id),
    constraint resources_failure check (
        (failure_code is not null) = (state = 'failed')
        and (failure_code is null) = (failure_detail is null)
        and (failure_code is null) = (failure_retryable is null))
);
comment on table resources is 'domain: resources; what tenants rent: software, broadband lines, terminals';
create index resources_offering on resources (offering_id, id);
create index resources_state on resources (state, id);

-- Who, when, why, and from when it counts for billing. Numbers ascend with effective_at.
create table resource_transitions (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    number integer not null check (number > 0),
    action text collate "C" not null,
    from_state resource_state, -- null: it was made
    to_state resource_state not null,
    at timestamptz not null default clock_timestamp(),
    effective_at timestamptz not null,
    actor text collate "C" not null,
    reason text not null default '' check (length(reason) <= 500),
    primary key (tenant_id, resource_id, number),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table resource_transitions is 'domain: resources; the history of each resource''s states';

create table resource_holds (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    kind text collate "C" not null check (kind in ('billing', 'abuse', 'operator', 'tenant')),
    placed_at timestamptz not null default clock_timestamp(),
    actor text collate "C" not null,
    reason text not null default '' check (length(reason) <= 500),
    primary key (tenant_id, resource_id, kind),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table resource_holds is 'domain: resources; why a resource is suspended; active again when none is left';

-- In force from starts_at until before ends_at; one of a resource is open, and none overlap, since
-- each ends where the next starts (resource_assign_plan). Charges fall on active time alone.
create table plan_assignments (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    number integer not null check (number > 0),
    plan_id text collate "C" not null,
    plan_version integer not null,
    starts_at timestamptz not null,
    ends_at timestamptz check (ends_at >= starts_at),
    primary key (tenant_id, resource_id, number),
    unique (tenant_id, resource_id, starts_at),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    foreign key (plan_id, plan_version) references plan_versions (plan_id, number)
);
comment on table plan_assignments is 'domain: resources; which version of a plan a resource is on, from when to when';
create unique index plan_assignments_open on plan_assignments (tenant_id, resource_id) where ends_at is null;
create index plan_assignments_plan on plan_assignments (plan_id, plan_version);

create table resource_quantities (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    number integer not null check (number > 0),
    quantity exact not null check (quantity > 0),
    starts_at timestamptz not null,
    ends_at timestamptz check (ends_at >= starts_at),
    primary key (tenant_id, resource_id, number),
    unique (tenant_id, resource_id, starts_at),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table resource_quantities is
    'domain: resources; how much is rented, from when to when: seats of software, 1 of a line or terminal';
create unique index resource_quantities_open on resource_quantities (tenant_id, resource_id)
    where ends_at is null;

-- ---- The part of each kind ----

create table broadband_lines (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    login text collate "C" not null check (login ~ '^[A-Za-z0-9._-]{1,64}@[a-z0-9_-]{1,64}$'),
    access_technology text collate "C" not null
        check (access_technology in ('gpon', 'ethernet', 'vdsl2', 'docsis', 'wireless')),
    committed_downstream_kbit bigint not null check (committed_downstream_kbit >= 0),
    maximum_downstream_kbit bigint not null check (maximum_downstream_kbit > 0),
    committed_upstream_kbit bigint not null check (committed_upstream_kbit >= 0),
    maximum_upstream_kbit bigint not null check (maximum_upstream_kbit > 0),
    static_address inet,
    secret bytea, -- the password, sealed
    released_at timestamptz, -- the resource has ended; login and address are free again
    primary key (tenant_id, resource_id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    constraint broadband_lines_committed_downstream check (committed_downstream_kbit <= maximum_downstream_kbit),
    constraint broadband_lines_committed_upstream check (committed_upstream_kbit <= maximum_upstream_kbit),
    constraint broadband_lines_static_address check (family(static_address) = 4 and masklen(static_address) = 32)
);
comment on table broadband_lines is 'domain: resources; the broadband part of a resource';
create unique index broadband_lines_login on broadband_lines (login) where released_at is null;
create index broadband_lines_login_past on broadband_lines (login, released_at);
create unique index broadband_lines_address on broadband_lines (static_address) where released_at is null;

create table terminal_resources (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    model text not null default '' check (length(model) <= 100), -- wished for; which one it got, terminals says
    primary key (tenant_id, resource_id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table terminal_resources is 'domain: resources; the terminal part of a resource';

create table software_seats (
    id text collate "C" not null unique check (id like 'sea\_%'),
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    person text not null check (length(person) between 1 and 200),
    email text collate "C" not null check (length(email) <= 254),
    assigned_at timestamptz not null default clock_timestamp(),
    released_at timestamptz check (released_at >= assigned_at),
    version bigint not null default 1,
    primary key (tenant_id, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table software_seats is 'domain: software; who has which seat of a subscription, from when to when';
create unique index software_seats_person on software_seats (tenant_id, resource_id, email)
    where released_at is null;

-- ---- Who may ----

do $$
declare
    name text;
begin
    foreach name in array array['resources',
                                'resource_transitions',
                                'resource_holds',
                                'plan_assignments',
                                'resource_quantities',
                                'broadband_lines',
                                'terminal_resources',
                                'software_seats'] loop
        call protect_tenant_table(name::regclass);
        execute format('grant select on %I to bccd_tenant, bccd_operator, bccd_jobs', name);
        execute format('grant insert on %I to bccd_operator', name);
    end loop;
end
$$;
grant insert on resources, resource_transitions, resource_holds, plan_assignments,
    resource_quantities, broadband_lines, terminal_resources, software_seats to bccd_tenant;
grant update on resources, plan_assignments, resource_quantities, broadband_lines, software_seats
    to bccd_tenant, bccd_operator;
grant delete on resource_holds, plan_assignments, resource_quantities to bccd_tenant, bccd_operator;
-- Jobs raise and lift billing holds.
grant insert on resource_transitions, resource_holds to bccd_jobs;
grant update on resources to bccd_jobs;
grant delete on resource_holds to bccd_jobs;

call audit_table('resources');
call audit_table('resource_holds');
call audit_table('plan_assignments');
call audit_table('resource_quantities');
call audit_table('broadband_lines', 'secret');
call audit_table('terminal_resources');
call audit_table('software_seats');
