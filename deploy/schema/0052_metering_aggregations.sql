-- What a meter makes of events: which it counts (filters), what it tells apart (dimensions), the least and the different
-- ones beside sums, and in which unit; and events that are voided, after which what they counted in is counted anew.
set local role bccd_owner;

alter table meters
    drop constraint meters_aggregation_check,
    add constraint meters_aggregation
        check (aggregation in ('sum', 'count', 'max', 'min', 'latest', 'unique', 'days')),
    -- [{"property": "region", "values": ["cn", "hk"]}]: events that say one of the values under each of the properties
    add column filters jsonb not null default '[]'
        check (jsonb_typeof(filters) = 'array' and jsonb_array_length(filters) <= 5),
    -- properties of events by which usage is grouped
    add column dimensions text[] not null default '{}' check (cardinality(dimensions) <= 5),
    -- what is added up is divided by it at last, and rounded to 12 places: 3600 makes hours of seconds
    add column divide_by numeric check (divide_by > 0),
    add constraint meters_of_events
        check (source = 'events' or filters = '[]' and dimensions = '{}' and divide_by is null),
    add constraint meters_event_type check (event_type not like 'center.usage.%');

-- ---- Roll-ups ----

alter table usage_deltas
    add column dimensions text[] collate "C" not null default '{}', -- what the events say under the meter's dimensions
    add column minimum exact,
    add column members jsonb; -- of unique: the different values, an array of texts
alter table usage_slots
    add column dimensions text[] collate "C" not null default '{}',
    add column minimum exact,
    add column members jsonb;
alter table usage_slots
    drop constraint usage_slots_pkey,
    add primary key (tenant_id, meter_id, slot, resource_id, period, dimensions);

-- From a month on, what a slot had in earlier ones counts no more: all of it stands in that month anew. Where a month was
-- settled when an event in it was voided, this is how the difference comes into the next one.
create table usage_restatements (
    tenant_id text collate "C" not null,
    meter_id text collate "C" not null references meters,
    resource_id text collate "C" not null,
    slot timestamptz not null,
    period text collate "C" not null,
    primary key (tenant_id, meter_id, slot, resource_id, period)
);
comment on table usage_restatements is 'domain: metering; slots that were counted anew in a later month';
create index usage_restatements_period on usage_restatements (tenant_id, period);
call protect_tenant_table('usage_restatements');
grant select on usage_restatements to bccd_tenant, bccd_operator, bccd_jobs;

create or replace view usage_all with (security_invoker) as
select tenant_id, meter_id, resource_id, slot, period, total, count, maximum, latest_at, latest, dimensions, minimum, members
from usage_slots
union all
select tenant_id, meter_id, resource_id, slot, period, total, count, maximum, latest_at, latest, dimensions, minimum, members
from usage_deltas;

-- What counts now.
create view usage_current with (security_invoker) as
select u.tenant_id, u.meter_id, u.resource_id, u.slot, u.period, u.total, u.count, u.maximum, u.latest_at, u.latest,
       u.dimensions, u.minimum, u.members
from usage_all u
where not exists (
    select from usage_restatements r
    where r.tenant_id = u.tenant_id and r.meter_id = u.meter_id and r.slot = u.slot and r.resource_id = u.resource_id
      and r.period > u.period);
grant select on usage_current to bccd_tenant, bccd_operator, bccd_jobs;

-- The month from which a row counts no more; null where it still does.
create function superseded_in(of_tenant text, of_meter text, of_resource text, of_slot timestamptz, of_period text) returns text
    language plpgsql stable
as $$
begin
    return (select min(r.period) from usage_restatements r
            where r.tenant_id = of_tenant and r.meter_id = of_meter and r.slot = of_slot and r.resource_id = of_resource
              and r.period > of_period);
end
$$;

-- In the meter's unit: to 12 places, half away from zero.
create function usage_quantity(quantity numeric, divide_by numeric) returns numeric
    language sql immutable parallel safe
    return case when divide_by is null then quantity else round(round(quantity, 40) / divide_by, 12) end;

-- Whether what a row of usage says under the dimensions is among what is wanted of each: {"region": ["cn", null]}.
create function dimensions_pass(said text[], names text[], wanted jsonb) returns boolean
    language sql immutable parallel safe
    return not exists (
        select from jsonb_each(wanted) w
        cross join lateral (select said[array_position(names, w.key)] as value) s
        where not case when s.value is null then w.value @> 'null' else w.value ? s.value end);

-- Of sets of texts, how many different ones they have, and all of these.
create function count_members(sets jsonb[]) returns bigint
    language sql immutable parallel safe
    return (select count(distinct m.text collate "C") from unnest(sets) s, jsonb_array_elements_text(s) m(text));
create function merge_members(sets jsonb[]) returns jsonb
    language sql immutable parallel safe
    return (select jsonb_agg(d.text order by d.text)
            from (select distinct m.text collate "C" as text from unnest(sets) s, jsonb_array_elements_text(s) m(text)) d);

-- ---- Voids ----

create table event_voids (
    tenant_id text collate "C" not null,
    event bigint not null,  -- the number of the voided event
    batch bigint not null,  -- and the event that voids it
    place smallint not null,
    period text collate "C" not null, -- the month from which it counts no more
    primary key (tenant_id, event)
);
comment on table event_voids is 'domain: metering; events that count no more, and by which others';
call protect_tenant_table('event_voids');
grant select, insert on event_voids to bccd_tenant, bccd_operator;
grant select, delete on event_voids to bccd_jobs;

create or replace view events with (security_invoker) as
select b.tenant_id, b.number as batch, e.place, b.number << 14 | e.place as number,
       (select s.source from event_sources s where s.tenant_id = b.tenant_id and s.number = e.source_at) as source, e.id,
       b.types[e.type_at] as type, b.subjects[e.subject_at] as subject, b.resources[e.subject_at] as resource_id,
       event_time(e.at) as time, b.periods[e.period_at] as period, e.data, b.received_at,
       b.first_time, b.last_time, -- of the batch
       (select v.period from event_voids v where v.tenant_id = b.tenant_id and v.event = b.number << 14 | e.place) as voided_in
from event_batches b
cross join lateral rows from (
    unnest(b.source_at), unnest(b.ids), unnest(b.type_at), unnest(b.subject_at), unnest(b.period_at), unnest(b.times),
    json_array_elements(b.data::json))
    with ordinality as e(source_at, id, type_at, subject_at, period_at, at, data, place);

-- ---- From events to roll-ups, once more ----

-- The worker adds up what comes in; here is the same for what is stored, of which a part is counted anew.

-- Null where it is no decimal that a meter could count.
create function event_decimal(text) returns numeric
    language sql immutable strict parallel safe
    return case when $1 ~ '^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?$' then $1::numeric end;

create function event_passes(data json, filters jsonb) returns boolean
    language sql immutable strict parallel safe
    return not exists (
        select from jsonb_array_elements(filters) f
        where not coalesce(f.value -> 'values' ? (data ->> (f.value ->> 'property')), false));

create function event_dimensions(data json, dimensions text[]) returns text[]
    language sql immutable strict parallel safe
    return case when dimensions = '{}' then '{}'::text[]
                else array(select data ->> d.name from unnest(dimensions) with ordinality d(name, place) order by d.place) end;

-- What each event that was not voided is to each meter.
create view metered_events with (security_invoker) as
select e.tenant_id, e.batch, e.number, e.first_time, e.last_time, m.id as meter_id, e.resource_id,
       usage_slot(e.time) as slot, e.time, event_dimensions(e.data, m.dimensions) as dimensions,
       case m.aggregation when 'count' then 1 when 'unique' then 0
                          else event_decimal(e.data ->> m.value_property) end as value,
       case when m.aggregation = 'unique' then e.data ->> m.value_property end as member
from events e
join meters m on m.source = 'events' and m.event_type = e.type
where e.voided_in is null and event_passes(e.data, m.filters)
  and (m.aggregation = 'count'
       or case m.aggregation when 'unique' then e.data ->> m.value_property is not null
                             else event_decimal(e.data ->> m.value_property) is not null end);
grant select on metered_events to bccd_tenant, bccd_operator, bccd_jobs;

-- ---- Locks ----

-- Whoever stores events of a tenant holds them shared; whoever counts anew what is stored waits for these.
create function lock_tenant_events_shared(of_tenant text) returns void
    language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('events ' || of_tenant, 20261130));
end
$$;
create function lock_tenant_events_exclusive(of_tenant text) returns void
    language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('events ' || of_tenant, 20261130));
end
$$;
-- Folding moves rows that are counted anew.
create function lock_folding_shared() returns void
    language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('folding', 20261130));
end
$$;
create function lock_folding_exclusive() returns void
    language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('folding', 20261130));
end
$$;

-- ---- Counting anew ----

-- Counts the slots of voided events anew, in the month that they now count in. The caller holds lock_usage_periods and
-- lock_tenant_events_exclusive.
create function recount_voided() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    slot record;
begin
    perform lock_folding_exclusive();
    for slot in
        select distinct e.tenant_id, m.id as meter_id, e.resource_id, usage_slot(e.time) as slot, v.period
        from added v
        join events e on e.tenant_id = v.tenant_id and e.batch = v.event >> 14 and e.place = (v.event & ((1 << 14) - 1))
        join meters m on m.source = 'events' and m.event_type = e.type
        where event_passes(e.data, m.filters)
        order by 1, 2, 3, 4
    loop
        insert into usage_restatements (tenant_id, meter_id, resource_id, slot, period)
        select slot.tenant_id, slot.meter_id, slot.resource_id, slot.slot, slot.period
        where exists (select from usage_all u
                      where u.tenant_id = slot.tenant_id and u.meter_id = slot.meter_id and u.slot = slot.slot
                        and u.resource_id = slot.resource_id and u.period < slot.period)
        on conflict do nothing;
        delete from usage_deltas u
        where u.tenant_id = slot.tenant_id and u.meter_id = slot.meter_id and u.slot = slot.slot
          and u.resource_id = slot.resource_id and u.period = slot.period;
        delete from usage_slots u
        where u.tenant_id = slot.tenant_id and u.meter_id = slot.meter_id and u.slot = slot.slot
          and u.resource_id = slot.resource_id and u.period = slot.period;
        insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, dimensions, total, count, minimum, maximum,
                                  latest_at, latest, members)
        select slot.tenant_id, slot.meter_id, slot.resource_id, slot.slot, slot.period, e.dimensions, sum(e.value),
               count(*), min(e.value), max(e.value), max(e.time),
               (array_agg(e.value order by e.time desc, e.value desc))[1],
               jsonb_agg(distinct e.member) filter (where e.member is not null)
        from event_resources x
        join metered_events e on e.tenant_id = x.tenant_id and e.batch = x.batch and e.resource_id = x.resource_id
        where x.tenant_id = slot.tenant_id and x.resource_id = slot.resource_id and e.meter_id = slot.meter_id
          and e.slot = slot.slot and e.last_time >= slot.slot and e.first_time < slot.slot + interval '15 minutes'
        group by e.dimensions;
    end loop;
    return null;
end
$$;
create trigger recounted after insert on event_voids referencing new table as added
    for each statement execute function recount_voided();

-- Into a settled month nothing is written.
create trigger settled_period after insert on event_voids referencing new table as inserted
    for each statement execute function refuse_settled_period();

create policy lookup on meters for select to bccd_lookup using (true);
create policy lookup on usage_deltas to bccd_lookup using (true);
create policy lookup on usage_slots to bccd_lookup using (true);
create policy lookup on usage_restatements to bccd_lookup using (true);
create policy lookup on event_voids to bccd_lookup using (true);
create policy lookup on event_sources for select to bccd_lookup using (true);
create policy lookup on invoices for select to bccd_lookup using (true);
grant select on meters, event_sources, events, metered_events, usage_all to bccd_lookup;
grant select, insert, delete on usage_deltas to bccd_lookup;
grant select, delete on usage_slots to bccd_lookup;
grant select, insert on usage_restatements to bccd_lookup;
grant select, delete on event_voids to bccd_lookup;
grant select (tenant_id, period, kind, state) on invoices to bccd_lookup;
alter function recount_voided owner to bccd_lookup;


-- ---- Keeping and forgetting ----

-- As before; what voided an event is forgotten with it.
create or replace function forget_event_batches(before date, at_most integer) returns integer
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    partition regclass;
    count_of integer;
begin
    create temporary table going (tenant_id text collate "C", number bigint) on commit drop;
    for partition in
        select i.inhrelid from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'event_batches'::regclass and c.relname < 'event_batches_' || to_char(before, 'YYYYMMDD')
        order by c.relname
    loop
        execute format('insert into going select b.tenant_id, b.number from %s b
                        where not exists (select from unnest(b.periods) p where not period_is_closed(p))
                        order by b.number limit %s', partition, at_most);
        get diagnostics count_of = row_count;
        exit when count_of > 0;
        execute format('select count(*) from (select from %s limit 1) b', partition) into count_of;
        if count_of = 0 then
            execute format('drop table %s', partition);
            drop table going;
            return 1;
        end if;
    end loop;
    delete from event_keys k
    using going g
    join event_batches b on b.tenant_id = g.tenant_id and b.number = g.number
    join tenants t on t.id = b.tenant_id
    cross join lateral unnest(b.source_at, b.ids) as e(source, id)
    where k.tenant = t.number and k.source = e.source and k.id = e.id and k.batch = b.number;
    delete from event_voids v
    using going g
    where v.tenant_id = g.tenant_id and v.event >= g.number << 14 and v.event < (g.number + 1) << 14;
    delete from event_resources r
    using going g
    join event_batches b on b.tenant_id = g.tenant_id and b.number = g.number
    cross join lateral unnest(b.resources) as e(resource_id)
    where r.tenant_id = b.tenant_id and r.resource_id = e.resource_id and r.batch = b.number;
    delete from event_batches b using going g where b.tenant_id = g.tenant_id and b.number = g.number;
    get diagnostics count_of = row_count;
    drop table going;
    return count_of;
end
$$;
