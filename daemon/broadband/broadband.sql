-- RADIUS: authorization and accounting of broadband lines. Accounting is a function of the schema
-- (0008_broadband.sql), since it locks, looks and writes in turn.

-- statement: find_line
-- The rates and timeouts are those of the tier in force, or the line's own. `routed` are single IPv4
-- addresses, the static one first.
select l.tenant_id, l.resource_id, r.state, encode(l.secret, 'hex') as secret,
       coalesce(t.maximum_downstream_kbit, l.maximum_downstream_kbit) as maximum_downstream_kbit,
       coalesce(t.maximum_upstream_kbit, l.maximum_upstream_kbit) as maximum_upstream_kbit,
       t.session_timeout, t.idle_timeout, a.routed, a.framed_prefixes, a.delegated_prefixes,
       coalesce(t.code, (
           select p.code
           from plan_assignments a join plans p on p.id = a.plan_id
           where a.tenant_id = l.tenant_id and a.resource_id = l.resource_id
             and a.starts_at <= clock_timestamp()
             and (a.ends_at is null or a.ends_at > clock_timestamp()))) as filter
from broadband_lines l
join resources r on r.tenant_id = l.tenant_id and r.id = l.resource_id
left join lateral (
    select t.code, t.maximum_downstream_kbit, t.maximum_upstream_kbit, t.session_timeout, t.idle_timeout
    from line_tiers x join broadband_tiers t on t.id = x.tier_id
    where x.tenant_id = l.tenant_id and x.resource_id = l.resource_id and x.starts_at <= clock_timestamp()
    order by x.number desc limit 1) t on true
left join lateral (
    select string_agg(host(a.address), ' ' order by a.address is distinct from l.static_address, a.id)
               filter (where family(a.address) = 4) as routed,
           string_agg(text(a.address), ' ' order by a.id)
               filter (where family(a.address) = 6 and masklen(a.address) = 64) as framed_prefixes,
           string_agg(text(a.address), ' ' order by a.id)
               filter (where family(a.address) = 6 and masklen(a.address) < 64) as delegated_prefixes
    from address_assignments a
    where a.tenant_id = l.tenant_id and a.resource_id = l.resource_id and a.ended_at is null) a on true
where l.login = :login and l.released_at is null

-- statement: account_packet
select radius_account(:packet::jsonb) as problem

-- statement: quarantine_packet
insert into radius_quarantine (reason, packet) values (:reason, '{}') returning reason as problem

-- statement: list_broadband_sessions
select s.number as cursor, json_build_object(
    'number', s.number, 'session_id', s.session_id, 'started_at', instant_text(s.started_at),
    'last_at', instant_text(s.last_at), 'stopped_at', instant_text(s.stopped_at),
    'stop_cause', s.stop_cause, 'input_bytes', number_text(s.input_bytes),
    'output_bytes', number_text(s.output_bytes), 'framed_address', s.framed_address,
    'calling_station', s.calling_station,
    'disconnect_requested_at', instant_text(s.disconnect_requested_at)) as document
from {{resource_named}} r
left join radius_sessions s on s.tenant_id = r.tenant_id and s.resource_id = r.id
{{page_by_number s.number}}

-- By the five minutes; what counts in several months is added up.
-- statement: list_line_samples
select s.number as cursor, json_build_object(
    'slot', instant_text(s.slot), 'radius', s.radius, 'counter', s.counter,
    'rate', number_text(round(round(s.bytes, 40) / 37500000, 12))) as document
from {{resource_named}} r
left join lateral (
    select s.slot, extract(epoch from s.slot)::bigint as number,
           max(greatest(s.input_bytes, s.output_bytes)) as bytes,
           json_agg(s.document) filter (where s.origin = 'radius') -> 0 as radius,
           json_agg(s.document) filter (where s.origin = 'counter') -> 0 as counter
    from (select l.slot, l.origin, sum(l.input_bytes) as input_bytes,
                 sum(l.output_bytes) as output_bytes,
                 json_build_object('input_bytes', number_text(sum(l.input_bytes)),
                                   'output_bytes', number_text(sum(l.output_bytes))) as document
          from (select distinct p.slot
                from line_samples p
                where p.tenant_id = r.tenant_id and p.resource_id = r.id
                  and (:cursor::text is null or p.slot < to_timestamp(:cursor::bigint))
                  and (:slot_gte::timestamptz is null or p.slot >= :slot_gte::timestamptz)
                  and (:slot_lt::timestamptz is null or p.slot < :slot_lt::timestamptz)
                order by p.slot desc
                limit :limit::bigint + 1) page
          join line_samples l on l.tenant_id = r.tenant_id and l.resource_id = r.id and l.slot = page.slot
          group by l.slot, l.origin) s
    group by s.slot) s on true
{{page_by_number s.number}}

-- statement: send_line_counters
select json_build_object(
    'counted', count(*) filter (where t.outcome = 'counted'),
    'not_counted', coalesce(json_agg(json_build_object('index', t.place - 1, 'line', b.readings -> (t.place - 1) ->> 'line',
                                                       'reason', t.outcome)
                                     order by t.place) filter (where t.outcome <> 'counted'), '[]')) as document
from (select (:body::jsonb) -> 'readings' as readings) b
cross join take_line_counters(b.readings) t

-- statement: list_radius_quarantine
select q.number as cursor, json_build_object(
    'number', q.number::text, 'reason', q.reason, 'login', q.packet ->> 'login',
    'server', coalesce(nullif(q.packet ->> 'identifier', ''), q.packet ->> 'address'),
    'session_id', q.packet ->> 'session_id', 'status', (q.packet ->> 'status')::bigint,
    'input_bytes', q.packet ->> 'input_bytes', 'output_bytes', q.packet ->> 'output_bytes',
    'received_at', instant_text(q.received_at)) as document
from radius_quarantine q
where (:reason::text is null or q.reason = :reason)
{{page_by_number q.number}}
