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

-- ---- The address plan ----

create table address_pools (
    id text collate "C" primary key check (id like 'apl\_%'),
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text not null check (length(name) between 1 and 200),
    family smallint not null check (family in (4, 6)),
    purpose text collate "C" not null check (purpose in ('static', 'dynamic')),
    quarantine_hours integer not null default 168 check (quarantine_hours between 0 and 8760),
    access_point_id text collate "C" references access_points, -- null: anywhere
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table address_pools is 'domain: broadband; addresses for one purpose, and where they can be used';
create index address_pools_access_point on address_pools (access_point_id);

create table address_prefixes (
    id text collate "C" primary key check (id like 'apx\_%'),
    pool_id text collate "C" not null references address_pools,
    prefix inet not null check (network(prefix) = prefix),
    delegated_length smallint, -- of what one line gets of an IPv6 prefix
    gateway inet,
    state text collate "C" not null default 'active' check (state in ('active', 'withdrawn')),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    withdrawn_at timestamptz,
    constraint address_prefixes_length check (
        case family(prefix) when 4 then delegated_length is null and masklen(prefix) between 16 and 32
             else delegated_length between masklen(prefix) and 64 and delegated_length - masklen(prefix) <= 16 end),
    constraint address_prefixes_gateway check (gateway <<= prefix),
    constraint address_prefixes_withdrawn check ((state = 'withdrawn') = (withdrawn_at is not null)),
    constraint address_prefixes_overlap exclude using gist (prefix inet_ops with &&) where (state = 'active')
);
comment on table address_prefixes is 'domain: broadband; what the plan consists of; no two overlap';
create index address_prefixes_pool on address_prefixes (pool_id, id);

-- One row an address, or a prefix that is delegated as a whole. Who has it is told by the line, too, and
-- over time by address_assignments.
create table addresses (
    address inet primary key,
    prefix_id text collate "C" not null references address_prefixes,
    pool_id text collate "C" not null references address_pools,
    state text collate "C" not null check (state in ('free', 'reserved', 'assigned', 'quarantined')),
    quarantined_until timestamptz,
    tenant_id text collate "C",
    resource_id text collate "C",
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    constraint addresses_quarantined check ((state = 'quarantined') = (quarantined_until is not null)),
    constraint addresses_assigned check ((state = 'assigned') = (resource_id is not null)
                                         and (tenant_id is null) = (resource_id is null))
);
comment on table addresses is 'domain: broadband; every address of the plan, and what has become of it';
create index addresses_free on addresses (pool_id, address) where state = 'free';
create index addresses_quarantined on addresses (pool_id, quarantined_until, address) where state = 'quarantined';
create index addresses_prefix on addresses (prefix_id, state);
create index addresses_resource on addresses (tenant_id, resource_id) where resource_id is not null;

create table address_assignments (
    id text collate "C" not null unique default make_identifier('adr') check (id like 'adr\_%'),
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    address inet not null,
    pool_id text collate "C" references address_pools, -- null: it lies outside of the plan
    assigned_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz check (ended_at >= assigned_at),
    version bigint not null default 1,
    primary key (tenant_id, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table address_assignments is 'domain: broadband; which line had which address, from when to when';
create unique index address_assignments_open on address_assignments (address) where ended_at is null;
create index address_assignments_resource on address_assignments (tenant_id, resource_id, id);
create index address_assignments_address on address_assignments using gist (address inet_ops);

call protect_platform_table('address_pools');
call protect_platform_table('address_prefixes');
call protect_tenant_table('addresses');
call protect_tenant_table('address_assignments');
create policy park on address_pools as restrictive to bccd_operator using ((select setting('park')) is null);
create policy park on address_prefixes as restrictive to bccd_operator using ((select setting('park')) is null);
create policy lookup on address_pools for select to bccd_lookup using (true);
create policy lookup on addresses to bccd_lookup using (true);
create policy lookup on address_assignments to bccd_lookup using (true);
grant select, insert, update on address_pools, address_prefixes, address_assignments to bccd_operator;
grant select, insert, update, delete on addresses to bccd_operator;
grant select on address_pools, address_prefixes, addresses, address_assignments to bccd_jobs;
grant select on addresses, address_assignments to bccd_tenant;
grant select on address_pools, addresses, address_assignments to bccd_lookup;
grant update on addresses, address_assignments to bccd_lookup;
call audit_table('address_pools');
call audit_table('address_prefixes');
call audit_table('address_assignments');

-- How many addresses a line has at most.
create function line_addresses_limit() returns integer
    language sql immutable
    return 16;

create function pool_document(p address_pools) returns json
    language sql stable
as $$
    select json_build_object(
        'id', p.id, 'code', p.code, 'name', p.name, 'family', p.family, 'purpose', p.purpose,
        'quarantine_hours', p.quarantine_hours, 'access_point_id', p.access_point_id, 'state', p.state,
        'created_at', instant_text(p.created_at), 'updated_at', instant_text(p.updated_at))
$$;

create function prefix_document(x address_prefixes) returns json
    language sql stable
as $$
    select json_build_object(
        'id', x.id, 'pool_id', x.pool_id, 'prefix', text(x.prefix), 'delegated_length', x.delegated_length,
        'gateway', host(x.gateway), 'state', x.state, 'created_at', instant_text(x.created_at),
        'withdrawn_at', instant_text(x.withdrawn_at))
$$;

-- An address as the API spells it: a delegated prefix with its length, a single address without.
create function address_text(address inet) returns text
    language sql immutable
    return case when masklen(address) = case family(address) when 4 then 32 else 128 end then host(address)
                else text(address) end;

create function assignment_document(a address_assignments) returns json
    language sql stable
as $$
    select json_build_object(
        'id', a.id, 'tenant_id', a.tenant_id, 'resource_id', a.resource_id, 'address', address_text(a.address),
        'pool_id', a.pool_id, 'assigned_at', instant_text(a.assigned_at), 'ended_at', instant_text(a.ended_at))
$$;

-- Held by whoever adds or withdraws prefixes, and shared by whoever names an address: whether it lies in
-- the plan must not change meanwhile.
create function lock_address_plan(alone boolean) returns void
    language plpgsql
as $$
declare
    place constant bigint := 20261127;
begin
    if alone then
        perform pg_advisory_xact_lock(place);
    else
        perform pg_advisory_xact_lock_shared(place);
    end if;
end
$$;

-- The addresses of a prefix, or what it is divided into. inet adds 63 bits at most, so a delegated prefix
-- is put together of the upper half of its bits.
create function addresses_of(prefix inet, delegated_length integer) returns setof inet
    language sql immutable
as $$
    select set_masklen(prefix, 32) + n
    from generate_series(0, (1::bigint << (32 - masklen(prefix))) - 1) n
    where family(prefix) = 4
    union all
    select (regexp_replace(lpad(to_hex(p.upper_half | (n << (64 - delegated_length))), 16, '0'),
                           '(....)(....)(....)(....)', '\1:\2:\3:\4::/') || delegated_length)::inet
    from (select ('x' || substr(encode(inet_send(prefix), 'hex'), 9, 16))::bit(64)::bigint as upper_half) p,
         generate_series(0, (1::bigint << (delegated_length - masklen(prefix))) - 1) n
    where family(prefix) = 6
$$;

-- Network and broadcast address, where a prefix has them, and the gateway.
create function address_is_reserved(address inet, prefix inet, gateway inet) returns boolean
    language sql immutable
    return coalesce(gateway <<= address, false)
           or (family(prefix) = 4 and masklen(prefix) < 31
               and host(address) in (host(prefix), host(broadcast(prefix))));

create function check_prefix(pool address_pools, prefix inet, length integer, gateway inet) returns void
    language plpgsql
as $$
begin
    if pool.state <> 'active' then
        perform refuse('state_conflict', 'The pool is retired; it takes no more prefixes.');
    elsif family(prefix) <> pool.family then
        perform refuse('value_refused', format('The pool is for IPv%s.', pool.family));
    elsif network(prefix) <> prefix then
        perform refuse('value_refused', 'prefix must be a network: all bits behind its length are 0.');
    elsif pool.family = 4 and (length is not null or masklen(prefix) < 16) then
        perform refuse('value_refused', 'An IPv4 prefix is /16 to /32, without delegated_length.');
    elsif pool.family = 6 and (length is null or length not between masklen(prefix) and 64 or length - masklen(prefix) > 16) then
        perform refuse('value_refused', 'An IPv6 prefix needs delegated_length: at most 64, and at most 16 more than its own length.');
    elsif gateway is not null and not gateway <<= prefix then
        perform refuse('value_refused', 'gateway must lie in the prefix.');
    end if;
end
$$;

-- Adds a prefix with all its addresses; no row when there is no such pool. What lines have of it already
-- stays theirs.
create function prefix_add(new_id text, of_pool text, body jsonb) returns table (document json, version bigint)
    language plpgsql
as $$
declare
    pool address_pools;
    added inet := (body ->> 'prefix')::inet;
    length integer := (body ->> 'delegated_length')::integer;
    named_gateway inet := (body ->> 'gateway')::inet;
begin
    select p.* into pool from address_pools p where p.id = of_pool for share;
    if not found then
        return;
    end if;
    perform check_prefix(pool, added, length, named_gateway);
    perform lock_address_plan(true);
    insert into address_prefixes (id, pool_id, prefix, delegated_length, gateway)
    values (new_id, of_pool, added, length, named_gateway);
    insert into addresses (address, prefix_id, pool_id, state, tenant_id, resource_id)
    select d.address, new_id, of_pool,
           case when a.id is not null then 'assigned'
                when address_is_reserved(d.address, added, named_gateway) then 'reserved' else 'free' end,
           a.tenant_id, a.resource_id
    from addresses_of(added, length) as d(address)
    left join address_assignments a on a.address = d.address and a.ended_at is null;
    update address_assignments a set pool_id = of_pool, version = a.version + 1
    from addresses d where d.prefix_id = new_id and d.state = 'assigned' and a.address = d.address and a.ended_at is null;
    return query select prefix_document(x), x.version from address_prefixes x where x.id = new_id;
end
$$;

-- Takes a prefix out of the plan; no row when there is none. Whoever takes an address of it meanwhile is
-- waited for.
create function prefix_withdraw(of_pool text, of_prefix text, seen_version bigint)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target record;
begin
    perform lock_address_plan(true);
    select x.state, x.version into target from address_prefixes x where x.id = of_prefix and x.pool_id = of_pool for update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    elsif target.state <> 'active' then
        perform refuse('state_conflict', 'The prefix is withdrawn already.');
    end if;
    delete from addresses d where d.prefix_id = of_prefix and d.state <> 'assigned';
    if exists (select from addresses d where d.prefix_id = of_prefix) then
        perform refuse('state_conflict', 'Addresses of the prefix are assigned; give them back first.');
    end if;
    update address_prefixes x set state = 'withdrawn', withdrawn_at = clock_timestamp(), version = x.version + 1
    where x.id = of_prefix;
    return query select prefix_document(x), x.version from address_prefixes x where x.id = of_prefix;
end
$$;

-- The lowest free address of a pool, locked, else the one that has rested longest and long enough; null
-- when none is left. Those that others are taking are passed by; when there are no more they are waited
-- for, since who takes one may yet let go of it.
create function next_address(of_pool text) returns inet
    language plpgsql
as $$
declare
    chosen inet;
begin
    select d.address into chosen from addresses d
    where d.pool_id = of_pool and d.state = 'free'
    order by d.address limit 1 for update skip locked;
    if chosen is null then
        select d.address into chosen from addresses d
        where d.pool_id = of_pool and d.state = 'quarantined' and d.quarantined_until <= clock_timestamp()
        order by d.quarantined_until, d.address limit 1 for update skip locked;
    end if;
    if chosen is null then
        select d.address into chosen from addresses d
        where d.pool_id = of_pool
          and (d.state = 'free' or d.state = 'quarantined' and d.quarantined_until <= clock_timestamp())
        order by d.quarantined_until nulls first, d.address limit 1 for update;
    end if;
    return chosen;
end
$$;

-- Refuses an address of a pool that does not serve the line.
create function check_pool(of_pool text, of_tenant text, of_resource text) returns void
    language plpgsql
as $$
declare
    pool record;
    point text := (select l.access_point_id from broadband_lines l
                   where l.tenant_id = of_tenant and l.resource_id = of_resource);
begin
    select p.code, p.state, p.purpose, p.access_point_id into pool from address_pools p where p.id = of_pool for share;
    if pool.state <> 'active' or pool.purpose <> 'static' then
        perform refuse('address_unavailable', format('The pool %s is %s; it gives lines no addresses of their own.', pool.code,
                                                     case when pool.state <> 'active' then pool.state else pool.purpose end));
    elsif pool.access_point_id <> coalesce(point, '') then
        perform refuse('address_unavailable', format('The pool %s serves another access point than the line''s.', pool.code));
    end if;
end
$$;

-- Notes that a line has an address, which is locked or known to none.
create function note_address(of_tenant text, of_resource text, taken inet, of_pool text) returns text
    language plpgsql
as $$
declare
    assignment text := make_identifier('adr');
begin
    if (select count(*) from address_assignments a
        where a.tenant_id = of_tenant and a.resource_id = of_resource and a.ended_at is null) >= line_addresses_limit() then
        perform refuse('line_addresses_limit', null);
    end if;
    update addresses d
    set state = 'assigned', quarantined_until = null, tenant_id = of_tenant, resource_id = of_resource
    where d.address = taken;
    insert into address_assignments (id, tenant_id, resource_id, address, pool_id)
    values (assignment, of_tenant, of_resource, taken, of_pool);
    return assignment;
end
$$;

-- The next free address of a pool for a line, whose resource is locked. The assignment's id.
create function take_next_address(of_tenant text, of_resource text, of_pool text) returns text
    language plpgsql
as $$
declare
    taken inet;
begin
    if not exists (select from address_pools p where p.id = of_pool) then
        perform refuse('reference_unknown', 'pool_id must name an address pool.');
    end if;
    perform check_pool(of_pool, of_tenant, of_resource);
    taken := next_address(of_pool);
    if taken is null then
        perform refuse('addresses_exhausted', (
            select format('The pool %s (%s) has no free address left.', p.code, p.id)
            from address_pools p where p.id = of_pool));
    end if;
    return note_address(of_tenant, of_resource, taken, of_pool);
end
$$;

-- A certain address for a line, whose resource is locked. One in the plan must be free; any other is
-- taken as it is where that is allowed. The assignment's id.
create function take_this_address(of_tenant text, of_resource text, wanted inet, outside boolean) returns text
    language plpgsql
as $$
declare
    found_address record;
begin
    perform lock_address_plan(false);
    select d.pool_id, d.state, d.quarantined_until into found_address from addresses d where d.address = wanted for update;
    if not found then
        if exists (select from address_prefixes x where x.state = 'active' and x.prefix && wanted) then
            perform refuse('address_unavailable', format('%s is not what one line gets of its prefix.', address_text(wanted)));
        elsif not outside then
            perform refuse('reference_unknown', 'address must lie in a prefix of the address plan.');
        end if;
        return note_address(of_tenant, of_resource, wanted, null);
    end if;
    perform check_pool(found_address.pool_id, of_tenant, of_resource);
    if not (found_address.state = 'free'
            or found_address.state = 'quarantined' and found_address.quarantined_until <= clock_timestamp()) then
        perform refuse('address_unavailable', format('%s is %s.', address_text(wanted), found_address.state));
    end if;
    return note_address(of_tenant, of_resource, wanted, found_address.pool_id);
end
$$;

-- Ends assignments of a line: those named, or all (null). What lies in the plan rests as long as its pool says.
create function give_back_addresses(of_tenant text, of_resource text, assignments text[]) returns void
    language sql
as $$
    with ended as (
        update address_assignments a set ended_at = clock_timestamp(), version = a.version + 1
        where a.tenant_id = of_tenant and a.resource_id = of_resource and a.ended_at is null
          and (assignments is null or a.id = any (assignments))
        returning a.address
    )
    update addresses d
    set state = 'quarantined', quarantined_until = clock_timestamp() + make_interval(hours => p.quarantine_hours),
        tenant_id = null, resource_id = null
    from ended e, address_pools p
    where d.address = e.address and p.id = d.pool_id
$$;

-- The same for a line that goes on, which then has none of them as its static address. It may name
-- another one next, and who withdraws a prefix waits for its addresses, so the plan is locked first.
create function drop_addresses(of_tenant text, of_resource text, assignments text[]) returns void
    language plpgsql
as $$
begin
    perform lock_address_plan(false);
    update broadband_lines l set static_address = null
    where l.tenant_id = of_tenant and l.resource_id = of_resource
      and l.static_address in (select a.address from address_assignments a
                               where a.tenant_id = of_tenant and a.resource_id = of_resource
                                 and a.ended_at is null and a.id = any (assignments));
    perform give_back_addresses(of_tenant, of_resource, assignments);
end
$$;

create function release_line_addresses() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform give_back_addresses(new.tenant_id, new.resource_id, null);
    return null;
end
$$;
alter function release_line_addresses owner to bccd_lookup;
-- Its name comes behind `place`, so that the access point is locked before addresses.
create trigger release_addresses after update of released_at on broadband_lines
    for each row when (old.released_at is null and new.released_at is not null)
    execute function release_line_addresses();

-- Gives a line another static address, or none; one that it has besides becomes it.
create function line_set_static_address(of_tenant text, of_resource text, wanted inet) returns void
    language plpgsql
as $$
declare
    before inet := (select l.static_address from broadband_lines l
                    where l.tenant_id = of_tenant and l.resource_id = of_resource);
begin
    if before is not distinct from wanted then
        return;
    end if;
    perform drop_addresses(of_tenant, of_resource, array(
        select a.id from address_assignments a
        where a.tenant_id = of_tenant and a.resource_id = of_resource and a.ended_at is null and a.address = before));
    if wanted is not null and not exists (
        select from address_assignments a
        where a.tenant_id = of_tenant and a.resource_id = of_resource and a.ended_at is null and a.address = wanted) then
        perform take_this_address(of_tenant, of_resource, wanted, true);
    end if;
    update broadband_lines l set static_address = wanted
    where l.tenant_id = of_tenant and l.resource_id = of_resource;
end
$$;

-- The line that the operator gives an address or takes one from, locked; no row when there is none.
create function lock_line(for_tenant text, of_resource text) returns table (tenant_id text, state text)
    language sql
as $$
    select r.tenant_id, r.state::text from resources r
    where r.id = of_resource and r.kind = 'broadband' and (for_tenant is null or r.tenant_id = for_tenant)
    for no key update
$$;

-- Its document changed though its state did not.
create function touch_resource(of_tenant text, of_resource text) returns void
    language sql
as $$
    update resources r set version = r.version + 1, updated_at = clock_timestamp()
    where r.tenant_id = of_tenant and r.id = of_resource
$$;

create function line_address_add(for_tenant text, of_resource text, body jsonb)
    returns table (document json, version bigint, location text)
    language plpgsql
as $$
declare
    line record;
    assignment text;
begin
    select l.tenant_id, l.state into line from lock_line(for_tenant, of_resource) l;
    if not found then
        return;
    elsif line.state in ('terminating', 'terminated', 'rejected') then
        perform refuse('state_conflict', format('The line is %s; it gets no addresses.', line.state));
    elsif (body ? 'pool_id') = (body ? 'address') then
        perform refuse('value_refused', 'Send either pool_id or address.');
    end if;
    assignment := case when body ? 'pool_id' then take_next_address(line.tenant_id, of_resource, body ->> 'pool_id')
                       else take_this_address(line.tenant_id, of_resource, (body ->> 'address')::inet, false) end;
    perform touch_resource(line.tenant_id, of_resource);
    return query select assignment_document(a), a.version, '/v1/resources/' || of_resource || '/addresses/' || a.id
                 from address_assignments a where a.tenant_id = line.tenant_id and a.id = assignment;
end
$$;

-- One given back before stays as it was.
create function line_address_drop(for_tenant text, of_resource text, of_assignment text, seen_version bigint)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    line record;
    target record;
begin
    select l.tenant_id into line from lock_line(for_tenant, of_resource) l;
    select a.version, a.ended_at into target from address_assignments a
    where a.tenant_id = line.tenant_id and a.resource_id = of_resource and a.id = of_assignment;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    elsif target.ended_at is null then
        perform drop_addresses(line.tenant_id, of_resource, array[of_assignment]);
        perform touch_resource(line.tenant_id, of_resource);
    end if;
    return query select assignment_document(a), a.version
                 from address_assignments a where a.tenant_id = line.tenant_id and a.id = of_assignment;
end
$$;

-- ---- Tiers ----

-- What lines get never changes under them: another rate is another tier.
create table broadband_tiers (
    id text collate "C" primary key check (id like 'tir\_%'),
    code text collate "C" not null unique check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    offering_id text collate "C" references offerings, -- null: any
    name text not null check (length(name) between 1 and 200),
    name_en text not null default '' check (length(name_en) <= 200),
    committed_downstream_kbit bigint not null check (committed_downstream_kbit >= 0),
    maximum_downstream_kbit bigint not null check (maximum_downstream_kbit > 0),
    committed_upstream_kbit bigint not null check (committed_upstream_kbit >= 0),
    maximum_upstream_kbit bigint not null check (maximum_upstream_kbit > 0),
    session_timeout integer check (session_timeout > 0), -- seconds
    idle_timeout integer check (idle_timeout > 0), -- seconds
    self_service boolean not null default false, -- a tenant may change to it
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint broadband_tiers_committed_downstream check (committed_downstream_kbit <= maximum_downstream_kbit),
    constraint broadband_tiers_committed_upstream check (committed_upstream_kbit <= maximum_upstream_kbit)
);
comment on table broadband_tiers is 'domain: broadband; rates and timeouts that lines share; immutable but for the names';
create index broadband_tiers_offering on broadband_tiers (offering_id, id);
call protect_platform_table('broadband_tiers');
create policy tenant on broadband_tiers for select to bccd_tenant using (true);
grant select on broadband_tiers to bccd_tenant, bccd_jobs;
grant select, insert, update on broadband_tiers to bccd_operator;
call audit_table('broadband_tiers');

create function tier_document(t broadband_tiers) returns json
    language sql stable
as $$
    select json_build_object(
        'id', t.id, 'code', t.code, 'offering_id', t.offering_id, 'name', t.name, 'name_en', t.name_en,
        'committed_downstream_kbit', t.committed_downstream_kbit, 'maximum_downstream_kbit', t.maximum_downstream_kbit,
        'committed_upstream_kbit', t.committed_upstream_kbit, 'maximum_upstream_kbit', t.maximum_upstream_kbit,
        'session_timeout', t.session_timeout, 'idle_timeout', t.idle_timeout, 'self_service', t.self_service,
        'state', t.state, 'created_at', instant_text(t.created_at), 'updated_at', instant_text(t.updated_at))
$$;

-- In force from starts_at until before ends_at, as plan_assignments are.
create table line_tiers (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    number integer not null check (number > 0),
    tier_id text collate "C" not null references broadband_tiers,
    starts_at timestamptz not null,
    ends_at timestamptz check (ends_at >= starts_at),
    applied_at timestamptz, -- sessions that were open when it began have been told to end
    primary key (tenant_id, resource_id, number),
    unique (tenant_id, resource_id, starts_at),
    foreign key (tenant_id, resource_id) references broadband_lines (tenant_id, resource_id)
);
comment on table line_tiers is 'domain: broadband; which tier a line is on, from when to when';
create unique index line_tiers_open on line_tiers (tenant_id, resource_id) where ends_at is null;
create index line_tiers_due on line_tiers (starts_at) where applied_at is null;
create index line_tiers_tier on line_tiers (tier_id);
call protect_tenant_table('line_tiers');
grant select, insert, update, delete on line_tiers to bccd_tenant, bccd_operator;
grant select, update (applied_at) on line_tiers to bccd_jobs;
create trigger audit
    after insert or delete or update of tier_id, starts_at, ends_at on line_tiers
    for each row execute function audit_row();

-- The tier of an offering that a line may be put on.
create function usable_tier(of_tier text, of_offering text) returns broadband_tiers
    language plpgsql
as $$
declare
    tier broadband_tiers;
begin
    select t.* into tier from broadband_tiers t
    where t.id = of_tier and t.state = 'active' and (t.offering_id is null or t.offering_id = of_offering);
    if not found then
        perform refuse('reference_unknown', 'tier_id must name an active tier of this offering.');
    end if;
    return tier;
end
$$;

-- From `at` on, in the place of whatever was to be in force then.
create function line_assign_tier(of_tenant text, of_resource text, to_tier text, at timestamptz) returns void
    language plpgsql
as $$
begin
    delete from line_tiers t
    where t.tenant_id = of_tenant and t.resource_id = of_resource and t.starts_at >= at;
    update line_tiers t set ends_at = at
    where t.tenant_id = of_tenant and t.resource_id = of_resource and (t.ends_at is null or t.ends_at > at);
    insert into line_tiers (tenant_id, resource_id, number, tier_id, starts_at, applied_at)
    select of_tenant, of_resource, coalesce(max(t.number), 0) + 1, to_tier, at,
           case when at <= clock_timestamp() then clock_timestamp() end
    from line_tiers t where t.tenant_id = of_tenant and t.resource_id = of_resource;
end
$$;

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

-- ---- What is there already ----

-- Even their owner sees no row of these tables, but for this while.
alter table broadband_lines no force row level security;
alter table resources no force row level security;
alter table address_assignments no force row level security;
alter table resource_documents no force row level security;
insert into address_assignments (tenant_id, resource_id, address, assigned_at)
select l.tenant_id, l.resource_id, l.static_address, r.created_at
from broadband_lines l join resources r on r.tenant_id = l.tenant_id and r.id = l.resource_id
where l.static_address is not null and l.released_at is null;
-- What is kept lacks the new fields: it is asked anew until it is next made.
update resource_documents d set holds_until = '-infinity';
alter table resource_documents force row level security;
alter table address_assignments force row level security;
alter table resources force row level security;
alter table broadband_lines force row level security;

-- ---- Documents ----

-- In plpgsql, which keeps the plan, as resource_document is.
create or replace function broadband_document(l broadband_lines) returns json
    language plpgsql stable
as $$
begin
    return (select json_build_object(
        'login', l.login, 'access_technology', l.access_technology,
        'committed_downstream_kbit', coalesce(t.committed_downstream_kbit, l.committed_downstream_kbit),
        'maximum_downstream_kbit', coalesce(t.maximum_downstream_kbit, l.maximum_downstream_kbit),
        'committed_upstream_kbit', coalesce(t.committed_upstream_kbit, l.committed_upstream_kbit),
        'maximum_upstream_kbit', coalesce(t.maximum_upstream_kbit, l.maximum_upstream_kbit),
        'static_address', host(l.static_address), 'has_password', l.secret is not null,
        'access_point_id', l.access_point_id, 'tier_id', t.id,
        'next_tier', (
            select json_build_object('tier_id', n.tier_id, 'starts_at', instant_text(n.starts_at))
            from line_tiers n
            where n.tenant_id = l.tenant_id and n.resource_id = l.resource_id and n.starts_at > clock_timestamp()
            order by n.number limit 1),
        'addresses', (
            select coalesce(json_agg(json_build_object(
                       'id', a.id, 'address', address_text(a.address), 'pool_id', a.pool_id,
                       'assigned_at', instant_text(a.assigned_at)) order by a.id), '[]')
            from address_assignments a
            where a.tenant_id = l.tenant_id and a.resource_id = l.resource_id and a.ended_at is null))
    from (select) here
    left join lateral (
        select t.id, t.committed_downstream_kbit, t.maximum_downstream_kbit, t.committed_upstream_kbit,
               t.maximum_upstream_kbit
        from line_tiers x join broadband_tiers t on t.id = x.tier_id
        where x.tenant_id = l.tenant_id and x.resource_id = l.resource_id and x.starts_at <= clock_timestamp()
        order by x.number desc limit 1) t on true);
end
$$;

create or replace function make_resource_documents(of_tenant text, of_resource text) returns void
    language plpgsql
as $$
declare
    until timestamptz := coalesce(
        (select min(s.starts_at)
         from (select p.starts_at from plan_assignments p
               where p.tenant_id = of_tenant and p.resource_id = of_resource
               union all
               select q.starts_at from resource_quantities q
               where q.tenant_id = of_tenant and q.resource_id = of_resource
               union all
               select t.starts_at from line_tiers t
               where t.tenant_id = of_tenant and t.resource_id = of_resource) s
         where s.starts_at > clock_timestamp()), 'infinity');
begin
    update resource_documents d
    set document = resource_document(r, d.side), version = r.version, holds_until = until, made_in = pg_current_xact_id()
    from resources r
    where d.tenant_id = of_tenant and d.resource_id = of_resource and r.tenant_id = of_tenant and r.id = of_resource;
end
$$;

do $$
declare
    name text;
begin
    foreach name in array array['address_assignments', 'line_tiers'] loop
        execute format('create constraint trigger documents after insert or update or delete on %I
                        deferrable initially deferred for each row
                        execute function renew_resource_documents(''tenant_id'', ''resource_id'')', name);
    end loop;
end
$$;

-- ---- Actions ----

alter table resource_actions no force row level security;
insert into resource_actions (kind, action, from_state, to_state, by_tenant)
select 'broadband', 'move', s.state, s.state, false
from (values ('requested'), ('approved'), ('provisioning'), ('active'), ('suspended')) as s(state);
alter table resource_actions force row level security;

create function check_access_point(of_access_point text) returns void
    language plpgsql
as $$
begin
    if of_access_point is not null and not exists (select from access_points a where a.id = of_access_point) then
        perform refuse('reference_unknown', 'access_point_id must name an access point.');
    end if;
end
$$;

-- Another access point, or none; addresses that can be used at the old one alone go back.
create function line_set_access_point(of_tenant text, of_resource text, to_point text) returns void
    language plpgsql
as $$
declare
    from_point text := (select l.access_point_id from broadband_lines l
                        where l.tenant_id = of_tenant and l.resource_id = of_resource);
begin
    if from_point is not distinct from to_point then
        return;
    end if;
    perform check_access_point(to_point);
    update broadband_lines l set access_point_id = to_point
    where l.tenant_id = of_tenant and l.resource_id = of_resource;
    perform drop_addresses(of_tenant, of_resource, array(
        select a.id from address_assignments a join address_pools p on p.id = a.pool_id
        where a.tenant_id = of_tenant and a.resource_id = of_resource and a.ended_at is null
          and p.access_point_id = from_point));
end
$$;

-- The line of a new resource. Its rates are its tier's where it has one.
create function line_create(of_tenant text, of_resource text, tenant_code text, of_offering text, line jsonb,
                            sealed bytea, at timestamptz)
    returns void
    language plpgsql
as $$
declare
    tier broadband_tiers;
begin
    if line ? 'tier_id' then
        tier := usable_tier(line ->> 'tier_id', of_offering);
    end if;
    perform check_access_point(line ->> 'access_point_id');
    insert into broadband_lines (tenant_id, resource_id, login, access_technology, committed_downstream_kbit,
                                 maximum_downstream_kbit, committed_upstream_kbit, maximum_upstream_kbit,
                                 access_point_id, secret)
    values (of_tenant, of_resource, (line ->> 'line') || '@' || tenant_code, line ->> 'access_technology',
            coalesce(tier.committed_downstream_kbit, (line ->> 'committed_downstream_kbit')::bigint, 0),
            coalesce(tier.maximum_downstream_kbit, (line ->> 'maximum_downstream_kbit')::bigint),
            coalesce(tier.committed_upstream_kbit, (line ->> 'committed_upstream_kbit')::bigint, 0),
            coalesce(tier.maximum_upstream_kbit, (line ->> 'maximum_upstream_kbit')::bigint),
            line ->> 'access_point_id', sealed);
    if line ? 'tier_id' then
        perform line_assign_tier(of_tenant, of_resource, tier.id, at);
    end if;
    perform line_set_static_address(of_tenant, of_resource, (line ->> 'static_address')::inet);
end
$$;

create or replace function resource_create(new_id text, for_tenant text, by_side text, by_actor text, body jsonb, secret bytea)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    renter record;
    effective timestamptz;
begin
    select t.code, t.state into renter from tenants t where t.id = for_tenant;
    if renter is null then
        perform refuse('reference_unknown', 'tenant must name the tenant that rents.');
    elsif renter.state <> 'active' then
        perform refuse('state_conflict', format('The tenant is %s; only an active one can rent.', renter.state));
    elsif not exists (select from offerings o 
                      where o.id = body ->> 'offering_id' and o.kind = body ->> 'kind' and o.state = 'active') then
        perform refuse('reference_unknown', 'offering_id must name an active offering of this kind.');
    elsif by_side = 'tenant' and body #>> '{broadband,static_address}' is not null then
        perform refuse('forbidden', 'The operator assigns static addresses.');
    end if;
    effective := resource_effective_at(for_tenant, new_id, (body ->> 'effective_at')::timestamptz,
                                       clock_timestamp() + interval '1 day');
    insert into resources (id, tenant_id, kind, offering_id, name, site, external_id, metadata)
    values (new_id, for_tenant, body ->> 'kind', body ->> 'offering_id', body ->> 'name',
            coalesce(body ->> 'site', ''), body ->> 'external_id', coalesce(body -> 'metadata', '{}'));
    perform resource_transit(for_tenant, new_id, 'create', 'requested', effective, by_actor, body);
    perform resource_assign_plan(
        for_tenant, new_id, body ->> 'plan_id',
        published_plan_version(body ->> 'offering_id', body ->> 'plan_id', (body ->> 'plan_version')::integer),
        effective);
    perform resource_set_quantity(for_tenant, new_id, coalesce((body #>> '{software,seats}')::numeric, 1), effective);
    if body ->> 'kind' = 'broadband' then
        perform line_create(for_tenant, new_id, renter.code, body ->> 'offering_id', body -> 'broadband', secret, effective);
    elsif body ->> 'kind' = 'terminal' then
        insert into terminal_resources (tenant_id, resource_id, model)
        values (for_tenant, new_id, coalesce(body #>> '{terminal,model}', ''));
    end if;
    return query select resource_document(r, by_side), r.version
                 from resources r where r.tenant_id = for_tenant and r.id = new_id;
end
$$;

create function line_change_tier(of_tenant text, of_resource text, of_offering text, by_side text, part jsonb,
                                 at timestamptz)
    returns void
    language plpgsql
as $$
declare
    tier broadband_tiers;
    rates text[] := array['committed_downstream_kbit', 'maximum_downstream_kbit', 'committed_upstream_kbit',
                          'maximum_upstream_kbit'];
begin
    if part ?| rates and (part ? 'tier_id' or exists (select from line_tiers t
                                                      where t.tenant_id = of_tenant and t.resource_id = of_resource)) then
        perform refuse('change_refused', 'The rates of a line on a tier are the tier''s; change the tier.');
    elsif part ? 'tier_id' then
        tier := usable_tier(part ->> 'tier_id', of_offering);
        if by_side = 'tenant' and not tier.self_service then
            perform refuse('forbidden', 'The operator puts lines on this tier.');
        end if;
        perform line_assign_tier(of_tenant, of_resource, tier.id, at);
    end if;
end
$$;

create or replace function resource_change_line(of_tenant text, of_resource text, by_side text, part jsonb, new_secret bytea)
    returns void
    language plpgsql
as $$
begin
    if by_side = 'tenant' and part - array['password', 'tier_id'] <> '{}' then
        perform refuse('forbidden', 'A tenant sets its password and its tier; the rest of a line is the operator''s.');
    end if;
    update broadband_lines l
    set access_technology = coalesce(part ->> 'access_technology', l.access_technology),
        committed_downstream_kbit = coalesce((part ->> 'committed_downstream_kbit')::bigint, l.committed_downstream_kbit),
        maximum_downstream_kbit = coalesce((part ->> 'maximum_downstream_kbit')::bigint, l.maximum_downstream_kbit),
        committed_upstream_kbit = coalesce((part ->> 'committed_upstream_kbit')::bigint, l.committed_upstream_kbit),
        maximum_upstream_kbit = coalesce((part ->> 'maximum_upstream_kbit')::bigint, l.maximum_upstream_kbit),
        secret = coalesce(new_secret, l.secret)
    where l.tenant_id = of_tenant and l.resource_id = of_resource;
    if part ? 'access_point_id' then
        perform line_set_access_point(of_tenant, of_resource, part ->> 'access_point_id');
    end if;
    if part ? 'static_address' then
        perform line_set_static_address(of_tenant, of_resource, (part ->> 'static_address')::inet);
    end if;
end
$$;

create or replace function resource_change(of_tenant text, of_resource text, of_kind text, of_offering text, by_side text,
                                           body jsonb, secret bytea, at timestamptz)
    returns void
    language plpgsql
as $$
declare
    other text := (select k from unnest(array['software', 'broadband']) as k where body ? k and k <> of_kind);
    line jsonb := coalesce(body -> 'broadband', '{}');
    -- :order comes without the password, which its sealed form stands for.
    at_once boolean := body ? 'software' or line - 'tier_id' <> '{}' or secret is not null;
begin
    if other is not null then
        perform refuse('change_refused', format('"%s" is no part of a resource of kind %s.', other, of_kind));
    elsif at_once and (at > clock_timestamp() + interval '1 day' or body ->> 'effective' = 'period_end') then
        perform refuse('effective_at_refused', 'Only a plan or a tier can be changed ahead of time.');
    end if;
    if body ? 'plan_id' then
        perform resource_assign_plan(
            of_tenant, of_resource, body ->> 'plan_id',
            published_plan_version(of_offering, body ->> 'plan_id', (body ->> 'plan_version')::integer), at);
    end if;
    if body ? 'software' then
        perform resource_change_seats(of_tenant, of_resource, (body #>> '{software,seats}')::numeric, at);
    end if;
    if body ? 'broadband' then
        -- The line is locked before its sessions, as accounting does.
        perform resource_change_line(of_tenant, of_resource, by_side, line, secret);
        perform line_change_tier(of_tenant, of_resource, of_offering, by_side, line, at);
    end if;
end
$$;

-- From when a change or another action is wished to count: what was said, or the end of the running
-- calendar month where the platform is.
create function resource_wanted_at(body jsonb) returns timestamptz
    language plpgsql stable
as $$
declare
    zone text := (select p.time_zone from platform p);
begin
    if body ->> 'effective' is null then
        return (body ->> 'effective_at')::timestamptz;
    elsif body ? 'effective_at' then
        perform refuse('effective_at_refused', 'Send either effective or effective_at.');
    elsif body ->> 'effective' = 'period_end' then
        return period_end(to_char(clock_timestamp() at time zone zone, 'YYYY-MM'), zone);
    end if;
    return null;
end
$$;

-- Takes a line to another place: the new access point's place is taken and the old one's freed at once.
create function resource_move(of_tenant text, of_resource text, body jsonb) returns void
    language plpgsql
as $$
begin
    update resources r set site = coalesce(body ->> 'site', r.site) where r.tenant_id = of_tenant and r.id = of_resource;
    perform line_set_access_point(of_tenant, of_resource, body ->> 'access_point_id');
end
$$;

create or replace function resource_act(for_tenant text, by_side text, by_actor text, of_resource text, by_action text,
                                        seen_version bigint, body jsonb, secret bytea)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target record;
    rule record;
    wanted timestamptz := resource_wanted_at(body);
    effective timestamptz;
    new_state text;
begin
    select r.tenant_id, r.id, r.kind, r.offering_id, r.state, r.version, r.failure_retryable into target
    from resources r
    where r.id = of_resource and (for_tenant is null or r.tenant_id = for_tenant)
    for no key update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    end if;
    select a.to_state, a.by_tenant into rule
    from resource_actions a
    where a.kind = target.kind and a.action = by_action and a.from_state = target.state;
    if not found or (by_side = 'tenant' and not rule.by_tenant) or (by_action = 'retry' and not target.failure_retryable) then
        perform refuse('state_conflict', format('The resource is %s, which does not allow to %s it; see its actions.',
                                                target.state, by_action));
    end if;
    new_state := rule.to_state;
    effective := resource_effective_at(
        target.tenant_id, target.id, wanted,
        clock_timestamp() + case when by_action = 'change' then interval '400 days' else interval '1 day' end);
    if by_action = 'suspend' then
        perform resource_hold(target.tenant_id, target.id, by_side, by_actor, body);
    elsif by_action = 'resume' and not resource_unhold(target.tenant_id, target.id, by_side, body) then
        new_state := target.state;
    elsif by_action = 'change' then
        perform resource_change(target.tenant_id, target.id, target.kind, target.offering_id, by_side, body, secret,
                                effective);
        -- A change ahead of time is noted as of now; what it brings begins with plan_assignments or line_tiers.
        effective := least(effective, resource_effective_at(target.tenant_id, target.id, null, null));
    elsif by_action = 'move' then
        perform resource_move(target.tenant_id, target.id, body);
    end if;
    perform resource_transit(target.tenant_id, target.id, by_action, new_state, effective, by_actor, body);
    if new_state in ('terminating', 'terminated', 'rejected') and target.state <> 'terminating' then
        perform resource_end(target.tenant_id, target.id, effective);
    end if;
    if new_state in ('terminated', 'rejected') then
        perform resource_release(target.tenant_id, target.id);
    end if;
    return query select resource_document(r, by_side), r.version
                 from resources r where r.tenant_id = target.tenant_id and r.id = target.id;
end
$$;
