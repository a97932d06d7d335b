-- Quotas: how they are made, read and measured. How they are counted and kept is functions of the schema (0061_quotas.sql).

-- statement: list_quotas
select q.id as cursor, quota_document(q) as document
from quotas q
where {{own q}}
  and (:kind::text is null or q.kind = :kind)
  and (:meter::text is null or q.meter_id in (select m.id from meters m where m.id = :meter or m.code = :meter))
{{page q.id}}

-- statement: get_quota
-- What is used changes without its version.
select quota_document(q) as document, q.version, true as changes
from quotas q
where q.id = :quota_id and {{own q}}

-- Hard ones are the operator's.
-- statement: create_quota keyed
with body as (
    select b.document, b.document ->> 'kind' as kind, b.document ->> 'subject' as subject, b.document ->> 'meter' as meter
    from (select :body::jsonb as document) b
), found as (
    select b.document, b.kind, b.subject is not null as bound, m.id as meter_id, m.aggregation,
           adds_to_quotas(m) as adds_up, r.id as resource_id,
           exists (select from tenants t where t.id = :tenant) as tenant_known
    from body b
    left join meters m on m.id = b.meter or m.code = b.meter
    left join lateral (
        select r.id from resources r
        where r.tenant_id = :tenant and (r.id = b.subject or r.external_id = b.subject)
        order by r.id <> b.subject limit 1) r on true
), checked as (
    select f.document, f.meter_id, f.resource_id,
           case when not f.tenant_known then '/tenant'
                when f.kind = 'hard' and :actor_side = 'tenant' then '/kind'
                when f.meter_id is null or f.aggregation = 'min' then '/meter'
                when f.bound and f.resource_id is null then '/subject'
                when f.kind = 'hard' and not f.adds_up then '/kind'
                when (f.document ->> 'limit')::numeric = 0 then '/limit' end as wrong,
           case when not f.tenant_known or f.meter_id is null or f.bound and f.resource_id is null then 'reference_unknown'
                when f.kind = 'hard' and :actor_side = 'tenant' then 'forbidden'
                else 'value_refused' end as outcome,
           case when f.kind = 'hard' and :actor_side = 'tenant' then 'The operator sets hard quotas.'
                when f.aggregation = 'min' then 'The least of something has no limit from above.'
                when f.kind = 'hard' and not f.adds_up then 'Only what adds up (sum, count) is kept hard.'
                when (f.document ->> 'limit')::numeric = 0 then 'Allow more than 0.' end as detail
    from found f
)
select case when c.wrong is null then 'ok' else c.outcome end as outcome, c.wrong as pointer,
       case when c.wrong is not null and c.outcome <> 'reference_unknown' then c.detail end as detail,
       '/v1/quotas/' || :new_quo as location,
       case when c.wrong is null
            then quota_make(:tenant, :new_quo, c.meter_id, c.resource_id, :actor, c.document) end as document
from checked c

-- statement: update_quota
select c.document, c.version
from quota_change(:tenant, :quota_id, :if_match::bigint, :actor_side, :body::jsonb) c

-- statement: delete_quota
select d.outcome, d.detail from quota_delete(:tenant, :quota_id, :if_match::bigint, :actor_side) d

-- statement: list_quota_alerts
select a.number as cursor,
       case when a.number is not null then json_build_object(
           'threshold', a.threshold, 'limit', number_text(a.allowed), 'used', number_text(a.used),
           'starts_at', case when q.period <> 'total' then instant_text(a.starts_at) end,
           'ends_at', instant_text(quota_window_end(q.period, a.starts_at)), 'at', instant_text(a.at)) end as document
from (select q.tenant_id, q.id, q.period from quotas q where q.id = :quota_id and {{own q}}) q
left join quota_alerts a on a.tenant_id = q.tenant_id and a.quota_id = q.id
    and (:cursor::text is null or a.number < :cursor::bigint)
order by a.number desc
limit :limit::bigint + 1

-- ---- What events take ----

-- Of the hard quotas that the meters and resources of a batch have, in its windows: what remains, beside what is held by the
-- reservation that it settles, in the unit of what events say. Times in microseconds; in the order of meters and resources.
-- statement: find_quota_room
select q.meter_id, q.resource_id, (extract(epoch from w.starts_at) * 1000000)::bigint as starts_at,
       (extract(epoch from quota_window_end(q.period, w.starts_at)) * 1000000)::bigint as ends_at,
       number_text(greatest(q.allowed * coalesce(m.divide_by, 1) - coalesce(c.used + c.reserved, 0), 0)
                   + coalesce(o.quantity, 0)) as room
from quotas q
join meters m on m.id = q.meter_id
cross join lateral (
    select distinct quota_window(q.period, event_time(s)) as starts_at from unnest(:slots::bigint[]) s) w
left join quota_counters c on c.tenant_id = q.tenant_id and c.quota_id = q.id and c.starts_at = w.starts_at
left join lateral (
    select r.quantity
    from reservation_parts p
    join reservations r on r.tenant_id = p.tenant_id and r.id = p.reservation_id and r.state = 'held'
        and r.expires_at > clock_timestamp()
    where p.tenant_id = q.tenant_id and p.reservation_id = :settles and p.quota_id = q.id and p.starts_at = w.starts_at) o
    on true
where q.tenant_id = :tenant and q.kind = 'hard' and w.starts_at >= q.first_window and m.event_type = any (:types::text[])
  and (q.resource_id is null or q.resource_id = any (:resources::text[]))
order by q.meter_id, coalesce(q.resource_id, '')

-- Goes before it.
-- statement: expire_own_reservations
select expire_reservations(:tenant, 1000)

-- ---- The work ----

-- statement: expire_reservations
select expire_reservations(null, :batch::integer) as done

-- statement: keep_observed_quotas
select keep_observed_quotas(:batch::integer) as done

-- The windows of what does not add up, from the last one that is known to the one that runs, and those in which something
-- changed.
-- statement: open_quota_windows
insert into quota_counters (tenant_id, quota_id, starts_at, used, measured_at)
select w.tenant_id, w.quota_id, w.starts_at, 0, '-infinity'
from (select q.tenant_id, q.id as quota_id, w.starts_at
      from quotas q
      join meters m on m.id = q.meter_id and not adds_to_quotas(m)
      cross join lateral (
          select coalesce(max(c.starts_at), q.first_window) as starts_at from quota_counters c
          where c.tenant_id = q.tenant_id and c.quota_id = q.id) l
      cross join lateral quota_windows(q.period, l.starts_at, now()) w(starts_at)
      union
      select x.tenant_id, x.quota_id, x.starts_at from quota_changes x) w
order by w.tenant_id, w.quota_id, w.starts_at
on conflict do nothing

-- Each is measured once a minute until it is over, then once more, when nobody who stored into it while it ran can still be at
-- it; and again where something changed (0063_measured_windows.sql). Some of them, those first that waited longest, and each
-- once where `begun` is when it began.
-- statement: measure_quotas
with due as materialized (
    select q.tenant_id, q.id, q.meter_id, q.resource_id, w.starts_at, w.ends_at,
           coalesce(w.ends_at < now() - interval '5 minutes', false) as over,
           p.time_zone, m.aggregation, m.source, m.divide_by, m.resource_kind
    from (select c.tenant_id, c.quota_id, c.starts_at, c.measured_at
          from quota_counters c where c.measured_at < :begun::timestamptz - interval '1 minute'
          union
          select c.tenant_id, c.quota_id, c.starts_at, c.measured_at
          from quota_counters c join quota_changes x using (tenant_id, quota_id, starts_at)) c
    join quotas q on q.tenant_id = c.tenant_id and q.id = c.quota_id
    join meters m on m.id = q.meter_id
    cross join platform p
    cross join lateral (select c.starts_at, quota_window_end(q.period, c.starts_at) as ends_at) w
    order by c.measured_at, q.tenant_id, q.id, c.starts_at
    limit :batch::bigint
    for key share of q skip locked
), seen as (
    delete from quota_changes x
    using due d
    where x.tenant_id = d.tenant_id and x.quota_id = d.id and x.starts_at = d.starts_at
), measured as (
    select d.tenant_id, d.id, d.starts_at, {{usage_value d, u, true, d.time_zone}} as value
    from due d
    cross join lateral (
        select u.slot, u.resource_id, u.dimensions, u.total, u.count, u.minimum, u.maximum, u.latest_at, u.latest, u.member
        from usage_all u
        where u.tenant_id = d.tenant_id and u.meter_id = d.meter_id and u.slot >= d.starts_at
          and u.slot < coalesce(d.ends_at, 'infinity')
          and (d.resource_id is null or u.resource_id = d.resource_id)
          and not exists (select from usage_restatements r
                          where r.tenant_id = u.tenant_id and r.meter_id = u.meter_id and r.slot = u.slot
                            and r.resource_id = u.resource_id and r.period > u.period)
        union all
        select d.starts_at, r.resource_id, r.dimensions,
               r.level * extract(epoch from least(r.ends, d.ends_at) - greatest(r.begins, d.starts_at)), 0, null, null, null,
               null, null
        from usage_runs r
        where d.aggregation = 'time_weighted' and r.tenant_id = d.tenant_id and r.meter_id = d.meter_id
          and r.ends > d.starts_at and r.begins < coalesce(d.ends_at, 'infinity')
          and (d.resource_id is null or r.resource_id = d.resource_id)
        offset 0) u
    where d.source <> 'derived'
    group by d.tenant_id, d.id, d.starts_at, d.aggregation, d.source, d.divide_by, d.time_zone
    union all
    select e.tenant_id, e.id, e.starts_at, case e.aggregation when 'max' then max(e.quantity) else sum(e.quantity) end
    from (select d.tenant_id, d.id, d.starts_at, d.aggregation, y.day, sum(y.quantity) as quantity
          from due d
          cross join lateral resource_days(d.starts_at, least(d.ends_at, now()), d.time_zone, array[d.tenant_id]) y
          where d.source = 'derived' and y.kind = d.resource_kind
            and (d.resource_id is null or y.resource_id = d.resource_id)
          group by d.tenant_id, d.id, d.starts_at, d.aggregation, y.day) e
    group by e.tenant_id, e.id, e.starts_at, e.aggregation
), noted as (
    update quota_counters c
    set used = coalesce(m.value, 0), measured_at = case when d.over then 'infinity' else now() end
    from due d left join measured m on m.tenant_id = d.tenant_id and m.id = d.id and m.starts_at = d.starts_at
    where c.tenant_id = d.tenant_id and c.quota_id = d.id and c.starts_at = d.starts_at
    returning 1
)
select count(*) as done from noted
