-- What there is to be rented, and who waits for what there is not: seats of software, places at access points, devices.
--
-- What counts across tenants, or holds it, runs as bccd_lookup, since tenants rent, too. Locks go on where those of
-- 0041_catalog_rules.sql end: the access point or the model, then the entries of its waiting list.
set local role bccd_owner;

create policy lookup on offerings for select to bccd_lookup using (true);
create policy lookup on offering_models for select to bccd_lookup using (true);
create policy lookup on resources for select to bccd_lookup using (true);
create policy lookup on resource_quantities for select to bccd_lookup using (true);
create policy lookup on terminal_models for select to bccd_lookup using (true);
grant select (id, name, seat_limit) on offerings to bccd_lookup;
grant select on offering_models to bccd_lookup;
grant select (tenant_id, id, offering_id) on resources to bccd_lookup;
grant select (tenant_id, resource_id, number, quantity, ends_at) on resource_quantities to bccd_lookup;
grant select (model, state) on terminals to bccd_lookup;
grant select (id, name, state) on terminal_models to bccd_lookup;

-- ---- Seats ----

-- Of all tenants together: what has ended has no open quantity.
create function seats_rented(of_offering text) returns numeric
    language sql stable security definer set search_path = public, pg_temp
as $$
    select coalesce(sum(q.quantity::numeric), 0)
    from resources r join resource_quantities q on q.tenant_id = r.tenant_id and q.resource_id = r.id
    where r.offering_id = of_offering and q.ends_at is null
$$;

-- Whoever takes fewer seats than before may, even where a limit has come down below what is rented.
create function hold_seat_limit() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    wanted record;
    before numeric;
    over numeric;
begin
    select o.id, o.name, o.seat_limit into wanted
    from resources r join offerings o on o.id = r.offering_id
    where r.tenant_id = new.tenant_id and r.id = new.resource_id;
    if wanted.seat_limit is null then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended(wanted.id, 20261128));
    before := coalesce((select q.quantity from resource_quantities q
                        where q.tenant_id = new.tenant_id and q.resource_id = new.resource_id and q.number < new.number
                        order by q.number desc limit 1), 0);
    over := seats_rented(wanted.id) - wanted.seat_limit;
    if over > 0 and new.quantity > before then
        perform refuse('offering_sold_out', format('There are %s seats of %s; %s are free.', wanted.seat_limit, wanted.name,
                                                   greatest(new.quantity - before - over, 0)));
    end if;
    return null;
end
$$;
create trigger seat_limit after insert on resource_quantities for each row when (new.ends_at is null)
    execute function hold_seat_limit();

-- ---- Models ----

create function hold_offered_models() returns trigger
    language plpgsql
as $$
declare
    offered text[] := array(
        select m.name from resources r
        join offering_models o on o.offering_id = r.offering_id join terminal_models m on m.id = o.terminal_model_id
        where r.id = new.resource_id order by m.name);
begin
    if offered <> '{}' and new.model <> all (offered) then
        perform refuse('model_not_offered', format('%s is none of the models of what is rented: %s.', new.model,
                                                   array_to_string(offered, ', ')));
    end if;
    return null;
end
$$;
create trigger offered after update of resource_id on terminals for each row
    when (new.resource_id is not null and new.resource_id is distinct from old.resource_id)
    execute function hold_offered_models();

-- Of each model of an offering; where it names none, of every model that is in use.
create function model_stock(of_offering text)
    returns table (id text, name text, in_stock bigint, reserved bigint, total bigint)
    language sql stable security definer set search_path = public, pg_temp
as $$
    select m.id, m.name, count(*) filter (where t.state = 'in_stock'), count(*) filter (where t.state = 'reserved'),
           count(*) filter (where t.state not in ('lost', 'retired'))
    from terminal_models m left join terminals t on t.model = m.name
    where m.id in (select o.terminal_model_id from offering_models o where o.offering_id = of_offering)
       or m.state = 'active' and not exists (select from offering_models o where o.offering_id = of_offering)
    group by m.id, m.name
$$;

-- ---- The waiting list ----

alter table platform
    add offer_hours integer not null default 72 check (offer_hours between 1 and 8760); -- until an offer lapses

-- Offered and taken count from the beginning: what is held for an entry is the difference.
create table waiting_list_entries (
    id text collate "C" not null unique check (id like 'wai\_%'),
    tenant_id text collate "C" not null references tenants,
    number bigint generated always as identity, -- who came first
    offering_id text collate "C" not null references offerings,
    access_point_id text collate "C" references access_points,
    terminal_model_id text collate "C" references terminal_models,
    target_id text collate "C" not null generated always as (coalesce(access_point_id, terminal_model_id)) stored,
    quantity integer not null check (quantity between 1 and 100),
    offered integer not null default 0,
    taken integer not null default 0,
    state text collate "C" not null default 'waiting'
        check (state in ('waiting', 'offered', 'taken', 'lapsed', 'cancelled')),
    note text not null default '' check (length(note) <= 500),
    reason text not null default '' check (length(reason) <= 500), -- of its cancellation
    expires_at timestamptz,
    ended_at timestamptz,
    created_by text collate "C" not null,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint waiting_list_entries_target check (num_nonnulls(access_point_id, terminal_model_id) = 1),
    constraint waiting_list_entries_counts check (0 <= taken and taken <= offered and offered <= quantity),
    constraint waiting_list_entries_offer check ((state = 'offered') = (expires_at is not null)),
    constraint waiting_list_entries_end check ((state in ('taken', 'lapsed', 'cancelled')) = (ended_at is not null))
);
comment on table waiting_list_entries is
    'domain: catalog; who waits for places at an access point, or devices of a model, and what is held for them';
create unique index waiting_list_entries_open on waiting_list_entries (tenant_id, target_id)
    where state in ('waiting', 'offered');
create index waiting_list_entries_queue on waiting_list_entries (target_id, number) where state in ('waiting', 'offered');
create index waiting_list_entries_expiry on waiting_list_entries (expires_at) where state = 'offered';

create table waiting_list_takes (
    tenant_id text collate "C" not null,
    entry_id text collate "C" not null,
    resource_id text collate "C" not null,
    primary key (tenant_id, entry_id, resource_id),
    foreign key (tenant_id, entry_id) references waiting_list_entries (tenant_id, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table waiting_list_takes is 'domain: catalog; which resources have taken what was waited for, each once';

call protect_tenant_table('waiting_list_entries');
call protect_tenant_table('waiting_list_takes');
create policy lookup on waiting_list_entries to bccd_lookup using (true);
create policy lookup on waiting_list_takes to bccd_lookup using (true);
grant select on waiting_list_entries, waiting_list_takes to bccd_tenant, bccd_operator, bccd_jobs, bccd_lookup;
grant insert on waiting_list_entries to bccd_tenant, bccd_operator;
grant update on waiting_list_entries to bccd_tenant, bccd_operator, bccd_jobs, bccd_lookup;
grant insert on waiting_list_takes to bccd_lookup;
grant select (offer_hours) on platform to bccd_lookup;
call audit_table('waiting_list_entries');

-- What is free of an access point or a model, whoever it is held for.
create function free_of(target text) returns bigint
    language sql stable security definer set search_path = public, pg_temp
as $$
    select coalesce(
        (select case a.state when 'active' then a.capacity - a.lines else 0 end::bigint from access_points a where a.id = target),
        (select count(*) from terminals t join terminal_models m on m.name = t.model
         where m.id = target and t.state = 'in_stock'))
$$;

-- How much of it is not for a tenant (null: for anybody): what is offered to others, and all that those ask for who
-- came before.
create function held_for_others(target text, of_tenant text) returns bigint
    language sql stable security definer set search_path = public, pg_temp
as $$
    select coalesce(sum(case when own.number < e.number then e.offered else e.quantity end - e.taken), 0)
    from waiting_list_entries e
    left join waiting_list_entries own
        on own.tenant_id = of_tenant and own.target_id = target and own.state in ('waiting', 'offered')
    where e.target_id = target and e.state in ('waiting', 'offered') and e.tenant_id is distinct from of_tenant
$$;

create function waiting_list_place(target text, of_number bigint) returns bigint
    language sql stable security definer set search_path = public, pg_temp
as $$
    select count(*) from waiting_list_entries e
    where e.target_id = target and e.state in ('waiting', 'offered') and e.number <= of_number
$$;

-- That a resource has a place or a device now, is one less that its tenant waits for; once, whatever it has later.
create function take_from_waiting_list(target text, of_tenant text, of_resource text) returns void
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    entry text;
begin
    select e.id into entry from waiting_list_entries e
    where e.tenant_id = of_tenant and e.target_id = target and e.state in ('waiting', 'offered') for no key update;
    insert into waiting_list_takes (tenant_id, entry_id, resource_id)
    select of_tenant, entry, of_resource where entry is not null on conflict do nothing;
    if found then
        update waiting_list_entries e
        set taken = e.taken + 1, offered = greatest(e.offered, e.taken + 1),
            state = case when e.taken + 1 = e.quantity then 'taken' when e.taken + 1 < e.offered then 'offered' else 'waiting' end,
            expires_at = case when e.taken + 1 < e.offered then e.expires_at end,
            ended_at = case when e.taken + 1 = e.quantity then clock_timestamp() end,
            version = e.version + 1, updated_at = clock_timestamp()
        where e.tenant_id = of_tenant and e.id = entry;
    end if;
end
$$;

-- Comes after the trigger `place`, which has the lock of the access point.
create function keep_held_places() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if new.released_at is null and new.access_point_id is not null
       and (tg_op = 'INSERT' or old.access_point_id is distinct from new.access_point_id) then
        if free_of(new.access_point_id) < held_for_others(new.access_point_id, new.tenant_id) then
            perform refuse('capacity_exhausted', format('What is free at the access point %s is held for those who waited for it.',
                                                        new.access_point_id));
        end if;
        perform take_from_waiting_list(new.access_point_id, new.tenant_id, new.resource_id);
    end if;
    return null;
end
$$;
create trigger waiting after insert or update of access_point_id on broadband_lines
    for each row execute function keep_held_places();

create index terminal_movements_resource on terminal_movements (resource_id) where resource_id is not null;

-- Devices of a model for which nobody waits are taken side by side; whoever joins its list waits for those who take, and
-- from then on they go one by one. What only replaces a device is none of those that were waited for.
create function keep_held_devices() returns trigger
    language plpgsql
as $$
declare
    target text := (select m.id from terminal_models m where m.name = new.model);
begin
    if not exists (select from waiting_list_entries e where e.target_id = target and e.state in ('waiting', 'offered')) then
        perform pg_advisory_xact_lock_shared(hashtextextended(target, 20261129));
        if exists (select from waiting_list_entries e where e.target_id = target and e.state in ('waiting', 'offered')) then
            perform refuse('state_conflict', 'Somebody began to wait for the model at this moment; try again.');
        end if;
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended(target, 20261129));
    if free_of(target) < held_for_others(target, new.holder_tenant_id) then
        perform refuse('stock_exhausted', format('What is in stock of the model %s is held for those who waited for it.', new.model));
    elsif not exists (select from terminal_movements m where m.resource_id = new.resource_id and m.to_state = 'rented') then
        perform take_from_waiting_list(target, new.holder_tenant_id, new.resource_id);
    end if;
    return null;
end
$$;
create trigger waiting after update of state on terminals for each row
    when (old.state = 'in_stock' and new.state in ('reserved', 'rented')) execute function keep_held_devices();

-- ---- Joining and leaving ----

create function waiting_list_document(e waiting_list_entries) returns json
    language sql stable
as $$
    select json_build_object(
        'id', e.id, 'tenant_id', e.tenant_id, 'offering_id', e.offering_id, 'access_point_id', e.access_point_id,
        'terminal_model_id', e.terminal_model_id, 'quantity', e.quantity, 'offered', e.offered, 'taken', e.taken,
        'state', e.state, 'actions', case when e.ended_at is null then '["cancel"]' else '[]' end::json,
        'place', case when e.ended_at is null then waiting_list_place(e.target_id, e.number) end,
        'note', e.note, 'reason', e.reason, 'expires_at', instant_text(e.expires_at), 'ended_at', instant_text(e.ended_at),
        'created_by', e.created_by, 'created_at', instant_text(e.created_at), 'updated_at', instant_text(e.updated_at))
$$;

create function waiting_list_check(for_tenant text, body jsonb) returns void
    language plpgsql
as $$
declare
    renter tenants;
    wanted offerings;
    unmet text;
begin
    select t.* into renter from tenants t where t.id = for_tenant;
    select o.* into wanted from offerings o where o.id = body ->> 'offering_id' and o.state = 'active';
    unmet := offering_unmet(wanted, for_tenant);
    if renter.id is null then
        perform refuse('reference_unknown', 'tenant must name the tenant that waits.');
    elsif renter.state <> 'active' then
        perform refuse('state_conflict', format('The tenant is %s; only an active one can wait.', renter.state));
    elsif wanted.id is null then
        perform refuse('reference_unknown', 'offering_id must name an active offering.');
    elsif unmet is not null then
        perform refuse('offering_not_for_you', format('%s is not for this tenant: %s.', wanted.name, unmet));
    elsif wanted.kind = 'software' or (wanted.kind = 'broadband') <> (body ? 'access_point_id')
          or (wanted.kind = 'terminal') <> (body ? 'terminal_model_id') then
        perform refuse('value_refused', 'For a line one waits at an access_point_id, for a terminal of a terminal_model_id.');
    elsif body ? 'access_point_id' and not exists (
        select from access_points a
        where a.id = body ->> 'access_point_id' and a.state = 'active' and coalesce(a.park_id, renter.park_id) = renter.park_id) then
        perform refuse('reference_unknown', 'access_point_id must name an active access point that the tenant may have lines at.');
    elsif body ? 'terminal_model_id' and not exists (
        select from offering_models m
        where m.offering_id = wanted.id and m.terminal_model_id = body ->> 'terminal_model_id') then
        perform refuse('reference_unknown', 'terminal_model_id must name one of the offering''s models.');
    end if;
end
$$;

create function waiting_list_join(new_id text, for_tenant text, by_actor text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target text := coalesce(body ->> 'access_point_id', body ->> 'terminal_model_id');
    free bigint;
begin
    perform waiting_list_check(for_tenant, body);
    perform pg_advisory_xact_lock(hashtextextended(target, 20261129));
    free := greatest(free_of(target) - held_for_others(target, for_tenant), 0);
    if free >= (body ->> 'quantity')::integer then
        perform refuse('stock_available', format('%s are free for the tenant; order what is wanted.', free));
    end if;
    insert into waiting_list_entries (id, tenant_id, offering_id, access_point_id, terminal_model_id, quantity, note, created_by)
    values (new_id, for_tenant, body ->> 'offering_id', body ->> 'access_point_id', body ->> 'terminal_model_id',
            (body ->> 'quantity')::integer, coalesce(body ->> 'note', ''), by_actor);
    return query select waiting_list_document(e), e.version from waiting_list_entries e
                 where e.tenant_id = for_tenant and e.id = new_id;
end
$$;

-- No row when there is no such entry of that tenant (null: of any).
create function waiting_list_cancel(for_tenant text, of_entry text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target waiting_list_entries;
begin
    select e.* into target from waiting_list_entries e
    where e.id = of_entry and (for_tenant is null or e.tenant_id = for_tenant) for no key update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    elsif target.ended_at is not null then
        perform refuse('state_conflict', format('The entry is %s; it has ended.', target.state));
    end if;
    update waiting_list_entries e
    set state = 'cancelled', reason = coalesce(body ->> 'reason', ''), expires_at = null, ended_at = clock_timestamp(),
        version = e.version + 1, updated_at = clock_timestamp()
    where e.tenant_id = target.tenant_id and e.id = target.id;
    return query select waiting_list_document(e), e.version from waiting_list_entries e
                 where e.tenant_id = target.tenant_id and e.id = target.id;
end
$$;

-- An account that is closed waits for nothing.
create function leave_waiting_list() returns trigger
    language plpgsql
as $$
begin
    perform waiting_list_cancel(new.id, e.id, null, '{"reason": "The account was closed."}')
    from waiting_list_entries e where e.tenant_id = new.id and e.ended_at is null order by e.id;
    return null;
end
$$;
create trigger waiting after update of state on tenants for each row
    when (new.state = 'closed' and old.state <> 'closed') execute function leave_waiting_list();

-- ---- What time brings ----

-- Ends offers whose time is over, some at a time; how many.
create function waiting_list_lapse(at_most integer) returns integer
    language plpgsql
as $$
declare
    ended integer;
begin
    update waiting_list_entries e
    set state = 'lapsed', expires_at = null, ended_at = clock_timestamp(), version = e.version + 1,
        updated_at = clock_timestamp()
    where (e.tenant_id, e.id) in (
        select o.tenant_id, o.id from waiting_list_entries o
        where o.state = 'offered' and o.expires_at <= clock_timestamp()
        order by o.expires_at limit at_most for no key update skip locked);
    get diagnostics ended = row_count;
    return ended;
end
$$;

-- Offers what is free and held for nobody to those who wait, in the order in which they came. Of one access point or
-- model, the next after `last`, which it gives; null when nobody waits behind that.
create function waiting_list_offer(last text) returns text
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    target text := (
        select min(e.target_id) from waiting_list_entries e
        where e.state in ('waiting', 'offered') and e.offered < e.quantity and e.target_id > last collate "C");
    unheld bigint;
    entry record;
begin
    perform from access_points a where a.id = target for no key update;
    if not found then
        perform pg_advisory_xact_lock(hashtextextended(target, 20261129));
    end if;
    unheld := free_of(target) - (
        select coalesce(sum(e.offered - e.taken), 0) from waiting_list_entries e
        where e.target_id = target and e.state in ('waiting', 'offered'));
    for entry in
        select e.tenant_id, e.id, e.quantity - e.offered as wanted from waiting_list_entries e
        where e.target_id = target and e.state in ('waiting', 'offered') and e.offered < e.quantity
        order by e.number for no key update
    loop
        exit when unheld <= 0;
        update waiting_list_entries e
        set state = 'offered', offered = e.offered + least(entry.wanted, unheld), version = e.version + 1,
            expires_at = clock_timestamp() + make_interval(hours => p.offer_hours), updated_at = clock_timestamp()
        from platform p
        where e.tenant_id = entry.tenant_id and e.id = entry.id;
        unheld := unheld - entry.wanted;
    end loop;
    return target;
end
$$;

-- ---- What is there ----

-- For a tenant what is held for others is not free (null: what is held for anybody). How many devices there are, the
-- operator's side alone is told, and not a park's.
create function offering_availability(o offerings, of_tenant text, of_point text, by_side text) returns json
    language plpgsql stable
as $$
declare
    all_of_it boolean := by_side = 'operator' and setting('park') is null;
    renter tenants;
begin
    select t.* into renter from tenants t where t.id = of_tenant;
    if of_tenant is not null and renter.id is null then
        perform refuse('reference_unknown', 'tenant must name the tenant that would rent.');
    end if;
    return (select json_build_object(
        'offering_id', o.id, 'kind', o.kind, 'unlimited', o.kind = 'software' and o.seat_limit is null,
        'seats', case when o.seat_limit is not null then (
            select json_build_object('limit', o.seat_limit, 'rented', s.rented::bigint,
                                     'free', greatest(o.seat_limit - s.rented, 0)::bigint)
            from seats_rented(o.id) as s(rented)) end,
        'access_points', case o.kind when 'broadband' then (
            select coalesce(json_agg(json_build_object(
                'id', a.id, 'code', a.code, 'name', a.name, 'name_en', a.name_en, 'capacity', a.capacity, 'used', a.lines,
                'free', greatest(free_of(a.id) - held_for_others(a.id, of_tenant), 0)) order by a.code), '[]')
            from (select p.id, p.code, p.name, p.name_en, p.capacity, p.lines from access_points p
                  where p.state = 'active' and (of_point is null or p.id = of_point)
                    and (of_tenant is null or p.park_id is null or p.park_id = renter.park_id)
                  order by p.code limit 500) a) end,
        'terminal_models', case o.kind when 'terminal' then (
            select coalesce(json_agg(json_build_object(
                'id', m.id, 'name', m.name, 'available', m.in_stock > m.held,
                'free', case when all_of_it then greatest(m.in_stock - m.held, 0) end,
                'reserved', case when all_of_it then m.reserved end, 'total', case when all_of_it then m.total end)
                order by m.name), '[]')
            from (select m.id, m.name, m.in_stock, m.reserved, m.total, held_for_others(m.id, of_tenant) as held
                  from model_stock(o.id) m
                  where all_of_it or exists (select from offering_models x where x.offering_id = o.id)
                  order by m.name limit 500) m) end));
end
$$;

do $$
declare
    one record;
begin
    for one in
        select f.named::regprocedure as named, f.roles
        from (values ('seats_rented(text)', 'bccd_tenant, bccd_operator'),
                     ('model_stock(text)', 'bccd_tenant, bccd_operator'),
                     ('free_of(text)', 'bccd_tenant, bccd_operator'),
                     ('held_for_others(text, text)', 'bccd_tenant, bccd_operator'),
                     ('waiting_list_place(text, bigint)', 'bccd_tenant, bccd_operator'),
                     ('take_from_waiting_list(text, text, text)', 'bccd_operator'),
                     ('waiting_list_offer(text)', 'bccd_jobs'),
                     ('hold_seat_limit()', null),
                     ('keep_held_places()', null)) as f(named, roles)
    loop
        if one.roles is not null then
            execute format('revoke all on function %s from public', one.named);
            execute format('grant execute on function %s to %s', one.named, one.roles);
        end if;
        execute format('alter function %s owner to bccd_lookup', one.named);
    end loop;
end
$$;
