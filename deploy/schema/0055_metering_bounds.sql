-- Metering under what may come: sets of any size, voids by the thousand, values as ingestion reads them.
set local role bccd_owner;

-- ---- The different values of unique ----

-- A row a value, of a slot that has any; so a set may be of any size, and folding adds to it.
create sequence usage_member_sets;
grant usage on sequence usage_member_sets to bccd_jobs;
create table usage_members (
    tenant_id text collate "C" not null,
    member_set bigint not null, -- usage_slots.member_set
    member text collate "C" not null,
    primary key (tenant_id, member_set, member)
);
comment on table usage_members is 'domain: metering; the different values that were seen in slots of unique meters';
call protect_tenant_table('usage_members');
grant select on usage_members to bccd_tenant, bccd_operator;
grant select, insert on usage_members to bccd_jobs;
create policy lookup on usage_members to bccd_lookup using (true);
grant select, delete on usage_members to bccd_lookup;

alter table usage_slots add column member_set bigint;
create index usage_slots_members on usage_slots (tenant_id, meter_id, slot) where member_set is not null;
create index usage_deltas_members on usage_deltas (tenant_id, meter_id, slot) where members is not null;

-- Back-computation took longer ones, which ingestion refuses.
alter table usage_slots no force row level security;
alter table usage_deltas no force row level security;
alter table usage_members no force row level security;
update usage_slots s set member_set = nextval('usage_member_sets') where s.members is not null;
insert into usage_members (tenant_id, member_set, member)
select distinct s.tenant_id, s.member_set, m.text
from usage_slots s cross join lateral jsonb_array_elements_text(s.members) m(text)
where s.members is not null and octet_length(m.text) <= 256;
update usage_deltas d
set members = (select coalesce(jsonb_agg(m.value) filter (where octet_length(m.value #>> '{}') <= 256), '[]')
               from jsonb_array_elements(d.members) m(value))
where exists (select from jsonb_array_elements_text(d.members) m(text) where octet_length(m.text) > 256);
alter table usage_slots force row level security;
alter table usage_deltas force row level security;
alter table usage_members force row level security;

drop view usage_current;
drop view usage_all;
alter table usage_slots drop column members;
drop function count_members, merge_members;

-- ---- What stored events say, as ingestion reads it ----

alter table meters
    drop constraint meters_aggregation,
    add constraint meters_aggregation
        check (aggregation in ('sum', 'count', 'max', 'min', 'latest', 'unique', 'days', 'p95', 'p95_enhanced', 'top5_day_peaks'));

create function is_bandwidth(aggregation text) returns boolean
    language sql immutable parallel safe
    return aggregation in ('p95', 'p95_enhanced', 'top5_day_peaks');

create function five_minutes(at timestamptz) returns timestamptz
    language sql immutable parallel safe
    return date_bin(interval '5 minutes', at, timestamptz '1970-01-01 00:00:00+00');

-- Where an event counts in a meter's roll-ups: a quarter hour, or five minutes of it.
create function meter_slot(aggregation text, at timestamptz) returns timestamptz
    language sql immutable parallel safe
    return case when is_bandwidth(aggregation) then five_minutes(at) else usage_slot(at) end;

-- Null where it is no decimal that a meter could count. Not strict, so that it is written into its caller.
create or replace function event_decimal(text) returns numeric
    language sql immutable parallel safe
    return case when $1 ~ '^[0-9]{1,18}(\.[0-9]{1,12})?$' then $1::numeric end;

-- Whether it can be told apart: it is no object or array, and short enough as it is spelled.
create function event_distinct(value json) returns boolean
    language sql immutable parallel safe
    return coalesce(json_typeof(value) not in ('object', 'array')
                    and octet_length(value::text) - case json_typeof(value) when 'string' then 2 else 0 end <= 256, true);

create function event_dimensions_distinct(data json, dimensions text[]) returns boolean
    language sql immutable strict parallel safe
    return not exists (select from unnest(dimensions) d(name) where not event_distinct(data -> d.name));

-- What the events of a batch are to meters, the voided ones, too: of some numbers, meters, resources and quarter hours, or of
-- all where null. Most meters have no filters and no dimensions, and are not asked for these. There are too many events for
-- nested loops, which the planner would take for what it knows nothing of.
drop view metered_events;
create function metered_batch(of_tenant text, of_batch bigint, of_numbers bigint[], of_meters text[], of_resources text[],
                              of_slots timestamptz[])
    returns table (number bigint, voided boolean, meter_id text, aggregation text, counted boolean, resource_id text,
                   slot timestamptz, "time" timestamptz, dimensions text[], value numeric, member text)
    language plpgsql stable set enable_nestloop = off
as $$
begin
    return query
    with event as materialized (
        select of_batch << 14 | e.place as number, b.types[e.type_at] as type, b.resources[e.subject_at] as resource_id,
               event_time(e.at) as time, e.data
        from event_batches b
        cross join lateral rows from (
            unnest(b.type_at), unnest(b.subject_at), unnest(b.times), json_array_elements(b.data::json))
            with ordinality as e(type_at, subject_at, at, data, place)
        where b.tenant_id = of_tenant and b.number = of_batch
          and (of_numbers is null or of_batch << 14 | e.place = any (of_numbers))
          and (of_resources is null or b.resources[e.subject_at] = any (of_resources))
          and (of_slots is null or usage_slot(event_time(e.at)) = any (of_slots))
    )
    select e.number, v.event is not null, m.id, m.aggregation, batch_is_counted(of_batch, m.first_batch, c.computed_to),
           e.resource_id, meter_slot(m.aggregation, e.time), e.time,
           case when m.dimensions = '{}' then m.dimensions else event_dimensions(e.data, m.dimensions) end,
           case m.aggregation when 'count' then 1 when 'unique' then 0 else event_decimal(e.data ->> m.value_property) end,
           case when m.aggregation = 'unique' then e.data ->> m.value_property end
    from event e
    join meters m on m.source = 'events' and m.event_type = e.type and (of_meters is null or m.id = any (of_meters))
    left join back_computations c on c.meter_id = m.id
    left join event_voids v on v.tenant_id = of_tenant and v.event = e.number
        and v.event >= of_batch << 14 and v.event < (of_batch + 1) << 14
    where (m.filters = '[]' or event_passes(e.data, m.filters))
      and (m.dimensions = '{}' or event_dimensions_distinct(e.data, m.dimensions))
      and case m.aggregation when 'count' then true
                             when 'unique' then e.data ->> m.value_property is not null and event_distinct(e.data -> m.value_property)
                             else event_decimal(e.data ->> m.value_property) is not null end;
end
$$;

-- ---- Voids ----

-- Of keys, in the order in which they are asked for: the number of the event, 0 where there is none, and what it is. A batch
-- at a time, whose columns are unpacked once.
create function find_events(of_tenant text, sources text[], ids text[])
    returns table (place integer, event bigint, resource_id text, type text, at bigint)
    language plpgsql stable
as $$
declare
    wanted record;
    b event_batches;
begin
    for wanted in
        select w.place, k.batch, k.place as place_in_batch
        from unnest(sources, ids) with ordinality as w(source, id, place)
        join tenants t on t.id = of_tenant
        left join event_sources s on s.tenant_id = of_tenant and s.source = w.source
        left join event_keys k on k.tenant = t.number and k.source = s.number and k.id = w.id
        order by k.batch
    loop
        if wanted.batch is not null and b.number is distinct from wanted.batch then
            select e.* into b from event_batches e where e.tenant_id = of_tenant and e.number = wanted.batch;
        end if;
        place := wanted.place;
        event := 0;
        resource_id := null;
        type := null;
        at := null;
        if b.number = wanted.batch then
            event := wanted.batch << 14 | wanted.place_in_batch;
            resource_id := b.resources[b.subject_at[wanted.place_in_batch]];
            type := b.types[b.type_at[wanted.place_in_batch]];
            at := b.times[wanted.place_in_batch];
        end if;
        return next;
    end loop;
end
$$;

-- What voids take off, in the month from which it counts no more. Of sums and counts it is taken off; of all else the slots
-- are counted anew, of the batches that have events in them. The caller holds lock_usage_periods and
-- lock_tenant_events_exclusive. No batch came more than a day before its latest event (event_future_limit).
create or replace function recount_voided() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform lock_folding_exclusive();
    with batches as materialized (
        select a.tenant_id, a.event >> 14 as number, array_agg(a.event) as events from added a group by 1, 2
    ), found as materialized (
        select b.tenant_id, e.number, e.meter_id, e.aggregation, e.resource_id, e.slot, e.dimensions, e.time, e.value
        from batches b cross join lateral metered_batch(b.tenant_id, b.number, b.events, null, null, null) e
        where e.counted
    ), voided as materialized (
        select f.tenant_id, f.meter_id, f.aggregation in ('sum', 'count') as adds_up, f.resource_id, f.slot, v.period,
               f.dimensions, f.time, f.value
        from found f join added v on v.tenant_id = f.tenant_id and v.event = f.number
    ), taken_off as (
        insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, dimensions, total, count, minimum, maximum,
                                  latest_at, latest)
        select v.tenant_id, v.meter_id, v.resource_id, v.slot, v.period, v.dimensions, -sum(v.value), -count(*), min(v.value),
               max(v.value), max(v.time), (array_agg(v.value order by v.time desc, v.value desc))[1]
        from voided v
        where v.adds_up
        group by v.tenant_id, v.meter_id, v.resource_id, v.slot, v.period, v.dimensions
    ), slots as materialized (
        select distinct v.tenant_id, v.meter_id, v.resource_id, v.slot, v.period from voided v where not v.adds_up
    ), restated as (
        insert into usage_restatements (tenant_id, meter_id, resource_id, slot, period)
        select s.tenant_id, s.meter_id, s.resource_id, s.slot, s.period
        from slots s
        where exists (select from usage_slots u
                      where u.tenant_id = s.tenant_id and u.meter_id = s.meter_id and u.slot = s.slot
                        and u.resource_id = s.resource_id and u.period < s.period)
           or exists (select from usage_deltas u
                      where u.tenant_id = s.tenant_id and u.meter_id = s.meter_id and u.slot = s.slot
                        and u.resource_id = s.resource_id and u.period < s.period)
        on conflict do nothing
    ), unfolded as (
        delete from usage_deltas u using slots s
        where u.tenant_id = s.tenant_id and u.meter_id = s.meter_id and u.slot = s.slot and u.resource_id = s.resource_id
          and u.period = s.period
    ), folded as (
        delete from usage_slots u using slots s
        where u.tenant_id = s.tenant_id and u.meter_id = s.meter_id and u.slot = s.slot and u.resource_id = s.resource_id
          and u.period = s.period
        returning u.tenant_id, u.member_set
    ), members as (
        delete from usage_members m using folded f where m.tenant_id = f.tenant_id and m.member_set = f.member_set
    ), touched as materialized (
        select b.tenant_id, b.number, array_agg(distinct s.resource_id) as resources, array_agg(distinct s.slot) as slots
        from (select distinct s.tenant_id, s.resource_id, usage_slot(s.slot) as slot from slots s) s
        join event_resources x on x.tenant_id = s.tenant_id and x.resource_id = s.resource_id
            and x.batch >= event_batch_first((s.slot at time zone 'UTC')::date - 1)
        join event_batches b on b.tenant_id = x.tenant_id and b.number = x.batch
            and b.last_time >= s.slot and b.first_time < s.slot + interval '15 minutes'
        group by b.tenant_id, b.number
    ), left_over as materialized (
        select b.tenant_id, e.meter_id, e.resource_id, e.slot, e.dimensions, e.time, e.value, e.member
        from touched b
        cross join lateral metered_batch(b.tenant_id, b.number, null, (select array_agg(distinct s.meter_id) from slots s),
                                         b.resources, b.slots) e
        where e.counted and not e.voided
    )
    insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, dimensions, total, count, minimum, maximum,
                              latest_at, latest, members)
    select s.tenant_id, s.meter_id, s.resource_id, s.slot, s.period, e.dimensions, sum(e.value), count(*), min(e.value),
           max(e.value), max(e.time), (array_agg(e.value order by e.time desc, e.value desc))[1],
           jsonb_agg(distinct e.member) filter (where e.member is not null)
    from left_over e
    join slots s on s.tenant_id = e.tenant_id and s.meter_id = e.meter_id and s.resource_id = e.resource_id and s.slot = e.slot
    group by s.tenant_id, s.meter_id, s.resource_id, s.slot, s.period, e.dimensions;
    return null;
end
$$;

-- ---- Back-computation ----

-- One that failed is queued again, and goes on where it came to.
grant update (operation_id) on back_computations to bccd_operator;

-- Some of the batches that a meter has still to come to: as many as have so many bytes of data as they are stored, and one
-- more, so that the locks are held for a moment only.
create or replace function back_compute(of_meter text, at_most integer) returns integer
    language plpgsql
as $$
declare
    tenants text[];
    numbers bigint[];
    first timestamptz;
    last timestamptz;
    tenant text;
begin
    select array_agg(b.tenant_id), array_agg(b.number), min(b.first_time), max(b.last_time)
    into tenants, numbers, first, last
    from (select p.tenant_id, p.number, p.first_time, p.last_time,
                 sum(p.bytes) over (order by p.number) - p.bytes as before
          from (select q.tenant_id, q.number, q.first_time, q.last_time,
                       (select pg_column_size(e.data) + pg_column_size(e.ids) from event_batches e
                        where e.tenant_id = q.tenant_id and e.number = q.number) as bytes
                from batches_before(of_meter) q limit 1000) p) b
    where b.before < at_most;
    if numbers is null then
        update back_computations c set ended_at = now() where c.meter_id = of_meter and c.ended_at is null;
        return 0;
    end if;
    perform lock_usage_periods(first, last);
    for tenant in select distinct t from unnest(tenants) t order by t loop
        perform lock_tenant_events_shared(tenant);
    end loop;
    insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, dimensions, total, count, minimum, maximum,
                              latest_at, latest, members)
    select p.tenant_id, of_meter, e.resource_id, e.slot, counting_period(p.tenant_id, e.slot), e.dimensions,
           sum(e.value), count(*), min(e.value), max(e.value), max(e.time),
           (array_agg(e.value order by e.time desc, e.value desc))[1],
           jsonb_agg(distinct e.member) filter (where e.member is not null)
    from unnest(tenants, numbers) as p(tenant_id, number)
    cross join lateral metered_batch(p.tenant_id, p.number, null, array[of_meter], null, null) e
    where not e.voided
    group by p.tenant_id, e.resource_id, e.slot, e.dimensions;
    update back_computations c set computed_to = (select max(n) from unnest(numbers) n) where c.meter_id = of_meter;
    return cardinality(numbers);
end
$$;

-- ---- Locks ----

-- Who waits for longer is told to come again.
create or replace function lock_tenant_events_shared(of_tenant text) returns void
    language plpgsql volatile set lock_timeout = '5s'
as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('events ' || of_tenant, 20261130));
end
$$;
create or replace function lock_tenant_events_exclusive(of_tenant text) returns void
    language plpgsql volatile set lock_timeout = '5s'
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('events ' || of_tenant, 20261130));
end
$$;
create or replace function lock_folding_exclusive() returns void
    language plpgsql volatile set lock_timeout = '5s'
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('folding', 20261130));
end
$$;
