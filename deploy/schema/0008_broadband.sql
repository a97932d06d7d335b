-- Broadband: accounting as FreeRADIUS hands it on.
set local role bccd_owner;

create table radius_servers (
    number bigint generated always as identity primary key,
    address text collate "C" not null,    -- NAS-IP-Address or NAS-IPv6-Address, or ''
    identifier text collate "C" not null, -- NAS-Identifier, or ''
    boot integer not null default 1,      -- raised by each Accounting-On and Accounting-Off
    boot_at timestamptz not null default '-infinity',
    unique (address, identifier)
);
comment on table radius_servers is 'domain: broadband; network access servers and their boot sequence';

create table radius_sessions (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    number integer not null check (number > 0), -- of the line
    server bigint not null references radius_servers,
    boot integer not null,
    session_id text collate "C" not null,
    started_at timestamptz not null,
    last_at timestamptz not null, -- of the latest packet, by its own time
    stopped_at timestamptz,
    stop_cause text collate "C",
    input_bytes exact not null default 0,  -- from the customer; the highest counter seen
    output_bytes exact not null default 0, -- to the customer
    session_time bigint, -- seconds, as the server counts
    framed_address text collate "C",
    calling_station text,
    traffic_count integer not null default 0,
    primary key (tenant_id, resource_id, number),
    foreign key (tenant_id, resource_id) references broadband_lines (tenant_id, resource_id)
);
comment on table radius_sessions is 'domain: broadband; sessions of lines with their counters';
create index radius_sessions_key on radius_sessions (tenant_id, resource_id, server, session_id);
create index radius_sessions_open on radius_sessions (server) where stopped_at is null;

create table radius_traffic (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    session_number integer not null,
    sequence integer not null,
    at timestamptz not null, -- of the packet, by its own time
    recorded_at timestamptz not null default clock_timestamp(),
    input_bytes exact not null check (input_bytes >= 0),
    output_bytes exact not null check (output_bytes >= 0),
    primary key (tenant_id, resource_id, session_number, sequence),
    foreign key (tenant_id, resource_id, session_number)
        references radius_sessions (tenant_id, resource_id, number),
    check (input_bytes + output_bytes > 0)
);
comment on table radius_traffic is
    'domain: broadband; what each packet added to the counters of its session: each byte once';
create index radius_traffic_time on radius_traffic (tenant_id, resource_id, at);

create table radius_quarantine (
    number bigint generated always as identity primary key,
    reason text collate "C" not null,
    packet jsonb not null, -- what was read of it; no passwords, they are no part of accounting
    received_at timestamptz not null default clock_timestamp()
);
comment on table radius_quarantine is 'domain: broadband; accounting that belongs to no line, with the reason';

-- ---- Who may ----

call protect_tenant_table('radius_sessions');
call protect_tenant_table('radius_traffic');
grant select on radius_sessions, radius_traffic to bccd_tenant, bccd_operator, bccd_jobs;
grant insert on radius_sessions, radius_traffic to bccd_operator;

call protect_platform_table('radius_servers');
call protect_platform_table('radius_quarantine');
grant select on radius_servers, radius_quarantine to bccd_jobs;
grant select, insert on radius_servers, radius_quarantine to bccd_operator;
grant update on radius_sessions, radius_servers to bccd_operator;
grant delete on radius_quarantine to bccd_jobs;

-- A park's manager sees no accounting of others.
create policy park on radius_servers as restrictive to bccd_operator using (setting('park') is null);
create policy park on radius_quarantine as restrictive to bccd_operator using (setting('park') is null);

-- ---- RADIUS accounting: each byte once, whatever comes twice, late, or not at all ----

create type radius_packet as (
    status bigint, -- Acct-Status-Type: 1 Start, 2 Stop, 3 Interim-Update, 7 Accounting-On, 8 -Off
    login text, session_id text, address text, identifier text,
    at timestamptz, -- when it happened
    certain boolean, -- by the server's own clock
    input_bytes numeric, output_bytes numeric, session_time bigint,
    framed_address text, calling_station text, terminate_cause text
);

-- A packet as proto/radius.h reads it. It happened at its Event-Timestamp where that is likely, else
-- when it was received, less its delay; times come as seconds since 1970.
create function radius_packet_of(packet jsonb) returns radius_packet
    language plpgsql stable
as $$
declare
    received timestamptz := to_timestamp((packet ->> 'received_at')::bigint);
    happened timestamptz := to_timestamp((packet ->> 'event_at')::bigint);
    certain boolean;
begin
    if received is null or received not between now() - interval '400 days' and now() + interval '1 hour' then
        received := clock_timestamp();
    end if;
    certain := coalesce(happened between received - interval '400 days' and received + interval '1 hour', false);
    if not certain then
        happened := received - make_interval(secs => least(coalesce((packet ->> 'delay')::bigint, 0), 86400));
    end if;
    return row((packet ->> 'status')::bigint, packet ->> 'login', packet ->> 'session_id',
               coalesce(packet ->> 'address', ''), coalesce(packet ->> 'identifier', ''), happened, certain,
               coalesce((packet ->> 'input_bytes')::numeric, 0), coalesce((packet ->> 'output_bytes')::numeric, 0),
               (packet ->> 'session_time')::bigint, packet ->> 'framed_address', packet ->> 'calling_station',
               packet ->> 'terminate_cause')::radius_packet;
end
$$;

-- The server that a packet names, made known where it was not, and kept from rebooting meanwhile.
create function radius_server(p radius_packet, out number bigint, out boot integer, out boot_at timestamptz)
    language plpgsql
as $$
begin
    for attempt in 1..2 loop
        select s.number, s.boot, s.boot_at into number, boot, boot_at
        from radius_servers s where s.address = p.address and s.identifier = p.identifier for share;
        exit when found;
        insert into radius_servers (address, identifier) values (p.address, p.identifier) on conflict do nothing;
    end loop;
end
$$;

-- Accounting-On and -Off: the boot sequence rises, and what was open is closed at its last counter.
-- A server may name itself more fully in one packet than in another, so what one leaves out matches.
-- A repeated packet changes nothing; a late one leaves alone what began after it.
create function radius_reboot(p radius_packet) returns void
    language plpgsql
as $$
declare
    server record;
begin
    insert into radius_servers (address, identifier) values (p.address, p.identifier) on conflict do nothing;
    for server in
        select s.number, s.boot
        from radius_servers s
        where (p.address <> '' and s.address = p.address and (s.identifier = p.identifier or '' in (s.identifier, p.identifier))
               or p.identifier <> '' and s.identifier = p.identifier and '' in (s.address, p.address))
          and not (p.certain and p.at <= s.boot_at)
        order by s.number
        for update
    loop
        update radius_servers s set boot = s.boot + 1, boot_at = p.at where s.number = server.number;
        update radius_sessions s set stopped_at = p.at, stop_cause = 'reboot'
        where s.server = server.number and s.stopped_at is null and s.started_at < p.at;
        update radius_sessions s set boot = server.boot + 1
        where s.server = server.number and s.stopped_at is null;
    end loop;
end
$$;

-- Whether a packet begins a session, though there is one of the same line, server and
-- Acct-Session-Id, the nearest in time. When in doubt it does not: then nothing counts twice.
create function radius_begins(p radius_packet, s radius_sessions, boot integer, boot_at timestamptz) returns boolean
    language sql immutable
as $$
    select coalesce(case
        when s.number is null then true
        -- After a reboot, unless the session shows that it outlived it, or the packet was sent again.
        when s.boot < boot and p.at >= boot_at then
            p.status = 1 or p.input_bytes < s.input_bytes or p.output_bytes < s.output_bytes
            or not coalesce(p.at - make_interval(secs => p.session_time) < boot_at - interval '1 minute', false)
               and (p.certain or p.input_bytes <> s.input_bytes or p.output_bytes <> s.output_bytes)
        -- A Start: after the Stop the session id is used again; before it the Stop was lost.
        when p.status = 1 and s.stopped_at is not null then p.at >= s.stopped_at
        when p.status = 1 then p.certain and p.at > s.last_at and s.input_bytes + s.output_bytes > 0
        -- Others: the Start was lost, as a clock or counter that went back tells.
        else p.certain and p.at > greatest(s.last_at, s.stopped_at)
             and (p.session_time < s.session_time
                  or s.stopped_at is not null
                     and (p.input_bytes < s.input_bytes or p.output_bytes < s.output_bytes
                          or p.at - make_interval(secs => p.session_time) >= s.stopped_at))
        end, false)
$$;

-- Adds a session of a line; what was open under the same name is closed at its last counter.
create function radius_begin(p radius_packet, of_tenant text, of_resource text, on_server bigint, boot integer,
                             boot_at timestamptz)
    returns integer
    language plpgsql
as $$
declare
    late boolean := p.at < boot_at;
    new_number integer := (
        select coalesce(max(s.number), 0) + 1 from radius_sessions s
        where s.tenant_id = of_tenant and s.resource_id = of_resource);
begin
    update radius_sessions s set stopped_at = s.last_at, stop_cause = 'lost'
    where s.tenant_id = of_tenant and s.resource_id = of_resource and s.server = on_server
      and s.session_id = p.session_id and s.stopped_at is null;
    insert into radius_sessions (tenant_id, resource_id, number, server, boot, session_id, started_at, last_at,
                                 stopped_at, stop_cause)
    values (of_tenant, of_resource, new_number, on_server, case when late then boot - 1 else boot end, p.session_id,
            p.at - make_interval(secs => case when p.status = 1 then 0 else coalesce(p.session_time, 0) end), p.at,
            case when late then boot_at end, case when late then 'reboot' end);
    return new_number;
end
$$;

-- Raises the counters of a session to a packet's, and notes as traffic what they rose by.
create function radius_count(p radius_packet, of_tenant text, of_resource text, of_session integer) returns void
    language plpgsql
as $$
declare
    risen record;
begin
    select greatest(p.input_bytes - s.input_bytes, 0) as input_bytes,
           greatest(p.output_bytes - s.output_bytes, 0) as output_bytes,
           s.traffic_count + 1 as sequence into risen
    from radius_sessions s
    where s.tenant_id = of_tenant and s.resource_id = of_resource and s.number = of_session;
    update radius_sessions s
    set input_bytes = s.input_bytes + risen.input_bytes, output_bytes = s.output_bytes + risen.output_bytes,
        session_time = greatest(s.session_time, p.session_time), last_at = greatest(s.last_at, p.at),
        framed_address = coalesce(p.framed_address, s.framed_address),
        calling_station = coalesce(p.calling_station, s.calling_station),
        stopped_at = case when p.status = 2 then coalesce(s.stopped_at, greatest(p.at, s.started_at)) else s.stopped_at end,
        stop_cause = case when p.status = 2 and s.stopped_at is null then coalesce(p.terminate_cause, 'stop')
                          else s.stop_cause end,
        traffic_count = case when risen.input_bytes + risen.output_bytes > 0 then risen.sequence else s.traffic_count end
    where s.tenant_id = of_tenant and s.resource_id = of_resource and s.number = of_session;
    insert into radius_traffic (tenant_id, resource_id, session_number, sequence, at, input_bytes, output_bytes)
    select of_tenant, of_resource, of_session, risen.sequence, p.at, risen.input_bytes, risen.output_bytes
    where risen.input_bytes + risen.output_bytes > 0;
end
$$;

-- Counts a packet of a line. The lock on the line makes its packets follow each other.
create function radius_session(p radius_packet, of_tenant text, of_resource text) returns void
    language plpgsql
as $$
declare
    server record := radius_server(p);
    session radius_sessions := (
        select s from radius_sessions s
        where s.tenant_id = of_tenant and s.resource_id = of_resource
          and s.server = server.number and s.session_id = p.session_id
        order by s.started_at > p.at, abs(extract(epoch from p.at - s.started_at)), s.number desc limit 1);
    number integer := session.number;
begin
    if radius_begins(p, session, server.boot, server.boot_at) then
        number := radius_begin(p, of_tenant, of_resource, server.number, server.boot, server.boot_at);
    end if;
    perform radius_count(p, of_tenant, of_resource, number);
end
$$;

-- Takes one packet; says why it was put into quarantine, or null. What the data's own rules refuse
-- goes there too: an error would be sent again for ever, and hold up what comes behind it.
create function radius_account(packet jsonb) returns text
    language plpgsql
as $$
declare
    p radius_packet;
    line record;
    problem text;
begin
    p := radius_packet_of(packet);
    problem := case when p.address = '' and p.identifier = '' then 'server_unnamed'
                    when p.status not in (1, 2, 3, 7, 8) then 'status_unknown'
                    when p.status < 7 and coalesce(p.login, '') = '' then 'login_missing'
                    when p.status < 7 and coalesce(p.session_id, '') = '' then 'session_missing' end;
    if problem is null and p.status >= 7 then
        perform radius_reboot(p);
    elsif problem is null then
        select l.tenant_id, l.resource_id into line
        from broadband_lines l where l.login = p.login
        order by l.released_at is not null, l.released_at desc limit 1 for no key update;
        if found then
            perform radius_session(p, line.tenant_id, line.resource_id);
        else
            problem := 'login_unknown';
        end if;
    end if;
    if problem is not null then
        insert into radius_quarantine (reason, packet) values (problem, packet);
    end if;
    return problem;
exception
    when data_exception or integrity_constraint_violation or sqlstate 'BC422' then
        insert into radius_quarantine (reason, packet) values ('refused_' || lower(sqlstate), packet);
        return 'refused_' || lower(sqlstate);
end
$$;
