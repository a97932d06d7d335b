-- Meters, events and usage.

-- fragment: meter_document(m)
json_build_object(
    'id', m.id, 'code', m.code, 'name', m.name, 'name_en', m.name_en, 'source', m.source,
    'event_type', m.event_type, 'aggregation', m.aggregation, 'value_property', m.value_property,
    'filters', m.filters, 'dimensions', m.dimensions, 'divide_by', number_text(m.divide_by),
    'unit', m.unit, 'resource_kind', m.resource_kind, 'created_at', instant_text(m.created_at),
    'back_computed_at', (select instant_text(c.ended_at) from back_computations c where c.meter_id = m.id))

-- What rows of usage_all add up to, of those that are wanted, in the meter's unit; days are those of a zone. Grouped by the
-- meter's aggregation, source and divide_by.
-- fragment: usage_value(m, u, wanted, of_zone)
usage_quantity(case m.aggregation
    when 'sum' then sum(u.total) filter (where m.aggregation = 'sum' and (wanted))
    when 'count' then sum(u.count) filter (where m.aggregation = 'count' and (wanted))
    when 'time_weighted' then sum(u.total) filter (where m.aggregation = 'time_weighted' and (wanted))
    when 'max' then max(u.maximum) filter (where m.aggregation = 'max' and (wanted))
    when 'min' then min(u.minimum) filter (where m.aggregation = 'min' and (wanted))
    when 'unique' then count(distinct u.member) filter (where m.aggregation = 'unique' and (wanted))
    when 'latest' then (array_agg(u.latest order by u.latest_at desc, u.latest desc)
                        filter (where m.aggregation = 'latest' and (wanted)))[1]
    else bandwidth(m.aggregation, m.source, of_zone,
                   array_agg(row(u.slot, u.resource_id, u.dimensions, u.total, u.maximum)::usage_sample)
                   filter (where is_bandwidth(m.aggregation) and (wanted)))
    end, m.divide_by)

-- statement: list_meters
select m.id as cursor, {{meter_document m}} as document
from meters m
where (:code::text is null or m.code = :code)
  and (:source::text is null or m.source = :source)
  and (:event_type::text is null or m.event_type = :event_type)
{{page m.id}}

-- statement: get_meter
select {{meter_document m}} as document
from meters m
where m.id = :meter_id

-- statement: create_meter keyed
with body as (
    select b.code, b.name, b.name_en, b.event_type, b.aggregation, b.value_property, coalesce(b.filters, '[]') as filters,
           coalesce(b.dimensions, '{}') as dimensions, b.divide_by, b.unit
    from json_to_record(:body::json) as b(
        code text, name text, name_en text, event_type text, aggregation text, value_property text, filters jsonb,
        dimensions text[], divide_by numeric, unit text)
), checked as (
    select case when b.event_type like 'center.usage.%' then '/event_type'
                when b.divide_by = 0 then '/divide_by'
                when 'subject' = any (b.dimensions)
                     or cardinality(b.dimensions) > (select count(distinct d) from unnest(b.dimensions) d)
                then '/dimensions' end as wrong
    from body b
), made as (
    insert into meters (id, code, name, name_en, source, event_type, aggregation, value_property, filters, dimensions,
                        divide_by, unit)
    select :new_mtr, b.code, b.name, coalesce(b.name_en, ''), 'events', b.event_type, b.aggregation,
           b.value_property, b.filters, b.dimensions, b.divide_by, b.unit
    from body b, checked c
    where c.wrong is null
    returning id, code, name, name_en, source, event_type, aggregation, value_property, filters, dimensions, divide_by,
              unit, resource_kind, created_at
)
select case when c.wrong is null then 'ok' else 'value_refused' end as outcome, c.wrong as pointer,
       case c.wrong when '/event_type' then 'Types that begin with center.usage. are the platform''s own.'
                    when '/divide_by' then 'Divide by more than 0.'
                    when '/dimensions' then 'Name each dimension once, and none subject, which is there anyway.' end as detail,
       {{meter_document m}} as document, '/v1/meters/' || m.id as location
from checked c left join made m on true

-- Where a percentage prices them, events keep to the months that they were counted in when they came.
-- statement: queue_back_computation keyed
with checked as (
    select m.id, case when m.source <> 'events' or c.ended_at is not null or percentages.any_of
                      then 'state_conflict' else 'ok' end as outcome,
           case when percentages.any_of then 'A plan prices the events of this meter by percentages; make another meter.'
                else 'Only meters of events count what was stored before, and each once.' end as detail
    from meters m
    left join back_computations c on c.meter_id = m.id
    cross join lateral (
        select exists (select from plan_versions v cross join lateral jsonb_array_elements(v.charges) as e(charge)
                       where e.charge ->> 'meter' = m.code and e.charge -> 'price' ->> 'model' = 'percentage') as any_of)
        as percentages
    where m.id = :meter_id
), queued as (
    {{queue_operation :new_op, null, 'back_computation', (select jsonb_build_object('meter_id', c.id) from checked c), (select 'back_computation ' || c.id from checked c), (select c.outcome = 'ok' from checked c)}}
), begun as (
    insert into back_computations (meter_id, operation_id)
    select c.id, q.id from checked c, queued q
    on conflict (meter_id) do update set operation_id = excluded.operation_id
)
select case when c.outcome = 'ok' and q.id is null then 'state_conflict' else c.outcome end as outcome,
       case c.outcome when 'ok' then 'It is being done.' else c.detail end as detail,
       json_build_object('operation_id', q.id, 'meter_id', c.id) as document, '/v1/operations/' || q.id as location
from checked c left join queued q on true

-- statement: count_batches_before
select count(*) as batches from batches_before(:meter)

-- statement: back_compute
select back_compute(:meter, :bytes::integer) as computed

-- ---- Events ----

-- What a batch's names stand for: resources of its subjects, meters of its types (in the order in which they are looked
-- at), numbers of its sources, and the months in which its quarter hours count.
-- statement: resolve_events
with slots as (
    select s.place, date_trunc('month', event_time(s.slot) at time zone p.time_zone) as month, event_time(s.slot) as slot
    from platform p cross join unnest(:slots::bigint[]) with ordinality as s(slot, place)
), months as (
    select s.month, counting_period(:tenant, min(s.slot)) as period from slots s group by s.month
)
select json_build_object(
    'meters', (select count(*) from meters),
    'resources', (
        select coalesce(json_agg(coalesce(
                   (select r.id from resources r where r.tenant_id = :tenant and r.id = s.subject),
                   (select r.id from resources r where r.tenant_id = :tenant and r.external_id = s.subject))
               order by s.place), '[]')
        from unnest(:subjects::text[]) with ordinality as s(subject, place)),
    'types', (
        select coalesce(json_agg((
                   select coalesce(json_agg(json_build_object(
                                                'id', m.id, 'property', m.value_property,
                                                'unique', m.aggregation = 'unique', 'filters', m.filters,
                                                'dimensions', m.dimensions,
                                                'five_minutes', is_bandwidth(m.aggregation),
                                                'held', m.aggregation = 'time_weighted')
                                            order by m.value_property, m.id), '[]')
                   from meters m where m.source = 'events' and m.event_type = t.type)
               order by t.place), '[]')
        from unnest(:types::text[]) with ordinality as t(type, place)),
    'sources', (
        select coalesce(json_agg(coalesce(e.number, 0) order by s.place), '[]')
        from unnest(:sources::text[]) with ordinality as s(source, place)
        left join event_sources e on e.tenant_id = :tenant and e.source = s.source),
    'periods', (select coalesce(json_agg(m.period order by s.place), '[]')
                from slots s join months m on m.month = s.month)) as names

-- Goes before resolve_events in its segment.
-- statement: plan_once
select set_config('plan_cache_mode', 'force_generic_plan', true)

-- statement: register_event_sources
insert into event_sources (tenant_id, source)
select :tenant, s.source from (select distinct unnest(:sources::text[]) as source) s
where not exists (select from event_sources e where e.tenant_id = :tenant and e.source = s.source)
order by s.source
on conflict do nothing

-- Goes before store_event_batch in its segment: what that one reads of periods and meters is then settled. Its plan is the
-- same whatever is in the batch, so it is made once a session.
-- statement: lock_for_events
select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('bccd.quotas', 'kept', true),
       lock_usage_periods(event_time(:first_slot::bigint), event_time(:last_slot::bigint)), lock_meters_shared(),
       lock_tenant_events_shared(:tenant)

-- The same for store_voiding_batch, which has slots counted anew.
-- statement: lock_for_voids
select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('bccd.quotas', 'kept', true),
       lock_usage_periods(event_time(:first_slot::bigint), event_time(:last_slot::bigint)), lock_meters_shared(),
       lock_tenant_events_exclusive(:tenant)

-- Claims the keys, which come in their order so that two batches cannot wait for each other; then stores the batch, and
-- what it adds to usage. A key that is there refuses all of it. No row where the months or the meters are not any more
-- what they were when the names were resolved.
-- fragment: stored_batch(still)
fresh as materialized (
    select t.number as tenant, next_event_batch() as batch
    from tenants t
    where t.id = :tenant and (select count(*) from meters) = :meters::bigint
      and not exists (select from unnest(:periods::text[]) as p where period_is_settled(:tenant, p))
      and not exists (
            select from unnest(:named_subjects::text[], :named_resources::text[]) as n(subject, resource)
            where not exists (select from resources r
                              where r.tenant_id = :tenant and r.id = n.resource and r.external_id = n.subject))
      and still
), claimed as (
    insert into event_keys (tenant, source, id, batch, place)
    select f.tenant, k.source, k.id, f.batch, k.place
    from fresh f cross join unnest(:source_at::integer[], :ids::text[]) with ordinality as k(source, id, place)
    returning batch
), stored as (
    insert into event_batches (tenant_id, number, first_time, last_time, types, subjects, resources, periods,
                               source_at, ids, type_at, subject_at, period_at, times, data, digest)
    select :tenant, c.batch, event_time(:first_time::bigint), event_time(:last_time::bigint), :types::text[],
           :subjects::text[], :resources::text[], :periods::text[], :source_at::integer[], :ids::text[],
           :type_at::smallint[], :subject_at::smallint[], :period_at::smallint[], :times::bigint[], :data, :digest::bytea
    from (select max(c.batch) as batch from claimed c) c
    where c.batch is not null
), named as (
    insert into event_resources (tenant_id, resource_id, batch)
    select :tenant, r.resource_id, f.batch
    from fresh f cross join (select distinct unnest(:resources::text[]) as resource_id) r
), counted as (
    insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, dimensions, total, count, minimum, maximum,
                              latest_at, latest, members)
    select :tenant, s.meter, s.resource, event_time(s.slot), s.period, coalesce(s.dimensions, '{}'), s.total, s.count,
           s.minimum, s.maximum, event_time(s.latest_at), s.latest, s.members
    from fresh f
    cross join json_to_recordset(:sums::json) as s(
        meter text, resource text, slot bigint, period text, dimensions text[], total numeric, count bigint,
        minimum numeric, maximum numeric, latest_at bigint, latest numeric, members jsonb)
)

-- statement: store_event_batch
with {{stored_batch true}}
select f.batch from fresh f

-- Goes before store_gathered_batches. It is an operator's, of no park, and waits for nobody: for no lock of months, meters or
-- tenants, and but a moment for a row.
-- statement: lock_for_gathered
select set_config('bccd.actor', 'gather', true), set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('lock_timeout', '1s', true),
       set_config('bccd.gathered',
                  try_lock_gathered(event_time(:first_slot::bigint), event_time(:last_slot::bigint), :tenants::text[]), true)

-- As store_event_batch, of many tenants, each batch by itself: the places of those that were stored. The lists of all batches
-- stand one behind the other, each batch with where its own end. Passed over are those whose tenants are held up or have hard
-- quotas, and those whose names stand for something else by now; a key that is there refuses all. Keys go in their order, so
-- that two transactions cannot wait for each other.
-- statement: store_gathered_batches
with part as materialized (
    select b.position, b.tenant, b.meters, b.first_time, b.last_time, b.data, b.digest, b.sums,
           lag(b.events, 1, 0) over w + 1 as event, b.events, lag(b.types, 1, 0) over w + 1 as type, b.types,
           lag(b.subjects, 1, 0) over w + 1 as subject, b.subjects, lag(b.periods, 1, 0) over w + 1 as period, b.periods,
           lag(b.named, 1, 0) over w + 1 as name, b.named
    from unnest(:tenants::text[], :meters::bigint[], :first_times::bigint[], :last_times::bigint[], :data::text[],
                :digests::bytea[], :sums::text[], :event_ends::integer[], :type_ends::integer[], :subject_ends::integer[],
                :period_ends::integer[], :named_ends::integer[])
         with ordinality as b(tenant, meters, first_time, last_time, data, digest, sums, events, types, subjects, periods, named,
                              position)
    window w as (order by b.position)
), sent as materialized (
    select p.position, p.tenant, t.number as tenant_number, next_event_batch() as batch, p.first_time, p.last_time, p.data,
           p.digest, p.sums, p.event, p.events, p.type, p.types, p.subject, p.subjects, p.period, p.periods
    from part p join tenants t on t.id = p.tenant
    where p.meters = (select count(*) from meters)
      and not exists (select from unnest((:periods::text[])[p.period : p.periods]) as n where period_is_settled(p.tenant, n))
      and not exists (
            select from unnest((:named_subjects::text[])[p.name : p.named], (:named_resources::text[])[p.name : p.named])
                        as n(subject, resource)
            where not exists (select from resources r
                              where r.tenant_id = p.tenant and r.id = n.resource and r.external_id = n.subject))
      and p.tenant = any (string_to_array(setting('gathered'), ' '))
      and not exists (select from quotas q where q.tenant_id = p.tenant and q.kind = 'hard')
), claimed as (
    insert into event_keys (tenant, source, id, batch, place)
    select s.tenant_number, k.source, k.id, s.batch, k.place
    from sent s
    cross join lateral unnest((:source_at::integer[])[s.event : s.events], (:ids::text[])[s.event : s.events])
        with ordinality as k(source, id, place)
    order by s.tenant_number, k.source, k.id collate "C"
), stored as (
    insert into event_batches (tenant_id, number, first_time, last_time, types, subjects, resources, periods,
                               source_at, ids, type_at, subject_at, period_at, times, data, digest)
    select s.tenant, s.batch, event_time(s.first_time), event_time(s.last_time), (:types::text[])[s.type : s.types],
           (:subjects::text[])[s.subject : s.subjects], (:resources::text[])[s.subject : s.subjects],
           (:periods::text[])[s.period : s.periods], (:source_at::integer[])[s.event : s.events],
           (:ids::text[])[s.event : s.events], (:type_at::smallint[])[s.event : s.events],
           (:subject_at::smallint[])[s.event : s.events], (:period_at::smallint[])[s.event : s.events],
           (:times::bigint[])[s.event : s.events], s.data, s.digest
    from sent s
), named as (
    insert into event_resources (tenant_id, resource_id, batch)
    select distinct s.tenant, r.resource_id, s.batch
    from sent s cross join lateral unnest((:resources::text[])[s.subject : s.subjects]) as r(resource_id)
), counted as (
    insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, dimensions, total, count, minimum, maximum,
                              latest_at, latest, members)
    select s.tenant, d.meter, d.resource, event_time(d.slot), d.period, coalesce(d.dimensions, '{}'), d.total, d.count,
           d.minimum, d.maximum, event_time(d.latest_at), d.latest, d.members
    from sent s
    cross join lateral json_to_recordset(s.sums::json) as d(
        meter text, resource text, slot bigint, period text, dimensions text[], total numeric, count bigint,
        minimum numeric, maximum numeric, latest_at bigint, latest numeric, members jsonb)
)
select s.position - 1 as position from sent s

-- The same with events that void others, by the numbers of these, or by their places in the batch. No row either where
-- one of them was voided meanwhile.
-- statement: store_voiding_batch
with {{stored_batch not exists (select from event_voids v where v.tenant_id = :tenant and v.event = any (:void_events::bigint[])) and not exists (select from unnest(:void_periods::text[]) p where period_is_settled(:tenant, p))}}
, voided as (
    insert into event_voids (tenant_id, event, batch, place, period)
    select :tenant, case when v.target > 0 then f.batch << 14 | v.target else v.event end, f.batch, v.place, v.period
    from fresh f
    cross join unnest(:void_events::bigint[], :void_targets::bigint[], :void_places::smallint[], :void_periods::text[])
        as v(event, target, place, period)
), {{held_levels}}
select f.batch from fresh f

-- The same with levels that are held over time; the trigger of usage_levels counts them.
-- fragment: held_levels
held as (
    insert into usage_levels (tenant_id, meter_id, resource_id, dimensions, at, event, level)
    select :tenant, l.meter, l.resource, coalesce(l.dimensions, '{}'), event_time(l.at), f.batch << 14 | l.place, l.level
    from fresh f
    cross join json_to_recordset(:levels::json) as l(
        meter text, resource text, dimensions text[], at bigint, place bigint, level numeric)
)

-- statement: store_level_batch
with {{stored_batch true}}, {{held_levels}}
select f.batch from fresh f

-- Of events to be voided, in the order in which they are asked for: the number of each, 0 where it is not there, what it is,
-- and the month from which it would count no more; and whether what voids it is there itself.
-- statement: find_voided_events
select e.event, e.resource_id, e.type, e.at,
       exists (select from event_voids v where v.tenant_id = :tenant and v.event = e.event) as voided,
       counting_period(:tenant, event_time(e.at)) as period,
       exists (select from tenants t
               join event_sources o on o.tenant_id = t.id and o.source = w.own_source
               join event_keys y on y.tenant = t.number and y.source = o.number and y.id = w.own_id
               where t.id = :tenant) as known
from find_events(:tenant, :void_sources::text[], :void_ids::text[]) e
join unnest(:own_sources::text[], :own_ids::text[]) with ordinality as w(own_source, own_id, place) on w.place = e.place
order by w.place

-- A row where the batch was stored as it is, every event of it.
-- statement: find_same_batch
select b.number
from tenants t
join event_keys k on k.tenant = t.number and k.source = (:source_at::integer[])[1] and k.id = (:ids::text[])[1] and k.place = 1
join event_batches b on b.tenant_id = t.id and b.number = k.batch
where t.id = :tenant and b.digest = :digest::bytea

-- Of keys that are there, by their place among those that were asked for: the digest of the event.
-- statement: find_known_events
select k.position, k.digest from known_events(:tenant, :source_at::integer[], :ids::text[]) k

-- Those that were stored, those that are held, and those that were rejected, by their numbers. Newest received first.
-- statement: list_events
with stored as (
    select e.number, json_build_object(
        'id', e.id, 'source', e.source, 'type', e.type, 'subject', e.subject,
        'resource_id', e.resource_id, 'time', instant_text(e.time), 'data', e.data,
        'digest', encode(event_digest(e.type, e.subject, e.time, e.data::text), 'hex'), 'period', e.period,
        'state', case when e.voided_in is null then 'accepted' else 'voided' end, 'voided_in', e.voided_in,
        'reason', null, 'pointer', null, 'received_at', instant_text(e.received_at)) as document
    from events e
    where {{own e}}
      and (:state is distinct from 'voided' or (e.tenant_id, e.batch) in (
            select v.tenant_id, v.event >> 14 from event_voids v where {{own v}}))
      and (:subject::text is null or (e.tenant_id, e.batch) in (
            select x.tenant_id, x.batch
            from resources r join event_resources x on x.tenant_id = r.tenant_id and x.resource_id = r.id
            where {{own r}} and (r.id = :subject or r.external_id = :subject)))
      and (:subject::text is null or e.resource_id in (
            select r.id from resources r
            where {{own r}} and (r.id = :subject or r.external_id = :subject)))
      and (:source::text is null or e.source = :source)
      and (:id::text is null or e.id = :id)
      and (:type::text is null or e.type = :type)
      and coalesce(:state = case when e.voided_in is null then 'accepted' else 'voided' end, true)
      and (:time_gte::timestamptz is null or e.time >= :time_gte::timestamptz)
      and (:time_lt::timestamptz is null or e.time < :time_lt::timestamptz)
      and (:time_gte::timestamptz is null or e.last_time >= :time_gte::timestamptz)
      and (:time_lt::timestamptz is null or e.first_time < :time_lt::timestamptz)
      and (:cursor::text is null or (e.batch <= :cursor::bigint >> 14 and e.number < :cursor::bigint))
    order by e.batch desc, e.place desc
    limit case when coalesce(:state in ('accepted', 'voided'), true) then :limit::bigint + 1 else 0 end
), held as (
    select e.number, json_build_object(
        'id', e.id, 'source', e.source, 'type', e.type, 'subject', e.subject,
        'resource_id', null, 'time', instant_text(e.time), 'data', e.data,
        'digest', encode(event_digest(e.type, e.subject, e.time, e.data::text), 'hex'), 'period', null,
        'state', 'quarantined', 'voided_in', null, 'reason', e.reason, 'pointer', e.pointer,
        'received_at', instant_text(e.received_at)) as document
    from held_events e
    where {{own e}}
      and (:subject::text is null or e.subject = :subject)
      and (:source::text is null or e.source = :source)
      and (:id::text is null or e.id = :id)
      and (:type::text is null or e.type = :type)
      and coalesce(:state = 'quarantined', true)
      and (:time_gte::timestamptz is null or e.time >= :time_gte::timestamptz)
      and (:time_lt::timestamptz is null or e.time < :time_lt::timestamptz)
      and (:cursor::text is null or e.number < :cursor::bigint)
    order by e.number desc
    limit :limit::bigint + 1
), rejected as (
    select e.number, json_build_object(
        'id', e.id, 'source', e.source, 'type', e.type, 'subject', e.subject,
        'resource_id', null, 'time', null, 'data', null, 'digest', null, 'period', null,
        'state', 'rejected', 'voided_in', null, 'reason', e.reason, 'pointer', e.pointer,
        'received_at', instant_text(e.received_at)) as document
    from rejected_events e
    where {{own e}}
      and (:subject::text is null or e.subject = :subject)
      and (:source::text is null or e.source = :source)
      and (:id::text is null or e.id = :id)
      and (:type::text is null or e.type = :type)
      and coalesce(:state = 'rejected', true)
      and :time_gte::timestamptz is null and :time_lt::timestamptz is null
      and (:cursor::text is null or e.number < :cursor::bigint)
    order by e.number desc
    limit :limit::bigint + 1
)
select f.number as cursor, f.document
from (select s.number, s.document from stored s union all select h.number, h.document from held h
      union all select r.number, r.document from rejected r) f
order by f.number desc
limit :limit::bigint + 1

-- ---- Levels ----

-- statement: advance_levels
select advance_levels(:batch::integer) as advanced

-- statement: forget_levels
select forget_levels(now() - (:window::integer + 8) * interval '1 day', :batch::integer) as forgotten

-- ---- What was not taken ----

-- Of each of the events that are sent here: whether it is held now, and the digest of another one of its key that is, the first
-- of the same batch or one that was held before. All are held, or where there is no room for them, none.
-- statement: hold_events
with sent as materialized (
    select s.position, s.source, s.id, s.type, s.subject, event_time(s.at) as time, s.data, s.reason, s.pointer,
           first_value(s.position) over same as first, row_number() over (order by s.position) as place
    from json_to_recordset(:held::json) as s(
        position integer, source text, id text, type text, subject text, at bigint, data json, reason text, pointer text)
    window same as (partition by s.source, s.id order by s.position)
), batch as materialized (
    select next_event_batch() as number
    from tenants t
    where t.id = :tenant
      and (select count(*) from (select from held_events h where h.tenant_id = :tenant limit 100000) h)
          + (select count(*) from sent) <= 100000
), made as (
    insert into held_events (tenant_id, number, source, id, type, subject, time, data, reason, pointer)
    select :tenant, b.number << 14 | s.place, s.source, s.id, s.type, s.subject, s.time, s.data, s.reason, s.pointer
    from batch b cross join sent s
    where s.first = s.position
    order by s.source, s.id
    on conflict (tenant_id, source, id) do nothing
    returning source, id
)
select s.position, s.first = s.position and m.id is not null as held, exists (select from batch) as room,
       encode(coalesce(event_digest(h.type, h.subject, h.time, h.data::text),
                       case when s.first < s.position and m.id is not null
                            then event_digest(f.type, f.subject, f.time, f.data::text) end), 'hex') as digest
from sent s
join sent f on f.position = s.first
left join made m on m.source = s.source and m.id = s.id
left join held_events h on h.tenant_id = :tenant and h.source = s.source and h.id = s.id

-- Held events whose subject and type are known now, the oldest first, as they would be sent: at most a thousand, and no more
-- than the lines of one request may have. What voids another one that is held comes after it has gone.
-- statement: find_replayable_events
select m.number, m.event
from (select h.number,
             json_build_object('specversion', '1.0', 'id', h.id, 'source', h.source, 'type', h.type, 'subject', h.subject,
                               'time', instant_text(h.time), 'data', h.data)::text as event,
             sum(octet_length(h.data::text) + 4000) over (order by h.number) as size
      from held_events h
      where h.tenant_id = :tenant
        and exists (select from resources r where r.tenant_id = :tenant and (r.id = h.subject or r.external_id = h.subject))
        and case h.type when 'center.usage.void'
                        then not exists (select from held_events v
                                         where v.tenant_id = h.tenant_id and v.source = coalesce(h.data ->> 'source', h.source)
                                           and v.id = h.data ->> 'id')
                        else exists (select from meters e where e.source = 'events' and e.event_type = h.type) end) m
where m.size < 8000000
order by m.number
limit 1000

-- statement: release_events
delete from held_events h where h.tenant_id = :tenant and h.number = any (:released::bigint[])

-- Of a tenant the last ten thousand are kept.
-- statement: note_rejected_events
with forgotten as (
    delete from rejected_events r
    where r.tenant_id = :tenant
      and r.number <= (select o.number from rejected_events o where o.tenant_id = :tenant
                       order by o.number desc offset 9900 limit 1)
), batch as materialized (
    select next_event_batch() as number from tenants t where t.id = :tenant
)
insert into rejected_events (tenant_id, number, source, id, type, subject, reason, pointer)
select :tenant, b.number << 14 | s.place, s.source, s.id, s.type, s.subject, s.reason, s.pointer
from batch b
cross join (select e.source, e.id, e.type, e.subject, e.reason, e.pointer, row_number() over (order by e.position) as place
            from json_to_recordset(:rejected::json) as e(
                position integer, source text, id text, type text, subject text, reason text, pointer text)) s

-- A week after they came, and what is held when it is too old to be taken.
-- statement: forget_untaken_events
with rejected as (
    delete from rejected_events r
    where (r.tenant_id, r.number) in (
        select o.tenant_id, o.number from rejected_events o where o.received_at < now() - interval '7 days'
        limit :batch::bigint)
    returning r.number
), held as (
    delete from held_events h
    where (h.tenant_id, h.number) in (
        select o.tenant_id, o.number from held_events o where o.time < now() - :window::bigint * interval '1 day'
        limit :batch::bigint)
    returning h.number
)
select (select count(*) from rejected) + (select count(*) from held) as forgotten

-- ---- Usage ----

-- One row of the meter at least, where it exists; windows and values beside it. Days come from the
-- history of resources, up to now; all else from roll-ups. It tells whether what is grouped or filtered by is no dimension of
-- the meter.
-- statement: read_usage
with meter as materialized (
    select m.id, m.code, m.unit, m.source, m.aggregation, m.resource_kind, m.dimensions, m.divide_by,
           g.names is not null and 'subject' = any (g.names) as by_subject,
           array(select array_position(m.dimensions, n.name) from unnest(g.names) with ordinality n(name, place)
                 where n.name <> 'subject' order by n.place) as places
    from meters m cross join (select string_to_array(:group_by, ',') as names) g
    where m.id = :meter or m.code = :meter
    limit 1
), subjects as (
    select r.id from resources r
    where {{own r}} and (r.id = any (string_to_array(:subject, ',')) or r.external_id = any (string_to_array(:subject, ',')))
), restated as materialized (
    select exists (select from meter m join usage_restatements r on r.meter_id = m.id where {{own r}}) as any_of
), wanted as not materialized (
    select m.aggregation, m.source, m.divide_by, usage_window_key(u.slot, :window, :time_zone) as key,
           case when m.by_subject then u.resource_id end as by_resource_id,
           case when m.places = '{}' then '{}' else array(select u.dimensions[p] from unnest(m.places) p) end as groups,
           u.slot, u.resource_id, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at, u.latest, u.member
    from meter m
    cross join restated
    cross join usage_all u
    -- It is asked for before the view's parts are read, and each is read by it.
    where u.meter_id = (select n.id from meter n) and {{own u}} and u.slot >= :from::timestamptz and u.slot < :to::timestamptz
      and (not restated.any_of
           or not exists (select from usage_restatements r
                          where r.tenant_id = u.tenant_id and r.meter_id = u.meter_id and r.slot = u.slot
                            and r.resource_id = u.resource_id and r.period > u.period))
      and (:subject::text is null or u.resource_id in (select s.id from subjects s))
      and (:filter::jsonb is null or dimensions_pass(u.dimensions, m.dimensions, :filter::jsonb))
), held as not materialized (
    -- Of levels that are held for long, a row a window.
    select w.key, case when m.by_subject then r.resource_id end as by_resource_id,
           case when m.places = '{}' then '{}' else array(select r.dimensions[p] from unnest(m.places) p) end as groups,
           r.level * s.seconds as total, r.count * s.seconds / 900 as count
    from meter m
    cross join usage_runs r
    join usage_windows(:from::timestamptz, :to::timestamptz, :window, :time_zone) w
        on w.starts_at < r.ends and w.ends_at > r.begins
    cross join lateral (
        select extract(epoch from least(r.ends, w.ends_at) - greatest(r.begins, w.starts_at)) as seconds) s
    where r.meter_id = (select n.id from meter n where n.aggregation = 'time_weighted') and {{own r}}
      and r.begins < :to::timestamptz and r.ends > :from::timestamptz
      and (:subject::text is null or r.resource_id in (select s.id from subjects s))
      and (:filter::jsonb is null or dimensions_pass(r.dimensions, m.dimensions, :filter::jsonb))
), used as (
    -- The aggregations that need no order; which it is is asked once, not of each row.
    select u.key, u.by_resource_id as resource_id, u.groups,
           usage_quantity(
               case (select m.aggregation from meter m)
                   when 'sum' then sum(u.total) filter (where (select m.aggregation = 'sum' from meter m))
                   when 'time_weighted' then sum(u.total) filter (where (select m.aggregation = 'time_weighted' from meter m))
                   when 'count' then sum(u.count) filter (where (select m.aggregation = 'count' from meter m))
                   when 'max' then max(u.maximum) filter (where (select m.aggregation = 'max' from meter m))
                   else min(u.minimum) filter (where (select m.aggregation = 'min' from meter m)) end,
               (select m.divide_by from meter m)) as value
    from (select w.key, w.by_resource_id, w.groups, w.total, w.count, w.maximum, w.minimum from wanted w
          union all
          select h.key, h.by_resource_id, h.groups, h.total, h.count, null, null from held h) u
    where (select m.aggregation in ('sum', 'count', 'max', 'min', 'time_weighted') from meter m)
    group by u.key, u.by_resource_id, u.groups
    having sum(u.count) <> 0
    union all
    select u.key, u.by_resource_id, u.groups, {{usage_value u, u, true, :time_zone}}
    from wanted u
    where u.aggregation not in ('sum', 'count', 'max', 'min', 'time_weighted')
    group by 1, 2, 3, u.aggregation, u.source, u.divide_by
    having sum(u.count) <> 0
    union all
    select date_trunc(:window, d.day::timestamp), d.resource_id, '{}',
           case d.aggregation when 'max' then max(d.quantity) else sum(d.quantity) end
    from (
        select d.day, case when m.by_subject then d.resource_id end as resource_id, m.aggregation,
               sum(d.quantity) as quantity
        from meter m
        join resource_days(:from::timestamptz, least(:to::timestamptz, now()), :time_zone) d
          on d.kind = m.resource_kind
        where {{own d}} and :window <> 'hour'
          and (:subject::text is null or d.resource_id in (select s.id from subjects s))
        group by 1, 2, 3) d
    group by 1, 2, d.aggregation
), shown as (
    select w.starts_at, w.ends_at, u.resource_id, u.groups,
           case when m.aggregation in ('sum', 'count', 'time_weighted', 'unique', 'days') then coalesce(u.value, 0) else u.value end as value
    from meter m
    cross join usage_windows(:from::timestamptz, :to::timestamptz, :window, :time_zone) w
    left join used u on u.key = w.key
    where :group_by::text is null or u.key is not null
    order by w.starts_at, u.resource_id, u.groups
    limit :rows::bigint
)
select m.id as meter_id, m.code as meter, m.unit, m.source, m.aggregation,
       array_position(m.places, null) is not null as group_unknown,
       :filter::jsonb is not null
           and exists (select from jsonb_object_keys(:filter::jsonb) k where k <> all (m.dimensions)) as filter_unknown,
       instant_text(s.starts_at) as from, instant_text(s.ends_at) as to, s.resource_id as subject,
       array_to_json(s.groups) as groups, number_text(s.value) as value
from meter m
left join shown s on true
order by s.starts_at, s.resource_id, s.groups

-- Goes before fold_usage in its transaction: slots that are counted anew are not folded meanwhile.
-- statement: lock_folding
select lock_folding_shared()

-- A delta that another folder holds is left to it; slots are taken in the order of their key. Those that would bring too
-- many different values wait for the next time; more tells whether there may be any.
-- statement: fold_usage
with picked as (
    select d.tenant_id, d.number, coalesce(jsonb_array_length(d.members), 0) as members
    from usage_deltas d
    order by d.tenant_id, d.number
    limit :batch::bigint
    for update skip locked
), bounded as (
    select p.tenant_id, p.number, sum(p.members) over (order by p.tenant_id, p.number) - p.members as before from picked p
), taken as (
    delete from usage_deltas d
    using bounded p
    where d.tenant_id = p.tenant_id and d.number = p.number and p.before < :members::bigint
    returning d.tenant_id, d.meter_id, d.resource_id, d.slot, d.period, d.dimensions, d.total, d.count, d.minimum,
              d.maximum, d.latest_at, d.latest, d.members
), folded as (
    insert into usage_slots as s (tenant_id, meter_id, resource_id, slot, period, dimensions, total, count, minimum,
                                  maximum, latest_at, latest, member_set)
    select t.tenant_id, t.meter_id, t.resource_id, t.slot, t.period, t.dimensions, sum(t.total), sum(t.count),
           min(t.minimum), max(t.maximum), max(t.latest_at),
           (array_agg(t.latest order by t.latest_at desc, t.latest desc))[1],
           case when bool_or(t.members is not null) then nextval('usage_member_sets') end
    from taken t
    group by t.tenant_id, t.meter_id, t.slot, t.resource_id, t.period, t.dimensions
    order by t.tenant_id, t.meter_id, t.slot, t.resource_id, t.period, t.dimensions
    on conflict (tenant_id, meter_id, slot, resource_id, period, dimensions) do update
    set total = s.total + excluded.total, count = s.count + excluded.count,
        minimum = least(s.minimum, excluded.minimum), maximum = greatest(s.maximum, excluded.maximum),
        latest_at = greatest(s.latest_at, excluded.latest_at),
        latest = case when (excluded.latest_at, excluded.latest) > (s.latest_at, s.latest)
                      then excluded.latest else s.latest end,
        member_set = coalesce(s.member_set, excluded.member_set)
    returning tenant_id, meter_id, slot, resource_id, period, dimensions, member_set
), members as (
    insert into usage_members (tenant_id, member_set, member)
    select distinct f.tenant_id, f.member_set, m.text
    from taken t
    join folded f on f.tenant_id = t.tenant_id and f.meter_id = t.meter_id and f.slot = t.slot
        and f.resource_id = t.resource_id and f.period = t.period and f.dimensions = t.dimensions
    cross join lateral jsonb_array_elements_text(t.members) m(text)
    where t.members is not null
    order by f.tenant_id, f.member_set, m.text
    on conflict do nothing
)
select p.count = :batch::bigint or t.count < p.count as more
from (select count(*) from picked) p, (select count(*) from taken) t

-- statement: make_event_partitions
select make_event_partitions((now() at time zone 'UTC')::date, (now() at time zone 'UTC')::date + 30)

-- statement: forget_event_batches
-- A key is kept until its event's time plus the window; what came so long ago has no younger one but by what was ahead.
select forget_event_batches((now() at time zone 'UTC')::date - :window::integer - 8, :batch::integer) as forgotten
