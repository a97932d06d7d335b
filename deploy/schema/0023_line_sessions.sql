-- How the open sessions of a line are ended, and that they have.
set local role bccd_owner;

-- ---- Ending sessions ----

-- A session has ended when its Stop is there, whatever the server answered; until then it is told again.
alter table radius_sessions
    add disconnect_requested_at timestamptz, -- last
    add disconnect_attempts integer not null default 0;
create index radius_sessions_ending on radius_sessions (disconnect_requested_at)
    where stopped_at is null and disconnect_requested_at is not null;
create index radius_sessions_open_line on radius_sessions (tenant_id, resource_id) where stopped_at is null;

create policy lookup on radius_servers for select to bccd_lookup using (true);
create policy lookup on radius_sessions to bccd_lookup using (true);
create policy lookup on broadband_lines for select to bccd_lookup using (true);
create policy lookup on courier_messages for insert to bccd_lookup with check (true);
grant select on radius_servers, radius_sessions, broadband_lines to bccd_lookup;
grant update (disconnect_requested_at, disconnect_attempts) on radius_sessions to bccd_lookup, bccd_jobs;
grant insert on courier_messages to bccd_lookup;

-- The courier's order (courier.h) for one session. A server may name itself more fully in one packet than
-- in another; where the one that counted the session has no secret, what is the same server by name is asked.
create function order_disconnect() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into courier_messages (tenant_id, kind, payload)
    select new.tenant_id, 'radius_disconnect', jsonb_build_object(
        'nas_address', coalesce(host(n.coa_address), n.address), 'nas_port', n.coa_port::text,
        'secret', encode(n.coa_secret, 'hex'), 'secret_place', '/radius_servers/coa_secret/' || n.id,
        'user_name', l.login, 'session_id', new.session_id)
    from radius_servers s
    join radius_servers n
      on n.address <> '' and n.address = s.address and (n.identifier = s.identifier or '' in (n.identifier, s.identifier))
      or n.identifier <> '' and n.identifier = s.identifier and (n.address = s.address or '' in (n.address, s.address))
    join broadband_lines l on l.tenant_id = new.tenant_id and l.resource_id = new.resource_id
    where s.number = new.server and n.coa_secret is not null and (n.coa_address is not null or n.address <> '')
    order by n.number <> s.number, n.number limit 1;
    return null;
end
$$;
alter function order_disconnect owner to bccd_lookup;
create trigger disconnect after update of disconnect_requested_at on radius_sessions
    for each row when (new.disconnect_requested_at is not null and new.stopped_at is null)
    execute function order_disconnect();

-- Tells the open sessions of a line to end: once a transaction, for whatever reasons.
create function end_line_sessions(of_tenant text, of_resource text) returns void
    language sql
as $$
    update radius_sessions s set disconnect_requested_at = now(), disconnect_attempts = 1
    where s.tenant_id = of_tenant and s.resource_id = of_resource and s.stopped_at is null
      and s.disconnect_requested_at is distinct from now()
$$;

-- Of a resource that is active no more, of a line that was moved, had an address taken away, or came on
-- another tier. The trigger's arguments name the columns of tenant and resource.
create function end_sessions_of_line() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    changed jsonb := to_jsonb(new);
begin
    perform end_line_sessions(changed ->> tg_argv[0], changed ->> tg_argv[1]);
    return null;
end
$$;
alter function end_sessions_of_line owner to bccd_lookup;
create trigger sessions after update of state on resources
    for each row when (new.kind = 'broadband' and old.state = 'active' and new.state <> 'active')
    execute function end_sessions_of_line('tenant_id', 'id');
create trigger sessions after update of access_point_id on broadband_lines
    for each row when (old.access_point_id is distinct from new.access_point_id)
    execute function end_sessions_of_line('tenant_id', 'resource_id');
create trigger sessions after update of ended_at on address_assignments
    for each row when (old.ended_at is null and new.ended_at is not null)
    execute function end_sessions_of_line('tenant_id', 'resource_id');
create trigger sessions_at_once after insert on line_tiers
    for each row when (new.applied_at is not null)
    execute function end_sessions_of_line('tenant_id', 'resource_id');
create trigger sessions_when_due after update of applied_at on line_tiers
    for each row when (old.applied_at is null and new.applied_at is not null)
    execute function end_sessions_of_line('tenant_id', 'resource_id');

-- A session that began while its line ended, or that the server kept, is told to end when it is next heard of.
create function radius_end_unwanted(of_tenant text, of_resource text) returns void
    language sql
as $$
    update radius_sessions s set disconnect_requested_at = now(), disconnect_attempts = 1
    where s.tenant_id = of_tenant and s.resource_id = of_resource and s.stopped_at is null
      and s.disconnect_requested_at is null
      and exists (select from resources r
                  where r.tenant_id = of_tenant and r.id = of_resource and r.state <> 'active')
$$;

create or replace function radius_account(packet jsonb) returns text
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
            perform radius_end_unwanted(line.tenant_id, line.resource_id);
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
