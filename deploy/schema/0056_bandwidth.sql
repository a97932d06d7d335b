-- Bandwidth: how fast, by five minutes, from which a month's 95th percentile or its daily peaks come. Of events, a meter reads
-- rates; of broadband lines, they come from RADIUS accounting and from counters that network management reads.
set local role bccd_owner;

-- ---- Meters ----

alter table meters no force row level security;
alter table meters disable trigger user;
insert into meters (id, code, name, name_en, source, aggregation, unit, first_batch) values
    ('mtr_01k8x7g0v0e2v9m3b1q4t5y606', 'line-p95', '95 带宽', '95th percentile of bandwidth', 'broadband', 'p95', 'Mb/Second', 0),
    ('mtr_01k8x7g0v0e2v9m3b1q4t5y607', 'line-p95-enhanced', '增强型 95 带宽', 'Enhanced 95th percentile of bandwidth', 'broadband', 'p95_enhanced', 'Mb/Second', 0),
    ('mtr_01k8x7g0v0e2v9m3b1q4t5y608', 'line-top5-day-peaks', '日峰值前五均值带宽', 'Mean of the five highest daily peaks of bandwidth', 'broadband', 'top5_day_peaks', 'Mb/Second', 0);
alter table meters enable trigger user;
alter table meters force row level security;

-- As before, for meters of bytes.
create or replace function meter_traffic() returns trigger
    language plpgsql
as $$
declare
    first timestamptz;
    last timestamptz;
begin
    select min(a.at), max(a.at) into first, last from added a;
    if first is null then
        return null;
    end if;
    perform lock_usage_periods(first, last);
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

-- ---- Samples of lines ----

-- The bytes of five minutes, by where they are known from. Where several tell of the same minutes, the most counts.
create table line_samples (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    slot timestamptz not null,            -- the beginning of the five minutes
    origin text collate "C" not null check (origin in ('radius', 'counter')),
    period text collate "C" not null,     -- the month that they count in
    input_bytes exact not null,           -- from the customer
    output_bytes exact not null,          -- to the customer
    primary key (tenant_id, resource_id, slot, origin, period),
    foreign key (tenant_id, resource_id) references broadband_lines (tenant_id, resource_id)
);
comment on table line_samples is 'domain: broadband; traffic of lines by five minutes';
create index line_samples_period on line_samples (tenant_id, period);
create index line_samples_slot on line_samples (tenant_id, slot);
call protect_tenant_table('line_samples');
grant select on line_samples to bccd_tenant, bccd_operator, bccd_jobs, bccd_lookup;
grant insert, update on line_samples to bccd_operator;
create policy lookup on line_samples for select to bccd_lookup using (true);
create trigger settled_period after insert on line_samples referencing new table as inserted
    for each statement execute function refuse_settled_period();
create trigger settled_period_of_more after update on line_samples referencing new table as inserted
    for each statement execute function refuse_settled_period();

-- Counters of network equipment, as they were read last.
create table line_counters (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    counter text collate "C" not null,  -- which of the line's, such as an interface
    lifetime text collate "C" not null, -- changes when counters begin anew
    at timestamptz not null,
    input_bytes exact not null,
    output_bytes exact not null,
    primary key (tenant_id, resource_id, counter),
    foreign key (tenant_id, resource_id) references broadband_lines (tenant_id, resource_id)
);
comment on table line_counters is 'domain: broadband; counters of lines as they were read last';
call protect_tenant_table('line_counters');
grant select, insert, update on line_counters to bccd_operator;

-- Adds what went through a line between two instants to its five minutes, evenly; to the byte. Of more than a day nothing is
-- known of when it went, and none are made.
create function sample_line(of_tenant text, of_resource text, of_origin text, since timestamptz, until timestamptz,
                            input_bytes numeric, output_bytes numeric) returns void
    language plpgsql
as $$
declare
    span bigint := extract(epoch from until - since) * 1000000;
begin
    if span <= 0 or until - since > interval '1 day' then
        return;
    end if;
    perform lock_usage_periods(since, until);
    insert into line_samples as l (tenant_id, resource_id, slot, origin, period, input_bytes, output_bytes)
    select of_tenant, of_resource, s.slot, of_origin, counting_period(of_tenant, s.slot),
           div(input_bytes * p.ends, span) - div(input_bytes * p.begins, span),
           div(output_bytes * p.ends, span) - div(output_bytes * p.begins, span)
    from generate_series(five_minutes(since), five_minutes(until - interval '1 microsecond'), interval '5 minutes') s(slot)
    cross join lateral (
        select (extract(epoch from greatest(s.slot, since) - since) * 1000000)::bigint as begins,
               (extract(epoch from least(s.slot + interval '5 minutes', until) - since) * 1000000)::bigint as ends) p
    order by s.slot
    on conflict (tenant_id, resource_id, slot, origin, period) do update
    set input_bytes = l.input_bytes + excluded.input_bytes, output_bytes = l.output_bytes + excluded.output_bytes;
end
$$;

-- As before, and what the counters rose by, or that they did not, is spread over the time since they were heard of.
create or replace function radius_count(p radius_packet, of_tenant text, of_resource text, of_session integer) returns void
    language plpgsql
as $$
declare
    risen record;
    since timestamptz;
begin
    select greatest(p.input_bytes - s.input_bytes, 0) as input_bytes,
           greatest(p.output_bytes - s.output_bytes, 0) as output_bytes,
           s.traffic_count + 1 as sequence, s.input_bytes + s.output_bytes as before, s.started_at, s.last_at, s.stopped_at
    into risen
    from radius_sessions s
    where s.tenant_id = of_tenant and s.resource_id = of_resource and s.number = of_session;
    update radius_sessions s
    set input_bytes = s.input_bytes + risen.input_bytes, output_bytes = s.output_bytes + risen.output_bytes,
        session_time = greatest(s.session_time, p.session_time), last_at = greatest(s.last_at, p.at),
        framed_address = coalesce(p.framed_address, s.framed_address),
        calling_station = coalesce(p.calling_station, s.calling_station),
        stopped_at = case when p.status = 2 then coalesce(s.stopped_at, greatest(p.at, s.started_at)) else s.stopped_at end,
        stop_cause = case when p.status = 2 and s.stopped_at is null then coalesce(p.terminate_cause, 'stop')
                          else s.stop_cause end,
        traffic_count = case when risen.input_bytes + risen.output_bytes > 0 then risen.sequence else s.traffic_count end
    where s.tenant_id = of_tenant and s.resource_id = of_resource and s.number = of_session;
    insert into radius_traffic (tenant_id, resource_id, session_number, sequence, at, input_bytes, output_bytes)
    select of_tenant, of_resource, of_session, risen.sequence, p.at, risen.input_bytes, risen.output_bytes
    where risen.input_bytes + risen.output_bytes > 0;
    -- A session that has just begun was not heard of since its start; of a packet that is late, or of a session whose start
    -- is not known, nobody knows when its bytes went.
    since := case when p.at > risen.last_at then risen.last_at
                  when risen.before = 0 and p.at > risen.started_at then risen.started_at end;
    if since is not null and (risen.input_bytes + risen.output_bytes > 0 or risen.stopped_at is null) then
        perform sample_line(of_tenant, of_resource, 'radius', since, p.at, risen.input_bytes, risen.output_bytes);
    end if;
end
$$;

-- Takes counters of lines as they were read, and says of each by its place, from 1, whether it gave samples: 'counted', or why
-- it gave none. Of a counter that was not read for more than a quarter hour nothing is known of the time between; one that was
-- read more than a month ago comes too late.
create function take_line_counters(readings jsonb) returns table (place integer, outcome text)
    language plpgsql
as $$
declare
    reading record;
    last line_counters;
begin
    perform lock_usage_periods(min(r.at) - interval '15 minutes', max(r.at))
    from jsonb_to_recordset(readings) as r(at timestamptz)
    where r.at between clock_timestamp() - interval '31 days' and clock_timestamp() + interval '5 minutes'
    having count(*) > 0;
    for reading in
        select r.place, l.tenant_id, l.resource_id, coalesce(r.counter, '') as counter, coalesce(r.lifetime, '') as lifetime,
               r.at, r.input_bytes, r.output_bytes
        from rows from (jsonb_to_recordset(readings) as (
                 line text, counter text, lifetime text, at timestamptz, input_bytes numeric, output_bytes numeric))
             with ordinality as r(line, counter, lifetime, at, input_bytes, output_bytes, place)
        left join lateral (
            select b.tenant_id, b.resource_id
            from broadband_lines b
            where r.line like '%@%' and b.login = r.line
               or r.line not like '%@%'
                  and (b.tenant_id, b.resource_id) = (select o.tenant_id, o.id from resources o where o.id = r.line)
            order by b.released_at is not null, b.released_at desc limit 1) l on true
        order by l.tenant_id, l.resource_id, r.counter, r.at, r.place
    loop
        place := reading.place;
        if reading.resource_id is null then
            outcome := 'line_unknown';
        elsif reading.at > clock_timestamp() + interval '5 minutes' then
            outcome := 'too_far_ahead';
        elsif reading.at < clock_timestamp() - interval '31 days' then
            outcome := 'too_old';
        else
            perform from broadband_lines b
            where b.tenant_id = reading.tenant_id and b.resource_id = reading.resource_id for no key update;
            select c.* into last from line_counters c
            where c.tenant_id = reading.tenant_id and c.resource_id = reading.resource_id and c.counter = reading.counter;
            outcome := case when last.at is null then 'first'
                            when reading.at <= last.at then 'not_later'
                            when reading.lifetime <> last.lifetime or reading.input_bytes < last.input_bytes
                                 or reading.output_bytes < last.output_bytes then 'begun_anew'
                            when reading.at - last.at > interval '15 minutes' then 'after_a_gap'
                            else 'counted' end;
            if outcome = 'counted' then
                perform sample_line(reading.tenant_id, reading.resource_id, 'counter', last.at, reading.at,
                                    reading.input_bytes - last.input_bytes, reading.output_bytes - last.output_bytes);
            end if;
            if outcome <> 'not_later' then
                insert into line_counters (tenant_id, resource_id, counter, lifetime, at, input_bytes, output_bytes)
                values (reading.tenant_id, reading.resource_id, reading.counter, reading.lifetime, reading.at,
                        reading.input_bytes, reading.output_bytes)
                on conflict (tenant_id, resource_id, counter) do update
                set lifetime = excluded.lifetime, at = excluded.at, input_bytes = excluded.input_bytes,
                    output_bytes = excluded.output_bytes;
            end if;
        end if;
        return next;
    end loop;
end
$$;

-- ---- Usage ----

-- Folded and unfolded, each once in any snapshot; a slot may have several rows. The different values of unique stand in rows
-- of their own, which add nothing else. Of lines, for each meter of their bandwidth, the bytes of five minutes by where they
-- are known from and the way they went.
create view usage_all with (security_invoker) as
select s.tenant_id, s.meter_id, s.resource_id, s.slot, s.period, s.dimensions, s.total, s.count, s.minimum, s.maximum,
       s.latest_at, s.latest, null::text as member
from usage_slots s
union all
select d.tenant_id, d.meter_id, d.resource_id, d.slot, d.period, d.dimensions, d.total, d.count, d.minimum, d.maximum,
       d.latest_at, d.latest, null
from usage_deltas d
union all
select s.tenant_id, s.meter_id, s.resource_id, s.slot, s.period, s.dimensions, 0, 0, null, null, null, null, m.member
from usage_slots s
join usage_members m on m.tenant_id = s.tenant_id and m.member_set = s.member_set
where s.member_set is not null
union all
select d.tenant_id, d.meter_id, d.resource_id, d.slot, d.period, d.dimensions, 0, 0, null, null, null, null, m.text
from usage_deltas d
cross join lateral jsonb_array_elements_text(d.members) m(text)
where d.members is not null
union all
select l.tenant_id, m.id, l.resource_id, l.slot, l.period, array[l.origin, w.way], w.bytes, 1, null, null, null, null, null
from line_samples l
cross join lateral (values ('input' collate "C", l.input_bytes), ('output', l.output_bytes)) w(way, bytes)
join meters m on m.source = 'broadband' and is_bandwidth(m.aggregation);
grant select on usage_all to bccd_tenant, bccd_operator, bccd_jobs;

create type usage_sample as (
    slot timestamptz, resource_id text, dimensions text[], total numeric, maximum numeric);

-- The rate of each five minutes. Of events: the greatest of each resource and of what they say under the dimensions, added up.
-- Of lines: the bytes of each line, from where most are known and in the way that most went, added up.
create function bandwidth_rates(source text, samples usage_sample[]) returns table (slot timestamptz, rate numeric)
    language sql immutable
as $$
    select r.slot, sum(r.rate)
    from (select g.slot, g.resource_id, case source when 'broadband' then max(g.total) else sum(g.maximum) end as rate
          from (select s.slot, s.resource_id, s.dimensions, sum(s.total) as total, max(s.maximum) as maximum
                from unnest(samples) s group by s.slot, s.resource_id, s.dimensions) g
          group by g.slot, g.resource_id) r
    group by r.slot
$$;

-- What bandwidth the samples come to; null without any. p95: of N rates in descending order, the one behind floor(5 % of N).
-- p95_enhanced: the mean of the five highest peaks of days, a day's peak being its fifth highest rate. top5_day_peaks: the
-- same with the highest of each day. Where there are fewer than five rates or days, the last of these, and the mean of those.
-- In the unit of what came in; of lines in 10^6 bits a second, 300 seconds long: bytes * 8 / (300 * 10^6).
create function bandwidth(aggregation text, source text, zone text, samples usage_sample[]) returns numeric
    language plpgsql stable
as $$
declare
    total numeric;
    days bigint := 1;
    nth integer := case aggregation when 'p95_enhanced' then 5 else 1 end;
begin
    if samples is null then
        return null;
    end if;
    if aggregation = 'p95' then
        total := (select (array_agg(r.rate order by r.rate desc))[count(*) * 5 / 100 + 1] from bandwidth_rates(source, samples) r);
    else
        select sum(p.peak), count(*) into total, days
        from (select d.peak
              from (select (array_agg(r.rate order by r.rate desc))[least(nth, count(*))] as peak
                    from bandwidth_rates(source, samples) r group by (r.slot at time zone zone)::date) d
              order by d.peak desc limit 5) p;
    end if;
    return round(round(total, 40) / (days * case source when 'broadband' then 37500000 else 1 end), 12);
end
$$;
