-- Usage in: meters, events (each counted once), and roll-ups of quarter hours.
set local role bccd_owner;

create table meters (
    id text collate "C" primary key check (id like 'mtr\_%'),
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text not null check (length(name) between 1 and 200),
    name_en text not null default '' check (length(name_en) <= 200),
    -- events: from POST /v1/events; broadband: traffic from RADIUS accounting; derived: from the history
    -- of a resource's states, and from nothing else.
    source text collate "C" not null check (source in ('events', 'broadband', 'derived')),
    event_type text collate "C" check (length(event_type) <= 200),
    aggregation text collate "C" not null check (aggregation in ('sum', 'count', 'max', 'latest', 'days')),
    value_property text collate "C" check (length(value_property) <= 100),
    unit text not null check (length(unit) between 1 and 60),
    resource_kind resource_kind, -- of derived: whose days
    created_at timestamptz not null default now(),
    check ((source = 'events') = (event_type is not null)),
    check ((source = 'derived') = (aggregation = 'days')),
    check ((source = 'derived') = (resource_kind is not null)),
    check (source <> 'events' or (aggregation = 'count') = (value_property is null)),
    -- of broadband: which direction
    check (source <> 'broadband' or value_property in ('input_bytes', 'output_bytes', 'total_bytes'))
);
comment on table meters is 'domain: metering; what is measured and how it is added up';
create index meters_event_type on meters (event_type);
grant select on meters to bccd_tenant, bccd_jobs;
grant select, insert on meters to bccd_operator;

insert into meters (id, code, name, name_en, source, aggregation, value_property, unit, resource_kind) values
    ('mtr_01k8x7g0v0e2v9m3b1q4t5y601', 'seat-days', '席位日', 'Seat days', 'derived', 'days', null, 'Seat-Days', 'software'),
    ('mtr_01k8x7g0v0e2v9m3b1q4t5y602', 'line-days', '线路日', 'Line days', 'derived', 'days', null, 'Line-Days', 'broadband'),
    ('mtr_01k8x7g0v0e2v9m3b1q4t5y603', 'terminal-days', '终端日', 'Terminal days', 'derived', 'days', null, 'Terminal-Days', 'terminal'),
    ('mtr_01k8x7g0v0e2v9m3b1q4t5y604', 'broadband-bytes', '宽带流量', 'Broadband traffic', 'broadband', 'sum', 'total_bytes', 'Bytes', null);

-- After the platform's own rows, which no role but these may write.
call protect_platform_table('meters');
create policy tenant on meters to bccd_tenant using (true);
call audit_table('meters');

-- An event is its key (tenant, source, id), claimed by the insert that stores it. number is the order of
-- receipt, in which events are listed.
create table events (
    tenant_id text collate "C" not null,
    source text collate "C" not null check (length(source) between 1 and 512),
    id text collate "C" not null check (length(id) between 1 and 256),
    number bigint generated always as identity,
    digest bytea not null check (length(digest) = 32), -- SHA-256 of type, subject, time and data
    type text collate "C" not null,
    subject text collate "C" not null, -- as it was sent: the resource's id or external id
    resource_id text collate "C" not null,
    time timestamptz not null,
    period text collate "C" not null, -- the month that it counts in: its own, or the next open one
    data jsonb not null,
    received_at timestamptz not null default now(),
    primary key (tenant_id, source, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table events is 'domain: metering; usage events as they came, each key once';
create index events_of_resource on events (tenant_id, resource_id, type, time);
create index events_received on events (tenant_id, number);
create index events_number on events (number);
grant select, insert on events to bccd_tenant, bccd_operator;
grant select on events to bccd_jobs;
call protect_tenant_table('events');

-- Roll-ups: deltas are appended with the events and folded into slots by a job; usage is both together, read
-- in one snapshot. slot is the quarter hour of the event; period the month that it counts in.
create table usage_deltas (
    tenant_id text collate "C" not null,
    meter_id text collate "C" not null references meters,
    resource_id text collate "C" not null,
    slot timestamptz not null,
    period text collate "C" not null,
    total exact not null,
    count bigint not null,
    maximum exact not null,
    latest_at timestamptz not null,
    latest exact not null, -- of several at that instant the greatest
    number bigint generated always as identity,
    primary key (tenant_id, number)
);
comment on table usage_deltas is 'domain: metering; roll-ups not folded yet';
create table usage_slots (
    tenant_id text collate "C" not null,
    meter_id text collate "C" not null references meters,
    resource_id text collate "C" not null,
    slot timestamptz not null,
    period text collate "C" not null,
    total exact not null,
    count bigint not null,
    maximum exact not null,
    latest_at timestamptz not null,
    latest exact not null,
    -- In this order, so that a query reads the windows it shows and no others.
    primary key (tenant_id, meter_id, slot, resource_id, period)
);
comment on table usage_slots is 'domain: metering; usage by quarter hour';
create index usage_slots_period on usage_slots (tenant_id, period);
grant select, insert on usage_deltas to bccd_tenant, bccd_operator;
grant select, insert, update, delete on usage_deltas to bccd_jobs; -- update: to lock what it folds
grant select on usage_slots to bccd_tenant, bccd_operator;
grant select, insert, update on usage_slots to bccd_jobs;
call protect_tenant_table('usage_deltas');
call protect_tenant_table('usage_slots');

-- Folded and unfolded, each once in any snapshot; a slot may have several rows.
create view usage_all with (security_invoker) as
select tenant_id, meter_id, resource_id, slot, period, total, count, maximum, latest_at, latest
from usage_slots
union all
select tenant_id, meter_id, resource_id, slot, period, total, count, maximum, latest_at, latest
from usage_deltas;
grant select on usage_all to bccd_tenant, bccd_operator, bccd_jobs;

-- ---- Months: who writes usage into one, and who closes it ----

create function lock_period_shared(zone_period text) returns void
    language sql volatile
    begin atomic
        select pg_advisory_xact_lock_shared(hashtextextended('period ' || zone_period, 20261102));
    end;
create function lock_period_exclusive(zone_period text) returns void
    language sql volatile
    begin atomic
        select pg_advisory_xact_lock(hashtextextended('period ' || zone_period, 20261102));
    end;

-- Holds open every month in which usage of that time can come to count (counting_period): from its own to the
-- one after the present. What counts is decided by a later statement, which sees what a close committed while
-- this one waited. In ascending order, so that two cannot wait for each other.
-- A close holds its months for as long as it prices them; who waits for longer than this is told to come again.
create function lock_usage_periods(first timestamptz, last timestamptz) returns void
    language plpgsql volatile
    set lock_timeout = '5s'
as $$
declare
    zone text;
    month timestamp;
    final timestamp;
begin
    select p.time_zone into strict zone from platform p;
    month := date_trunc('month', first at time zone zone);
    final := date_trunc('month', greatest(last, now()) at time zone zone) + interval '1 month';
    while month <= final loop
        perform lock_period_shared(to_char(month, 'YYYY-MM'));
        month := month + interval '1 month';
    end loop;
end
$$;

create function usage_slot(at timestamptz) returns timestamptz
    language sql immutable strict parallel safe
    return date_bin(interval '15 minutes', at, timestamptz '1970-01-01 00:00:00+00');

-- ---- Traffic of broadband lines becomes usage ----

create function meter_traffic() returns trigger
    language plpgsql
as $$
declare
    first timestamptz;
    last timestamptz;
begin
    select min(a.at), max(a.at) into first, last from added a;
    if first is null then
        return null;
    end if;
    perform lock_usage_periods(first, last);
    insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, total, count, maximum,
                              latest_at, latest)
    select a.tenant_id, m.id, a.resource_id, usage_slot(a.at), counting_period(a.tenant_id, a.at), v.bytes, 1, v.bytes,
           a.at, v.bytes
    from added a
    cross join meters m
    cross join lateral (select case m.value_property when 'input_bytes' then a.input_bytes
                                                     when 'output_bytes' then a.output_bytes
                                                     else a.input_bytes + a.output_bytes end as bytes) v
    where m.source = 'broadband' and v.bytes > 0;
    return null;
end
$$;
create trigger metering after insert on radius_traffic
    referencing new table as added for each statement execute function meter_traffic();

-- ---- Windows of time, in any zone ----

-- What a quarter hour falls into: a local hour, day or month. An hour that comes twice when clocks go back is
-- two, since hours are told apart in UTC.
create function usage_window_key(slot timestamptz, span text, zone text) returns timestamp
    language sql stable strict parallel safe
    return case span when 'hour' then date_trunc('hour', slot, zone) at time zone 'UTC'
                     else date_trunc(span, slot at time zone zone) end;

-- The first instant of a local day. Where midnight comes twice, PostgreSQL takes the second.
create function zone_day_start(day timestamp, zone text) returns timestamptz
    language sql stable strict parallel safe
    return (select case when ((i.at - interval '1 hour') at time zone zone)::date = day::date
                        then i.at - interval '1 hour' else i.at end
            from (select day at time zone zone as at) i);

-- The windows of [first, last), cut at both ends. Both are whole quarter hours. A day that a zone skipped is none.
create function usage_windows(first timestamptz, last timestamptz, span text, zone text)
    returns table (key timestamp, starts_at timestamptz, ends_at timestamptz)
    language sql stable strict
as $$
    select usage_window_key(q, span, zone), min(q), max(q) + interval '15 minutes'
    from generate_series(first, last - interval '15 minutes', interval '15 minutes') as q
    where span = 'hour'
    group by 1
    union all
    select w.key, greatest(w.starts_at, first), least(w.ends_at, last)
    from (select k as key, zone_day_start(k, zone) as starts_at,
                 zone_day_start(k + ('1 ' || span)::interval, zone) as ends_at
          from generate_series(date_trunc(span, first at time zone zone), last at time zone zone,
                               ('1 ' || span)::interval) as k
          where span <> 'hour') w
    where greatest(w.starts_at, first) < least(w.ends_at, last)
$$;
