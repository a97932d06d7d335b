-- The address plan: which addresses there are, and who had which.
set local role bccd_owner;

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
