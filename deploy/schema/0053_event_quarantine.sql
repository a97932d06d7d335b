-- Events that were not taken: those that are held until their cause is mended, and a note of those that were rejected.
set local role bccd_owner;

-- Held events, which count nowhere. A number is as that of an event: a batch's and a place.
create table held_events (
    tenant_id text collate "C" not null references tenants,
    number bigint not null,
    source text collate "C" not null,
    id text collate "C" not null,
    type text collate "C" not null,
    subject text collate "C" not null,
    time timestamptz not null,
    data json not null, -- in its canonical spelling
    reason text collate "C" not null,
    pointer text collate "C" not null,
    received_at timestamptz not null default now(),
    primary key (tenant_id, number),
    unique (tenant_id, source, id)
);
comment on table held_events is 'domain: metering; events in quarantine: of a subject or type that is not known yet';
create index held_events_number on held_events (number);
create index held_events_time on held_events (time);
call protect_tenant_table('held_events');
grant select, insert, delete on held_events to bccd_tenant, bccd_operator;
grant select, delete on held_events to bccd_jobs;

create table rejected_events (
    tenant_id text collate "C" not null references tenants,
    number bigint not null,
    source text collate "C",
    id text collate "C",
    type text collate "C",
    subject text collate "C",
    reason text collate "C" not null,
    pointer text collate "C" not null,
    received_at timestamptz not null default now(),
    primary key (tenant_id, number)
);
comment on table rejected_events is 'domain: metering; a note of events that were rejected, for a week';
create index rejected_events_number on rejected_events (number);
create index rejected_events_received on rejected_events (received_at);
call protect_tenant_table('rejected_events');
grant select, insert, delete on rejected_events to bccd_tenant, bccd_operator;
grant select, delete on rejected_events to bccd_jobs;
