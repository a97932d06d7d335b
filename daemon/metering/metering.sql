-- Meters, events and usage.

-- fragment: meter_document(m)
json_build_object(
    'id', m.id, 'code', m.code, 'name', m.name, 'name_en', m.name_en, 'source', m.source,
    'event_type', m.event_type, 'aggregation', m.aggregation, 'value_property', m.value_property,
    'unit', m.unit, 'resource_kind', m.resource_kind, 'created_at', instant_text(m.created_at))

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
with made as (
    insert into meters (id, code, name, name_en, source, event_type, aggregation, value_property, unit)
    select :new_mtr, b.code, b.name, coalesce(b.name_en, ''), 'events', b.event_type, b.aggregation,
           b.value_property, b.unit
    from json_to_record(:body::json) as b(
        code text, name text, name_en text, event_type text, aggregation text, value_property text,
        unit text)
    returning id, code, name, name_en, source, event_type, aggregation, value_property, unit,
              resource_kind, created_at
)
select {{meter_document m}} as document, '/v1/meters/' || m.id as location
from made m

-- ---- Events ----

-- Goes before store_events in its segment: what that one reads of periods is then settled.
-- statement: lock_event_periods
select lock_usage_periods(:first_time::timestamptz, :last_time::timestamptz)

-- fragment: decimal(spelled)
(spelled ~ '^-?[0-9]{1,18}(\.[0-9]{1,12})?$')

-- Stores what is good, each key once, and appends what it adds to usage. Gives the events that were not
-- stored: refused with a reason (and the property of data that it is about), or with none, since the key
-- is there already. Where one is refused and not :partial, and where not :store, nothing is stored and
-- the refused ones are given alone. The planner cannot know how many events there are, so nothing here
-- joins events with events.
-- statement: store_events
with sent as (
    select e.position, e.source, e.id, e.digest, e.type, e.subject, e.time, e.data
    from jsonb_to_recordset(:events::jsonb) as e(
        position integer, source text, id text, digest text, type text, subject text,
        time timestamptz, data jsonb)
), subjects as (
    select d.subject,
           coalesce((select r.id from resources r where r.tenant_id = :tenant and r.id = d.subject),
                    (select r.id from resources r
                     where r.tenant_id = :tenant and r.external_id = d.subject)) as resource_id
    from (select distinct s.subject from sent s) d
), types as (
    select m.event_type as type,
           coalesce(array_agg(m.value_property) filter (where m.value_property is not null), '{}') as properties
    from meters m
    where m.source = 'events' and m.event_type in (select s.type from sent s)
    group by m.event_type
), months as materialized (
    select d.month, counting_period(:tenant, d.time) as period
    from (select date_trunc('month', s.time at time zone p.time_zone) as month, min(s.time) as time
          from sent s cross join platform p
          group by 1) d
), judged as (
    select s.position, s.source, s.id, s.digest, s.type, s.subject, s.time, s.data, u.resource_id,
           case when u.resource_id is null then 'event_subject_unknown'
                when t.type is null then 'event_type_unknown'
                when v.missing is not null then 'event_value_missing'
                when v.malformed is not null then 'event_value_not_decimal' end as reason,
           coalesce(v.missing, v.malformed) as property
    from sent s
    join subjects u on u.subject = s.subject
    left join types t on t.type = s.type
    cross join lateral (
        select min(p) filter (where s.data ->> p is null) as missing,
               min(p) filter (where not {{decimal s.data ->> p}}) as malformed
        from unnest(t.properties) as p) v
), going as (
    select :store::boolean
           and (:partial::boolean or not exists (select from judged j where j.reason is not null)) as ahead
), ranked as (
    -- Of a key that was sent twice, the first that is good.
    select j.position, j.source, j.id, j.digest, j.type, j.subject, j.time, j.data, j.resource_id,
           j.reason, j.property, g.ahead,
           row_number() over (partition by j.source, j.id, j.reason is null order by j.position) as place
    from judged j cross join going g
), stored as (
    -- In the order of the keys, so that two batches cannot wait for each other.
    insert into events (tenant_id, source, id, digest, type, subject, resource_id, time, period, data)
    select :tenant, r.source, r.id, decode(r.digest, 'hex'), r.type, r.subject, r.resource_id, r.time,
           m.period, r.data
    from ranked r
    cross join platform p
    join months m on m.month = date_trunc('month', r.time at time zone p.time_zone)
    where r.reason is null and r.place = 1 and r.ahead
    order by r.source, r.id
    on conflict do nothing
    returning source, id, type, resource_id, time, period, data
), counted as (
    insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, total, count, maximum,
                              latest_at, latest)
    select :tenant, v.meter_id, v.resource_id, usage_slot(v.time), v.period, sum(v.value), count(v.value),
           max(v.value), max(v.time), (array_agg(v.value order by v.time desc, v.value desc))[1]
    from (select m.id as meter_id, t.resource_id, t.time, t.period,
                 case when m.value_property is null then 1
                      else (t.data ->> m.value_property)::numeric end as value
          from stored t
          join meters m on m.source = 'events' and m.event_type = t.type) v
    group by v.meter_id, v.resource_id, usage_slot(v.time), v.period
)
select r.position, r.reason, replace(replace(r.property, '~', '~0'), '/', '~1') as property
from ranked r
where r.reason is not null
   or (r.ahead and (r.place > 1 or (r.source, r.id) not in (select t.source, t.id from stored t)))
order by r.position

-- The digests of keys that were there.
-- statement: read_digests
select k.position, encode(e.digest, 'hex') as digest
from jsonb_to_recordset(:keys::jsonb) as k(position integer, source text, id text)
join events e on e.tenant_id = :tenant and e.source = k.source and e.id = k.id

-- statement: list_events
-- Newest received first.
select e.number as cursor, json_build_object(
    'id', e.id, 'source', e.source, 'type', e.type, 'subject', e.subject,
    'resource_id', e.resource_id, 'time', instant_text(e.time), 'data', e.data,
    'digest', encode(e.digest, 'hex'), 'period', e.period,
    'received_at', instant_text(e.received_at)) as document
from events e
where {{own e}}
  and (:subject::text is null or e.resource_id in (
        select r.id from resources r
        where {{own r}} and (r.id = :subject or r.external_id = :subject)))
  and (:source::text is null or e.source = :source)
  and (:id::text is null or e.id = :id)
  and (:type::text is null or e.type = :type)
  and (:time_gte::timestamptz is null or e.time >= :time_gte::timestamptz)
  and (:time_lt::timestamptz is null or e.time < :time_lt::timestamptz)
{{page_by_number e.number}}

-- ---- Usage ----

-- One row of the meter at least, where it exists; windows and values beside it. Days come from the
-- history of resources, up to now; all else from roll-ups.
-- statement: read_usage
with meter as materialized (
    select m.id, m.code, m.unit, m.source, m.aggregation, m.resource_kind
    from meters m
    where m.id = :meter or m.code = :meter
), subjects as (
    select r.id from resources r where {{own r}} and (r.id = :subject or r.external_id = :subject)
), used as (
    select usage_window_key(u.slot, :window, :time_zone) as key,
           case when :group_by::text is not null then u.resource_id end as resource_id,
           case m.aggregation
               when 'sum' then sum(u.total)
               when 'count' then sum(u.count)
               when 'max' then max(u.maximum)
               else (array_agg(u.latest order by u.latest_at desc, u.latest desc))[1] end as value
    from meter m
    join usage_all u on u.meter_id = m.id
    where {{own u}} and u.slot >= :from::timestamptz and u.slot < :to::timestamptz
      and (:subject::text is null or u.resource_id in (select s.id from subjects s))
    group by 1, 2, m.aggregation
    union all
    select date_trunc(:window, d.day::timestamp), d.resource_id,
           case d.aggregation when 'max' then max(d.quantity) else sum(d.quantity) end
    from (
        select d.day, case when :group_by::text is not null then d.resource_id end as resource_id, m.aggregation,
               sum(d.quantity) as quantity
        from meter m
        join resource_days(:from::timestamptz, least(:to::timestamptz, now()), :time_zone) d
          on d.kind = m.resource_kind
        where {{own d}} and :window <> 'hour'
          and (:subject::text is null or d.resource_id in (select s.id from subjects s))
        group by 1, 2, 3) d
    group by 1, 2, d.aggregation
), shown as (
    select w.starts_at, w.ends_at, u.resource_id,
           case when m.aggregation in ('max', 'latest') then u.value else coalesce(u.value, 0) end as value
    from meter m
    cross join usage_windows(:from::timestamptz, :to::timestamptz, :window, :time_zone) w
    left join used u on u.key = w.key
    where :group_by::text is null or u.key is not null
    order by w.starts_at, u.resource_id
    limit :rows::bigint
)
select m.id as meter_id, m.code as meter, m.unit, m.source, m.aggregation,
       instant_text(s.starts_at) as from, instant_text(s.ends_at) as to, s.resource_id as subject,
       number_text(s.value) as value
from meter m
left join shown s on true
order by s.starts_at, s.resource_id

-- A delta that another folder holds is left to it; slots are taken in the order of their key.
-- statement: fold_usage
with picked as (
    select d.tenant_id, d.number
    from usage_deltas d
    order by d.tenant_id, d.number
    limit :batch::bigint
    for update skip locked
), taken as (
    delete from usage_deltas d
    using picked p
    where d.tenant_id = p.tenant_id and d.number = p.number
    returning d.tenant_id, d.meter_id, d.resource_id, d.slot, d.period, d.total, d.count, d.maximum,
              d.latest_at, d.latest
), folded as (
    insert into usage_slots as s (tenant_id, meter_id, resource_id, slot, period, total, count, maximum,
                                  latest_at, latest)
    select t.tenant_id, t.meter_id, t.resource_id, t.slot, t.period, sum(t.total), sum(t.count),
           max(t.maximum), max(t.latest_at),
           (array_agg(t.latest order by t.latest_at desc, t.latest desc))[1]
    from taken t
    group by t.tenant_id, t.meter_id, t.slot, t.resource_id, t.period
    order by t.tenant_id, t.meter_id, t.slot, t.resource_id, t.period
    on conflict (tenant_id, meter_id, slot, resource_id, period) do update
    set total = s.total + excluded.total, count = s.count + excluded.count,
        maximum = greatest(s.maximum, excluded.maximum),
        latest_at = greatest(s.latest_at, excluded.latest_at),
        latest = case when (excluded.latest_at, excluded.latest) > (s.latest_at, s.latest)
                      then excluded.latest else s.latest end
)
select count(*) as folded from taken
