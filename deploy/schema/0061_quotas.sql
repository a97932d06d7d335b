-- Quotas: how much of a meter a tenant, or one of its resources, may come to in a day, a month, or for good. A soft one tells
-- when thresholds are crossed. A hard one, of what adds up, is kept in the transaction that stores events: what passes it is
-- refused; reservations hold a part of it beforehand. What is observed (RADIUS) always counts, and has the lines held.
set local role bccd_owner;

create table quotas (
    tenant_id text collate "C" not null references tenants,
    id text collate "C" not null unique check (id like 'quo\_%'),
    meter_id text collate "C" not null references meters,
    resource_id text collate "C", -- null: of all of the tenant's
    kind text collate "C" not null check (kind in ('soft', 'hard')),
    period text collate "C" not null check (period in ('day', 'month', 'total')),
    allowed exact not null check (allowed > 0), -- in the meter's unit
    thresholds smallint[] not null check (cardinality(thresholds) <= 10 and 1 <= all (thresholds) and 1000 >= all (thresholds)), -- percent
    first_window timestamptz not null, -- the beginning of the one in which it was made; of earlier ones nothing is known
    created_by text collate "C" not null,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table quotas is 'domain: metering; how much of a meter tenants may come to';
create index quotas_meter on quotas (tenant_id, meter_id);
call protect_tenant_table('quotas');
grant select, insert, update, delete on quotas to bccd_tenant, bccd_operator;
grant select, update (version) on quotas to bccd_jobs; -- to hold a row
grant select on quotas to bccd_lookup;
create policy lookup on quotas for select to bccd_lookup using (true);
call audit_table('quotas');

-- In the unit of what events say, where the meter adds up; else in the meter's.
create table quota_counters (
    tenant_id text collate "C" not null,
    quota_id text collate "C" not null,
    starts_at timestamptz not null, -- of the window
    used exact not null,
    reserved exact not null default 0 check (reserved >= 0),
    measured_at timestamptz, -- of a meter that does not add up
    primary key (tenant_id, quota_id, starts_at),
    foreign key (tenant_id, quota_id) references quotas (tenant_id, id) on delete cascade
);
comment on table quota_counters is 'domain: metering; what of quotas is used, by their windows';
call protect_tenant_table('quota_counters');
grant select, insert, update on quota_counters to bccd_tenant, bccd_operator, bccd_jobs, bccd_lookup;
create policy lookup on quota_counters to bccd_lookup using (true);

create table quota_alerts (
    tenant_id text collate "C" not null,
    quota_id text collate "C" not null,
    starts_at timestamptz not null, -- of the window
    threshold smallint not null,
    number bigint generated always as identity,
    allowed exact not null, -- both in the meter's unit
    used exact not null,
    at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, quota_id, starts_at, threshold),
    foreign key (tenant_id, quota_id) references quotas (tenant_id, id) on delete cascade
);
comment on table quota_alerts is 'domain: metering; thresholds of quotas that were crossed, each once a window';
create index quota_alerts_number on quota_alerts (tenant_id, quota_id, number);
call protect_tenant_table('quota_alerts');
grant select, insert, delete on quota_alerts to bccd_tenant, bccd_operator;
grant select, insert on quota_alerts to bccd_jobs, bccd_lookup;
create policy lookup on quota_alerts to bccd_lookup using (true);

-- Lines that were held for a quota in a window: one that is let go by hand stays so.
create table quota_lines (
    tenant_id text collate "C" not null,
    quota_id text collate "C" not null,
    starts_at timestamptz not null,
    resource_id text collate "C" not null,
    primary key (tenant_id, quota_id, starts_at, resource_id),
    foreign key (tenant_id, quota_id, starts_at) references quota_counters (tenant_id, quota_id, starts_at) on delete cascade
);
comment on table quota_lines is 'domain: metering; lines that were held for quotas';
call protect_tenant_table('quota_lines');
grant select, insert, delete on quota_lines to bccd_jobs;

-- What is to be told to whoever registered for it; written in the transaction in which it came to be.
create table webhook_messages (
    tenant_id text collate "C" not null references tenants,
    number bigint generated always as identity,
    type text collate "C" not null check (length(type) <= 100),
    data jsonb not null check (jsonb_typeof(data) = 'object'),
    created_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, number)
);
comment on table webhook_messages is 'domain: metering; what is to be told by webhooks';
call protect_tenant_table('webhook_messages');
grant insert on webhook_messages to bccd_tenant, bccd_operator, bccd_lookup;
grant select, insert on webhook_messages to bccd_jobs;
create policy lookup on webhook_messages to bccd_lookup using (true);

create table reservations (
    tenant_id text collate "C" not null references tenants,
    id text collate "C" not null unique check (id like 'rsv\_%'),
    meter_id text collate "C" not null references meters,
    resource_id text collate "C" not null,
    quantity exact not null check (quantity > 0), -- in the unit of what events say
    state text collate "C" not null default 'held' check (state in ('held', 'settled', 'released', 'expired')),
    settled exact check (settled >= 0),
    expires_at timestamptz not null,
    created_by text collate "C" not null,
    created_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    check ((state = 'held') = (ended_at is null)),
    check ((state = 'settled') = (settled is not null))
);
comment on table reservations is 'domain: metering; parts of hard quotas that are held for what is to come';
create index reservations_due on reservations (expires_at) where state = 'held';
create index reservations_held on reservations (tenant_id, expires_at) where state = 'held';
call protect_tenant_table('reservations');
grant select, insert, update on reservations to bccd_tenant, bccd_operator;
grant select, update on reservations to bccd_jobs;

-- The counters that a reservation holds a part of.
create table reservation_parts (
    tenant_id text collate "C" not null,
    reservation_id text collate "C" not null,
    quota_id text collate "C" not null,
    starts_at timestamptz not null,
    primary key (tenant_id, reservation_id, quota_id),
    foreign key (tenant_id, reservation_id) references reservations (tenant_id, id),
    foreign key (tenant_id, quota_id, starts_at) references quota_counters (tenant_id, quota_id, starts_at) on delete cascade
);
comment on table reservation_parts is 'domain: metering; which counters reservations hold a part of';
create index reservation_parts_counter on reservation_parts (tenant_id, quota_id, starts_at);
call protect_tenant_table('reservation_parts');
grant select, insert, delete on reservation_parts to bccd_tenant, bccd_operator;
grant select on reservation_parts to bccd_jobs;

-- ---- Windows ----

-- Days and months are the platform's.
create function quota_window(period text, at timestamptz) returns timestamptz
    language plpgsql stable
as $$
begin
    return case when period = 'total' then timestamptz '1970-01-01 00:00:00+00'
                else (select date_trunc(period, at at time zone p.time_zone) at time zone p.time_zone from platform p) end;
end
$$;
create function quota_window_end(period text, starts_at timestamptz) returns timestamptz
    language plpgsql stable
as $$
begin
    return case when period <> 'total'
                then (select ((starts_at at time zone p.time_zone) + ('1 ' || period)::interval) at time zone p.time_zone
                      from platform p) end;
end
$$;

-- Whether what is added to a meter adds to the counters of its quotas; else it is measured from time to time.
create function adds_to_quotas(m meters) returns boolean
    language sql immutable
    return m.aggregation in ('sum', 'count') and m.source <> 'derived';

-- ---- Counting ----

-- Everything that adds up passes usage_deltas once: what events and traffic bring, what voids take off, what is computed back.
create function count_quotas() returns trigger
    language plpgsql
as $$
begin
    -- Most tenants have none, and are asked for no more than that.
    if not exists (select from quotas q where q.tenant_id = any (array(select distinct i.tenant_id from inserted i))) then
        return null;
    end if;
    insert into quota_counters as c (tenant_id, quota_id, starts_at, used)
    select q.tenant_id, q.id, w.starts_at, sum(case m.aggregation when 'count' then i.count else i.total end)
    from inserted i
    join quotas q on q.tenant_id = i.tenant_id and q.meter_id = i.meter_id
        and (q.resource_id is null or q.resource_id = i.resource_id)
    join meters m on m.id = q.meter_id
    cross join lateral (select quota_window(q.period, i.slot) as starts_at) w
    where adds_to_quotas(m) and w.starts_at >= q.first_window
    group by q.tenant_id, q.id, w.starts_at
    order by q.tenant_id, q.id, w.starts_at
    on conflict (tenant_id, quota_id, starts_at) do update set used = c.used + excluded.used;
    return null;
end
$$;
create trigger quotas_counted after insert on usage_deltas referencing new table as inserted
    for each statement execute function count_quotas();

-- Where a transaction is to keep them (setting quotas), no hard quota is passed by more than before; before, what it settles
-- (setting settling) held a part. Each threshold that is crossed is told once a window.
create function check_quota() returns trigger
    language plpgsql
as $$
declare
    q record;
    taken numeric := new.used + new.reserved;
    held numeric := 0;
begin
    select o.kind, o.period, o.allowed, o.thresholds, o.resource_id, m.id as meter_id, m.code, m.unit, m.divide_by,
           case when adds_to_quotas(m) then o.allowed * coalesce(m.divide_by, 1) else o.allowed end as most,
           case when adds_to_quotas(m) then usage_quantity(new.used, m.divide_by) else new.used end as used
    into strict q
    from quotas o join meters m on m.id = o.meter_id
    where o.tenant_id = new.tenant_id and o.id = new.quota_id;
    if setting('settling') is not null then
        held := coalesce((select r.quantity from reservation_parts p
                          join reservations r on r.tenant_id = p.tenant_id and r.id = p.reservation_id
                          where p.tenant_id = new.tenant_id and p.reservation_id = setting('settling')
                            and p.quota_id = new.quota_id and p.starts_at = new.starts_at and r.ended_at < r.expires_at), 0);
    end if;
    if setting('quotas') = 'kept' and q.kind = 'hard' and taken > q.most
       and (tg_op = 'INSERT' or taken > old.used + old.reserved + held) then
        raise exception using errcode = '23514', constraint = 'quota_kept', table = 'quota_counters',
            message = format('The quota %s is passed.', new.quota_id);
    end if;
    with crossed as (
        insert into quota_alerts (tenant_id, quota_id, starts_at, threshold, allowed, used)
        select new.tenant_id, new.quota_id, new.starts_at, t.threshold, q.allowed, q.used
        from unnest(q.thresholds) t(threshold)
        where new.used * 100 >= q.most * t.threshold
        order by t.threshold
        on conflict do nothing
        returning threshold, at
    )
    insert into webhook_messages (tenant_id, type, data)
    select new.tenant_id, 'quota.threshold_crossed', jsonb_build_object(
        'quota_id', new.quota_id, 'meter', q.code, 'unit', q.unit, 'resource_id', q.resource_id, 'kind', q.kind,
        'threshold', c.threshold, 'limit', number_text(q.allowed), 'used', number_text(q.used),
        'starts_at', instant_text(new.starts_at), 'ends_at', instant_text(quota_window_end(q.period, new.starts_at)),
        'at', instant_text(c.at))
    from crossed c order by c.threshold;
    return null;
end
$$;
create trigger checked after insert or update of used, reserved on quota_counters for each row execute function check_quota();

-- ---- Making and changing them ----

-- With the window that runs; used and reserved in the meter's unit.
create function quota_document(q quotas) returns json
    language sql stable
as $$
    select json_build_object(
        'id', q.id, 'tenant_id', q.tenant_id, 'meter', m.code, 'unit', m.unit, 'subject', q.resource_id, 'kind', q.kind,
        'period', q.period, 'limit', number_text(q.allowed), 'thresholds', q.thresholds,
        'window', json_build_object(
            'starts_at', case when q.period <> 'total' then instant_text(w.starts_at) end,
            'ends_at', instant_text(quota_window_end(q.period, w.starts_at)), 'used', number_text(w.used),
            'reserved', number_text(w.reserved), 'remaining', number_text(greatest(q.allowed - w.used - w.reserved, 0))),
        'created_by', q.created_by, 'created_at', instant_text(q.created_at), 'updated_at', instant_text(q.updated_at))
    from meters m
    cross join lateral (
        select o.starts_at, usage_quantity(coalesce(c.used, 0), d.divide_by) as used,
               usage_quantity(coalesce(c.reserved, 0), d.divide_by) as reserved
        from (select quota_window(q.period, now()) as starts_at) o
        cross join (select case when adds_to_quotas(m) then m.divide_by end as divide_by) d
        left join quota_counters c on c.tenant_id = q.tenant_id and c.quota_id = q.id and c.starts_at = o.starts_at) w
    where m.id = q.meter_id
$$;

-- What was used in the window that runs is counted while nobody stores; from then on everything that comes is.
create function quota_make(for_tenant text, new_id text, of_meter text, of_resource text, by_actor text, body jsonb) returns json
    language plpgsql
as $$
declare
    made quotas;
begin
    perform lock_tenant_events_exclusive(for_tenant);
    if (select count(*) from quotas q where q.tenant_id = for_tenant) >= 1000 then
        perform refuse('quotas_full', 'A tenant has 1,000 quotas at most.');
    elsif (select count(*) from quotas q where q.tenant_id = for_tenant and q.meter_id = of_meter
                                           and q.resource_id is not distinct from of_resource) >= 10 then
        perform refuse('quotas_full', 'Of a meter there are 10 quotas at most of all resources, and of each one.');
    end if;
    insert into quotas (tenant_id, id, meter_id, resource_id, kind, period, allowed, thresholds, first_window, created_by)
    values (for_tenant, new_id, of_meter, of_resource, body ->> 'kind', body ->> 'period', (body ->> 'limit')::numeric,
            array(select distinct t::smallint from jsonb_array_elements_text(coalesce(body -> 'thresholds', '[80, 100]')) t
                  order by 1),
            quota_window(body ->> 'period', now()), by_actor)
    returning * into made;
    insert into quota_counters (tenant_id, quota_id, starts_at, used)
    select for_tenant, new_id, quota_window(made.period, u.slot),
           sum(case m.aggregation when 'count' then u.count else u.total end)
    from meters m
    cross join lateral (
        select u.slot, u.count, u.total from usage_all u
        where u.tenant_id = for_tenant and u.meter_id = of_meter and u.slot >= made.first_window
          and (of_resource is null or u.resource_id = of_resource)
        offset 0) u
    where m.id = of_meter and adds_to_quotas(m)
    group by quota_window(made.period, u.slot);
    return quota_document(made);
end
$$;

-- With another limit or other thresholds, what is used may have crossed some.
create function quota_change(for_tenant text, of_quota text, seen_version bigint, by_side text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target quotas;
begin
    select q.* into target from quotas q
    where q.id = of_quota and (for_tenant is null or q.tenant_id = for_tenant) for update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    elsif target.kind = 'hard' and by_side = 'tenant' then
        perform refuse('forbidden', 'The operator sets hard quotas.');
    elsif (body ->> 'limit')::numeric = 0 then
        perform refuse('value_refused', 'limit must be more than 0.');
    end if;
    update quotas q
    set allowed = coalesce((body ->> 'limit')::numeric, q.allowed),
        thresholds = case when body ? 'thresholds'
                          then array(select distinct t::smallint from jsonb_array_elements_text(body -> 'thresholds') t order by 1)
                          else q.thresholds end,
        version = q.version + 1, updated_at = now()
    where q.tenant_id = target.tenant_id and q.id = target.id
    returning * into target;
    delete from quota_alerts a using quota_counters c, meters m
    where a.tenant_id = target.tenant_id and a.quota_id = target.id and a.starts_at = quota_window(target.period, now())
      and c.tenant_id = a.tenant_id and c.quota_id = a.quota_id and c.starts_at = a.starts_at and m.id = target.meter_id
      and c.used * 100 < target.allowed * case when adds_to_quotas(m) then coalesce(m.divide_by, 1) else 1 end * a.threshold;
    update quota_counters c set used = c.used
    where c.tenant_id = target.tenant_id and c.quota_id = target.id and c.starts_at = quota_window(target.period, now());
    return query select quota_document(target), target.version;
end
$$;

-- Nobody counts meanwhile; no row where it is not there.
create function quota_delete(for_tenant text, of_quota text, seen_version bigint, by_side text)
    returns table (outcome text, detail text)
    language plpgsql
as $$
declare
    target quotas;
begin
    select q.* into target from quotas q where q.id = of_quota and (for_tenant is null or q.tenant_id = for_tenant);
    if not found then
        return;
    end if;
    perform lock_tenant_events_exclusive(target.tenant_id);
    select q.* into target from quotas q where q.tenant_id = target.tenant_id and q.id = target.id for update;
    if not found then
        return;
    elsif seen_version <> target.version then
        return query select 'stale', null::text;
    elsif target.kind = 'hard' and by_side = 'tenant' then
        return query select 'forbidden', 'The operator sets hard quotas.';
    else
        delete from quotas q where q.tenant_id = target.tenant_id and q.id = target.id;
        return query select 'ok', null::text;
    end if;
end
$$;

-- RADIUS counts beside it.
create or replace function meter_traffic() returns trigger
    language plpgsql
as $$
declare
    first timestamptz;
    last timestamptz;
    tenant text;
begin
    select min(a.at), max(a.at) into first, last from added a;
    if first is null then
        return null;
    end if;
    perform lock_usage_periods(first, last);
    for tenant in select distinct a.tenant_id from added a order by 1 loop
        perform lock_tenant_events_shared(tenant);
    end loop;
    insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, total, count, maximum,
                              latest_at, latest)
    select a.tenant_id, m.id, a.resource_id, usage_slot(a.at), counting_period(a.tenant_id, a.at), v.bytes, 1, v.bytes,
           a.at, v.bytes
    from added a
    cross join meters m
    cross join lateral (select case m.value_property when 'input_bytes' then a.input_bytes
                                                     when 'output_bytes' then a.output_bytes
                                                     else a.input_bytes + a.output_bytes end as bytes) v
    where m.source = 'broadband' and m.aggregation = 'sum' and v.bytes > 0;
    return null;
end
$$;

-- ---- Reservations ----

create function reservation_document(r reservations) returns json
    language sql stable
as $$
    select json_build_object(
        'id', r.id, 'tenant_id', r.tenant_id, 'meter', m.code, 'subject', r.resource_id, 'quantity', number_text(r.quantity),
        'state', case when r.state = 'held' and r.expires_at <= clock_timestamp() then 'expired' else r.state end,
        'settled', number_text(r.settled), 'expires_at', instant_text(r.expires_at), 'created_by', r.created_by,
        'created_at', instant_text(r.created_at), 'ended_at', instant_text(r.ended_at))
    from meters m where m.id = r.meter_id
$$;

-- Whoever ends or makes a reservation holds the counters first, in the order in which they are counted; each function once.

-- The counters of the quotas of a type's events, at a time, of all resources or of one.
create function hold_counters(of_tenant text, of_type text, of_resource text, at timestamptz) returns void
    language sql
as $$
    insert into quota_counters as c (tenant_id, quota_id, starts_at, used)
    select q.tenant_id, q.id, w.starts_at, 0
    from quotas q
    join meters m on m.id = q.meter_id and m.source = 'events' and m.event_type = of_type and adds_to_quotas(m)
    cross join lateral (select quota_window(q.period, hold_counters.at) as starts_at) w
    where q.tenant_id = of_tenant and (q.resource_id is null or q.resource_id = of_resource) and w.starts_at >= q.first_window
    order by q.tenant_id, q.id, w.starts_at
    on conflict (tenant_id, quota_id, starts_at) do update set used = c.used
$$;

-- Those of which some reservations hold a part.
create function hold_counters_of(tenants text[], ids text[]) returns void
    language plpgsql
as $$
begin
    perform from quota_counters c
    where (c.tenant_id, c.quota_id, c.starts_at) in (
        select p.tenant_id, p.quota_id, p.starts_at
        from unnest(tenants, ids) r(tenant_id, id)
        join reservation_parts p on p.tenant_id = r.tenant_id and p.reservation_id = r.id)
    order by c.tenant_id, c.quota_id, c.starts_at
    for no key update;
end
$$;

-- What reservations hold no more is free.
create function free_reservation() returns trigger
    language plpgsql
as $$
begin
    update quota_counters c set reserved = c.reserved - old.quantity
    from (select p.quota_id, p.starts_at
          from reservation_parts p join quota_counters o
              on o.tenant_id = p.tenant_id and o.quota_id = p.quota_id and o.starts_at = p.starts_at
          where p.tenant_id = old.tenant_id and p.reservation_id = old.id
          order by p.quota_id, p.starts_at for no key update of o) p
    where c.tenant_id = old.tenant_id and c.quota_id = p.quota_id and c.starts_at = p.starts_at;
    return null;
end
$$;
create trigger freed after update of state on reservations for each row
    when (old.state = 'held' and new.state <> 'held') execute function free_reservation();

create function reservation_release(for_tenant text, of_reservation text) returns setof reservations
    language plpgsql
as $$
declare
    target reservations;
begin
    select r.* into target from reservations r
    where r.id = of_reservation and (for_tenant is null or r.tenant_id = for_tenant);
    perform hold_counters_of(array[target.tenant_id], array[target.id]);
    select r.* into target from reservations r where r.tenant_id = target.tenant_id and r.id = target.id for update;
    if not found then
        return;
    elsif target.state = 'settled' then
        perform refuse('state_conflict', 'What it was for is counted; void that event.');
    elsif target.state = 'held' then
        update reservations r set state = 'released', ended_at = clock_timestamp()
        where r.tenant_id = target.tenant_id and r.id = target.id
        returning * into target;
    end if;
    return next target;
end
$$;

-- Ends what was not settled in time, of one tenant, or of all where null; how many.
create function expire_reservations(of_tenant text, at_most integer) returns integer
    language plpgsql
as $$
declare
    tenants text[];
    ids text[];
    count_of integer;
begin
    select array_agg(d.tenant_id), array_agg(d.id) into tenants, ids
    from (select r.tenant_id, r.id from reservations r
          where r.state = 'held' and r.expires_at <= clock_timestamp() and (of_tenant is null or r.tenant_id = of_tenant)
          order by r.tenant_id, r.id limit at_most) d;
    perform hold_counters_of(tenants, ids);
    update reservations r set state = 'expired', ended_at = r.expires_at
    from (select o.tenant_id, o.id from reservations o
          where (o.tenant_id, o.id) in (select u.tenant_id, u.id from unnest(tenants, ids) u(tenant_id, id)) and o.state = 'held'
          order by o.tenant_id, o.id for no key update skip locked) d
    where r.tenant_id = d.tenant_id and r.id = d.id;
    get diagnostics count_of = row_count;
    return count_of;
end
$$;

-- Holds a quantity for a resource in the windows that run, in each hard quota that it counts in, or in none.
create function reserve(for_tenant text, new_id text, by_actor text, body jsonb) returns setof reservations
    language plpgsql
as $$
declare
    m meters;
    resource text;
    wanted numeric := (body ->> 'quantity')::numeric;
    at timestamptz;
    tight record;
    made reservations;
begin
    select e.* into m from meters e where e.code = body ->> 'meter' or e.id = body ->> 'meter';
    if not found or m.source <> 'events' or not adds_to_quotas(m) then
        perform refuse('value_refused', 'meter must be one of events that adds up (sum, count).');
    elsif m.aggregation = 'count' and wanted <> 1 then
        perform refuse('value_refused', 'This meter counts events: reserve 1.');
    end if;
    select r.id into resource from resources r
    where r.tenant_id = for_tenant and (r.id = body ->> 'subject' or r.external_id = body ->> 'subject')
    order by r.id <> body ->> 'subject' limit 1;
    if not found then
        perform refuse('reference_unknown', 'subject must name a resource of the tenant.');
    end if;
    perform lock_tenant_events_shared(for_tenant);
    at := clock_timestamp();
    perform hold_counters(for_tenant, m.event_type, resource, at);
    -- What expired there holds nothing, even where nobody ended it yet.
    with expired as (
        delete from reservation_parts p
        using reservations r, quotas q
        where q.tenant_id = for_tenant and q.meter_id = m.id and (q.resource_id is null or q.resource_id = resource)
          and p.tenant_id = q.tenant_id and p.quota_id = q.id and p.starts_at = quota_window(q.period, at)
          and r.tenant_id = p.tenant_id and r.id = p.reservation_id and r.state = 'held' and r.expires_at <= at
        returning p.quota_id, p.starts_at, r.quantity
    )
    update quota_counters c set reserved = c.reserved - e.quantity
    from (select x.quota_id, x.starts_at, sum(x.quantity) as quantity from expired x group by 1, 2) e
    where c.tenant_id = for_tenant and c.quota_id = e.quota_id and c.starts_at = e.starts_at;
    select q.id, greatest(q.allowed * coalesce(m.divide_by, 1) - c.used - c.reserved, 0) as room into tight
    from quotas q
    join quota_counters c on c.tenant_id = q.tenant_id and c.quota_id = q.id and c.starts_at = quota_window(q.period, at)
    where q.tenant_id = for_tenant and q.meter_id = m.id and q.kind = 'hard'
      and (q.resource_id is null or q.resource_id = resource)
      and q.allowed * coalesce(m.divide_by, 1) - c.used - c.reserved < wanted
    order by 2 limit 1;
    if found then
        perform refuse('quota_exceeded', format('Of the quota %s, %s remain.', tight.id, number_text(tight.room)));
    end if;
    insert into reservations (tenant_id, id, meter_id, resource_id, quantity, created_at, expires_at, created_by)
    values (for_tenant, new_id, m.id, resource, wanted, at,
            at + coalesce((body ->> 'expires_in')::integer, 900) * interval '1 second', by_actor)
    returning * into made;
    insert into reservation_parts (tenant_id, reservation_id, quota_id, starts_at)
    select for_tenant, new_id, q.id, quota_window(q.period, at)
    from quotas q
    where q.tenant_id = for_tenant and q.meter_id = m.id and q.kind = 'hard'
      and (q.resource_id is null or q.resource_id = resource);
    update quota_counters c set reserved = c.reserved + wanted
    from reservation_parts p
    where p.tenant_id = for_tenant and p.reservation_id = new_id
      and c.tenant_id = for_tenant and c.quota_id = p.quota_id and c.starts_at = p.starts_at;
    return next made;
end
$$;

-- Ends a reservation in the transaction that stores what it was for; one that expired holds nothing any more, and what is
-- stored takes what remains. False where it was settled, which the key of its event tells from then on.
create function settle_reservation(of_tenant text, of_reservation text, used numeric) returns boolean
    language plpgsql
as $$
declare
    target record;
begin
    select r.resource_id, r.created_at, m.event_type into target
    from reservations r join meters m on m.id = r.meter_id
    where r.tenant_id = of_tenant and r.id = of_reservation;
    perform hold_counters(of_tenant, target.event_type, target.resource_id, target.created_at);
    update reservations r set state = 'settled', settled = used, ended_at = clock_timestamp()
    where r.tenant_id = of_tenant and r.id = of_reservation and r.state in ('held', 'expired');
    if found then
        perform set_config('bccd.settling', of_reservation, true);
        return true;
    elsif exists (select from reservations r where r.tenant_id = of_tenant and r.id = of_reservation and r.state = 'released') then
        perform refuse('state_conflict', 'It was released.');
    end if;
    return false;
end
$$;

-- ---- What is observed ----

-- The quotas that traffic passed, in the windows that run.
create function passed_quotas() returns table (tenant_id text, quota_id text, starts_at timestamptz, resource_id text)
    language sql stable
as $$
    select q.tenant_id, q.id, c.starts_at, q.resource_id
    from quotas q
    join meters m on m.id = q.meter_id and m.source = 'broadband' and adds_to_quotas(m)
    join quota_counters c on c.tenant_id = q.tenant_id and c.quota_id = q.id
        and c.starts_at = quota_window(q.period, now()) and c.used > q.allowed * coalesce(m.divide_by, 1)
    where q.kind = 'hard'
$$;

-- Holds the lines of hard quotas that were passed, each once a window, and lets go those of windows that are over, or whose
-- quota has room again; some of them, in no order, so that one that cannot be held or let go holds up no other for long. How
-- many it did.
create function keep_observed_quotas(at_most integer) returns integer
    language plpgsql
as $$
declare
    target record;
    done integer := 0;
begin
    delete from quota_lines l
    where not exists (select from passed_quotas() p
                      where p.tenant_id = l.tenant_id and p.quota_id = l.quota_id and p.starts_at = l.starts_at);
    insert into quota_lines (tenant_id, quota_id, starts_at, resource_id)
    select p.tenant_id, p.quota_id, p.starts_at, h.resource_id
    from passed_quotas() p
    join resource_holds h on h.tenant_id = p.tenant_id and h.kind = 'quota'
        and (p.resource_id is null or h.resource_id = p.resource_id)
    on conflict do nothing;
    for target in
        select p.tenant_id, p.quota_id, p.starts_at, r.id as resource_id
        from passed_quotas() p
        join resources r on r.tenant_id = p.tenant_id and r.kind = 'broadband' and r.state in ('active', 'suspended')
            and (p.resource_id is null or r.id = p.resource_id)
        where not exists (select from resource_holds h
                          where h.tenant_id = r.tenant_id and h.resource_id = r.id and h.kind = 'quota')
          and not exists (select from quota_lines l
                          where l.tenant_id = p.tenant_id and l.quota_id = p.quota_id and l.starts_at = p.starts_at
                            and l.resource_id = r.id)
        order by random() limit at_most
    loop
        if quota_act(target.tenant_id, target.resource_id, 'suspend', target.quota_id) then
            insert into quota_lines (tenant_id, quota_id, starts_at, resource_id)
            values (target.tenant_id, target.quota_id, target.starts_at, target.resource_id)
            on conflict do nothing;
            done := done + 1;
        end if;
    end loop;
    for target in
        select h.tenant_id, h.resource_id
        from resource_holds h
        where h.kind = 'quota'
          and not exists (select from passed_quotas() p
                          where p.tenant_id = h.tenant_id and (p.resource_id is null or p.resource_id = h.resource_id))
        order by random() limit at_most
    loop
        done := done + quota_act(target.tenant_id, target.resource_id, 'resume', null)::integer;
    end loop;
    return done;
end
$$;

-- False where the action is refused; it is tried again.
create function quota_act(of_tenant text, of_resource text, action text, quota text) returns boolean
    language plpgsql
as $$
begin
    perform from resource_act(of_tenant, 'operator', coalesce(setting('actor'), session_user), of_resource, action, null,
                              jsonb_strip_nulls(jsonb_build_object('hold', 'quota', 'reason', quota)), null);
    return true;
exception
    when sqlstate 'BC422' then
        raise log 'the hold of a quota on % could not be changed (%): %', of_resource, action, sqlerrm;
        return false;
end
$$;

alter table resource_holds
    drop constraint resource_holds_kind_check,
    add constraint resource_holds_kind check (kind in ('billing', 'abuse', 'operator', 'tenant', 'quota'));
