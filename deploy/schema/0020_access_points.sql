-- Broadband beyond accounting: where lines end, which servers serve them, which addresses there are and
-- who had which, the tiers that lines are on, and how open sessions are ended.
--
-- Locks are taken in this order: the resource, its line, access points by id, addresses, sessions. What must happen
-- whoever ends or changes a line hangs on triggers, so that no operation can forget it; those that reach
-- tables of the operator run as bccd_lookup, since tenants end their lines, too.
set local role bccd_owner;

-- ---- Network access servers ----

-- Packets make them known; the operator names them and says where they are told to end a session.
alter table radius_servers
    add id text collate "C" not null unique default make_identifier('nas') check (id like 'nas\_%'),
    add name text not null default '' check (length(name) <= 200),
    add coa_address inet, -- null: the address that packets name
    add coa_port integer not null default 3799 check (coa_port between 1 and 65535), -- RFC 5176
    add coa_secret bytea, -- sealed; null: it is told nothing
    add version bigint not null default 1,
    add created_at timestamptz not null default now(),
    add updated_at timestamptz not null default now(),
    add constraint radius_servers_coa_address check (masklen(coa_address) = case family(coa_address) when 4 then 32 else 128 end),
    add constraint radius_servers_named check (address <> '' or identifier <> '');

-- That a server rebooted is no change to be kept.
create trigger audit after insert or delete or update of name, coa_address, coa_port, coa_secret on radius_servers
    for each row execute function audit_row('coa_secret');

-- Apart, since each packet holds a share of its server's row.
create table radius_sightings (
    server bigint primary key references radius_servers,
    seen_at timestamptz not null
);
comment on table radius_sightings is 'domain: broadband; when a network access server was last heard of, to the minute';
call protect_platform_table('radius_sightings');
create policy park on radius_sightings as restrictive to bccd_operator using (setting('park') is null);
grant select, insert, update on radius_sightings to bccd_operator;
grant select on radius_sightings to bccd_jobs;

create function server_document(s radius_servers) returns json
    language sql stable
as $$
    select json_build_object(
        'id', s.id, 'name', s.name, 'address', nullif(s.address, ''), 'identifier', nullif(s.identifier, ''),
        'coa_address', host(s.coa_address), 'coa_port', s.coa_port, 'has_coa_secret', s.coa_secret is not null,
        'last_seen_at', (select instant_text(g.seen_at) from radius_sightings g where g.server = s.number),
        'created_at', instant_text(s.created_at), 'updated_at', instant_text(s.updated_at))
$$;

create or replace function radius_server(p radius_packet, out number bigint, out boot integer, out boot_at timestamptz)
    language plpgsql
as $$
declare
    this bigint;
begin
    for attempt in 1..2 loop
        select s.number, s.boot, s.boot_at into number, boot, boot_at
        from radius_servers s where s.address = p.address and s.identifier = p.identifier for share;
        exit when found;
        insert into radius_servers (address, identifier) values (p.address, p.identifier) on conflict do nothing;
    end loop;
    this := number;
    update radius_sightings g set seen_at = clock_timestamp()
    where g.server = this and g.seen_at < clock_timestamp() - interval '1 minute';
    if not found then
        insert into radius_sightings (server, seen_at) values (this, clock_timestamp()) on conflict do nothing;
    end if;
end
$$;

-- ---- Access points ----

create table access_points (
    id text collate "C" primary key check (id like 'acp\_%'),
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text not null check (length(name) between 1 and 200),
    name_en text not null default '' check (length(name_en) <= 200),
    address text not null default '' check (length(address) <= 500),
    park_id text collate "C" references parks,
    access_technology text collate "C" not null
        check (access_technology in ('gpon', 'ethernet', 'vdsl2', 'docsis', 'wireless')),
    capacity integer not null check (capacity between 1 and 100000),
    lines integer not null default 0, -- that have a place, kept by keep_line_place
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    network_access_server_id text collate "C" references radius_servers (id),
    metadata metadata not null default '{}',
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint access_points_lines check (lines between 0 and capacity)
);
comment on table access_points is 'domain: broadband; where lines end, and how many of them can';
create index access_points_park on access_points (park_id, id);
create index access_points_server on access_points (network_access_server_id);
call protect_platform_table('access_points');
-- A tenant may name one of its park, or of no park; a park's manager sees the same.
create policy tenant on access_points for select to bccd_tenant
    using (park_id is null or park_id = (select t.park_id from tenants t where t.id = setting('tenant')));
create policy park on access_points as restrictive to bccd_operator
    using ((select setting('park')) is null or park_id is null or park_id = (select setting('park')));
create policy lookup on access_points to bccd_lookup using (true);
grant select on access_points to bccd_tenant, bccd_jobs;
grant select, insert, update on access_points to bccd_operator;
grant select, update (lines, version, updated_at) on access_points to bccd_lookup;
-- That a line came or went is told by the line.
create trigger audit
    after insert or delete
       or update of code, name, name_en, address, park_id, access_technology, capacity, state,
                    network_access_server_id, metadata on access_points
    for each row execute function audit_row();

create function access_point_document(a access_points) returns json
    language sql stable
as $$
    select json_build_object(
        'id', a.id, 'code', a.code, 'name', a.name, 'name_en', a.name_en, 'address', a.address, 'park_id', a.park_id,
        'access_technology', a.access_technology, 'capacity', a.capacity, 'lines', a.lines,
        'free', a.capacity - a.lines, 'state', a.state, 'network_access_server_id', a.network_access_server_id,
        'metadata', a.metadata, 'created_at', instant_text(a.created_at), 'updated_at', instant_text(a.updated_at))
$$;

alter table broadband_lines add access_point_id text collate "C" references access_points;
create index broadband_lines_access_point on broadband_lines (access_point_id) where released_at is null;

-- A line has a place at its access point until it is released. The counter and its row's lock hold the
-- capacity, however many come at once.
create function keep_line_place() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    left_point text := case when tg_op = 'UPDATE' and old.released_at is null then old.access_point_id end;
    new_point text := case when new.released_at is null then new.access_point_id end;
    full_point record;
begin
    if left_point is not distinct from new_point then
        return null;
    end if;
    -- In one order, so that two that change places do not wait for each other.
    perform from access_points a where a.id in (left_point, new_point) order by a.id for no key update;
    update access_points a
    set lines = a.lines - 1, version = a.version + 1, updated_at = clock_timestamp()
    where a.id = left_point;
    update access_points a
    set lines = a.lines + 1, version = a.version + 1, updated_at = clock_timestamp()
    where a.id = new_point and a.state = 'active' and a.lines < a.capacity;
    if new_point is not null and not found then
        select a.id, a.code, a.state, a.capacity into full_point from access_points a where a.id = new_point;
        if full_point.state <> 'active' then
            perform refuse('state_conflict', format('The access point %s is %s; it takes no more lines.',
                                                    full_point.code, full_point.state));
        end if;
        perform refuse('capacity_exhausted', format('The access point %s (%s) has no place left; all %s are taken.',
                                                    full_point.code, full_point.id, full_point.capacity));
    end if;
    return null;
end
$$;
alter function keep_line_place owner to bccd_lookup;
create trigger place after insert or update of access_point_id, released_at on broadband_lines
    for each row execute function keep_line_place();
