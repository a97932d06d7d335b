-- A meter counts what comes in after it was made; it can be made to count what was stored before, too: once, a part at a time,
-- while more comes in.
set local role bccd_owner;

-- The number in the sequence of batches from which a meter counts each as it comes; those before it are counted by
-- back-computation.
alter table meters add column first_batch bigint;

create table back_computations (
    meter_id text collate "C" primary key references meters,
    operation_id text collate "C" not null, -- which does it
    computed_to bigint not null default 0,  -- the last that it came to, a number of event_batches
    ended_at timestamptz
);
comment on table back_computations is 'domain: metering; meters that count what was stored before they were made, and how far';
call protect_platform_table('back_computations');
create policy tenant on back_computations to bccd_tenant using (true);
create policy lookup on back_computations for select to bccd_lookup using (true);
grant select on back_computations to bccd_tenant, bccd_operator, bccd_jobs, bccd_lookup;
grant insert on back_computations to bccd_operator;
grant update (computed_to, ended_at) on back_computations to bccd_jobs;

create function batch_sequence(batch bigint) returns bigint
    language sql immutable strict parallel safe
    return batch & ((1::bigint << 36) - 1);

create function batch_is_counted(batch bigint, first_batch bigint, computed_to bigint) returns boolean
    language sql immutable parallel safe
    return batch_sequence(batch) >= first_batch or coalesce(batch <= computed_to, false);

alter table meters no force row level security;
alter table meters disable trigger user;
update meters m
set first_batch = coalesce((select min(batch_sequence(b.number)) from event_batches b where b.received_at >= m.created_at),
                           nextval('event_batch_numbers'));
alter table meters enable trigger user;
alter table meters force row level security;
alter table meters alter column first_batch set not null;

-- Who adds one has waited for all who store, so that what they stored comes before it.
create or replace function limit_meters() returns trigger
    language plpgsql
as $$
begin
    perform lock_meters_exclusive();
    if (select count(*) from meters m where m.event_type = new.event_type) >= 20 then
        perform refuse('value_refused', 'An event type has at most 20 meters.');
    end if;
    new.first_batch := nextval('event_batch_numbers');
    return new;
end
$$;

-- What each event that was not voided is to each meter that counts it, or has come to it by now.
create or replace view metered_events with (security_invoker) as
select e.tenant_id, e.batch, e.number, e.first_time, e.last_time, m.id as meter_id, e.resource_id,
       usage_slot(e.time) as slot, e.time, event_dimensions(e.data, m.dimensions) as dimensions,
       case m.aggregation when 'count' then 1 when 'unique' then 0
                          else event_decimal(e.data ->> m.value_property) end as value,
       case when m.aggregation = 'unique' then e.data ->> m.value_property end as member,
       batch_is_counted(e.batch, m.first_batch, c.computed_to) as counted
from events e
join meters m on m.source = 'events' and m.event_type = e.type
left join back_computations c on c.meter_id = m.id
where e.voided_in is null and event_passes(e.data, m.filters)
  and (m.aggregation = 'count'
       or case m.aggregation when 'unique' then e.data ->> m.value_property is not null
                             else event_decimal(e.data ->> m.value_property) is not null end);

-- What voids left of a slot, as far as the meter counts it.
create or replace function recount_voided() returns trigger
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
        left join back_computations c on c.meter_id = m.id
        where event_passes(e.data, m.filters) and batch_is_counted(e.batch, m.first_batch, c.computed_to)
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
        where x.tenant_id = slot.tenant_id and x.resource_id = slot.resource_id and e.meter_id = slot.meter_id and e.counted
          and e.slot = slot.slot and e.last_time >= slot.slot and e.first_time < slot.slot + interval '15 minutes'
        group by e.dimensions;
    end loop;
    return null;
end
$$;

-- The batches that a meter has still to come to.
create function batches_before(of_meter text)
    returns table (tenant_id text, number bigint, first_time timestamptz, last_time timestamptz)
    language sql stable
as $$
    select b.tenant_id, b.number, b.first_time, b.last_time
    from meters m
    join back_computations c on c.meter_id = m.id
    join event_batches b on b.number > c.computed_to
    where m.id = of_meter and batch_sequence(b.number) < m.first_batch and m.event_type = any (b.types)
    order by b.number
$$;

-- Counts some of them, as what comes in is counted; how many they were.
create function back_compute(of_meter text, at_most integer) returns integer
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
    from (select p.tenant_id, p.number, p.first_time, p.last_time from batches_before(of_meter) p limit at_most) b;
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
    select e.tenant_id, of_meter, e.resource_id, e.slot, counting_period(e.tenant_id, e.slot), e.dimensions,
           sum(e.value), count(*), min(e.value), max(e.value), max(e.time),
           (array_agg(e.value order by e.time desc, e.value desc))[1],
           jsonb_agg(distinct e.member) filter (where e.member is not null)
    from unnest(tenants, numbers) as p(tenant_id, number)
    join metered_events e on e.tenant_id = p.tenant_id and e.batch = p.number
    where e.meter_id = of_meter
    group by e.tenant_id, e.resource_id, e.slot, e.dimensions;
    update back_computations c set computed_to = (select max(n) from unnest(numbers) n) where c.meter_id = of_meter;
    return cardinality(numbers);
end
$$;
revoke execute on function back_compute from public;
grant execute on function back_compute to bccd_jobs;
grant insert on usage_deltas to bccd_jobs;
