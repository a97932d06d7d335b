-- Levels that are held over time (time_weighted): how many gigabytes are in use, from when on, and the next time how many. A
-- level holds until the next one of the same resource and dimensions, or until the resource is terminated, and counts as
-- level times seconds. What two instants of a series have between them is added to the quarter hours of it, so levels add up
-- in roll-ups as sums do: one that comes late, or is voided, adds the difference that it makes.
set local role bccd_owner;

alter table meters
    drop constraint meters_aggregation,
    add constraint meters_aggregation
        check (aggregation in ('sum', 'count', 'max', 'min', 'latest', 'unique', 'days', 'p95', 'p95_enhanced',
                               'top5_day_peaks', 'time_weighted'));

-- ---- Tables ----

-- What events said. Of several of a series at one instant, the greatest counts.
create table usage_levels (
    tenant_id text collate "C" not null,
    meter_id text collate "C" not null references meters,
    resource_id text collate "C" not null,
    dimensions text[] collate "C" not null,
    at timestamptz not null,
    event bigint not null, -- its number
    level exact not null,
    primary key (tenant_id, meter_id, resource_id, dimensions, at, event)
);
comment on table usage_levels is 'domain: metering; levels that events told of, by the time from which they hold';
call protect_tenant_table('usage_levels');
grant select, insert on usage_levels to bccd_tenant, bccd_operator;
grant select, insert, delete on usage_levels to bccd_jobs;
grant select, delete on usage_levels to bccd_lookup;
create policy lookup on usage_levels to bccd_lookup using (true);
create index usage_levels_at on usage_levels (at);

-- Of each series: up to when it stands in roll-ups, which is at least its last instant, the beginning of the running month
-- and the end of its resource; the level that holds since then; and when its resource was terminated. Whoever changes its levels
-- holds its row.
create table level_series (
    tenant_id text collate "C" not null,
    meter_id text collate "C" not null references meters,
    resource_id text collate "C" not null,
    dimensions text[] collate "C" not null,
    counted_to timestamptz, -- null: it is new
    level exact,            -- null: it has none
    ends_at timestamptz,
    primary key (tenant_id, meter_id, resource_id, dimensions)
);
comment on table level_series is 'domain: metering; series of levels, and up to when they are counted';
call protect_tenant_table('level_series');
grant select on level_series to bccd_tenant, bccd_operator, bccd_jobs;
grant select, insert, update on level_series to bccd_lookup;
create policy lookup on level_series to bccd_lookup using (true);
create index level_series_open on level_series (counted_to) where level is not null and ends_at is null;
create index level_series_resource on level_series (tenant_id, resource_id);

-- A level that is held over two quarter hours or more: what it adds to each of them. None goes over the end of a month.
create table usage_spans (
    tenant_id text collate "C" not null,
    meter_id text collate "C" not null references meters,
    resource_id text collate "C" not null,
    slot timestamptz not null, -- the first quarter hour
    ends_at timestamptz not null check (ends_at > slot and ends_at <= slot + interval '32 days'),
    period text collate "C" not null,
    dimensions text[] collate "C" not null,
    total exact not null, -- of each quarter hour
    count bigint not null, -- and for how many microseconds, by which it is known where nothing is held any more
    primary key (tenant_id, meter_id, slot, ends_at, resource_id, period, dimensions)
);
comment on table usage_spans is 'domain: metering; what levels add to many quarter hours alike';
create index usage_spans_period on usage_spans (tenant_id, period);
call protect_tenant_table('usage_spans');
grant select on usage_spans to bccd_tenant, bccd_operator, bccd_jobs;
grant select, insert, update on usage_spans to bccd_lookup;
create policy lookup on usage_spans to bccd_lookup using (true);
create trigger settled_period after insert on usage_spans referencing new table as inserted
    for each statement execute function refuse_settled_period();
create trigger settled_period_of_more after update on usage_spans referencing new table as inserted
    for each statement execute function refuse_settled_period();

-- ---- From levels to roll-ups ----

-- A level that is held, or is held no more where it is less than nothing; held is 1, -1, or 0 where something else was held.
create type level_difference as (
    tenant_id text, meter_id text, resource_id text, dimensions text[], begins timestamptz, ends timestamptz, level numeric,
    held integer);

-- The quarter hours of a time, by months of a zone: one of which it has a part, or some that it has wholly; and how many
-- seconds of each.
create function level_pieces(begins timestamptz, ends timestamptz, zone text)
    returns table (month text, slot timestamptz, ends_at timestamptz, seconds numeric)
    language sql stable
as $$
    select p.month, q.slot, q.ends_at, extract(epoch from q.seconds)
    from (select to_char(m.first, 'YYYY-MM') as month, greatest(begins, m.first at time zone zone) as begins,
                 least(ends, (m.first + interval '1 month') at time zone zone) as ends
          from generate_series(date_trunc('month', begins at time zone zone),
                               date_trunc('month', (ends - interval '1 microsecond') at time zone zone), interval '1 month')
               m(first)) p
    cross join lateral (select usage_slot(p.begins + interval '15 minutes' - interval '1 microsecond') as first,
                               usage_slot(p.ends) as last) whole
    cross join lateral (
        values (usage_slot(p.begins), usage_slot(p.begins) + interval '15 minutes', least(p.ends, whole.first) - p.begins),
               (whole.first, whole.last, case when whole.first < whole.last then interval '15 minutes' end),
               (whole.last, whole.last + interval '15 minutes', case when whole.last >= whole.first then p.ends - whole.last end))
        q(slot, ends_at, seconds)
    where q.seconds > interval '0'
$$;

-- The caller holds lock_usage_periods and the rows of the series.
create function count_levels(differences level_difference[]) returns void
    language plpgsql
as $$
declare
    zone text := (select p.time_zone from platform p);
begin
    with piece as materialized (
        select d.tenant_id, d.meter_id, d.resource_id, d.dimensions, p.month, p.slot, p.ends_at, d.level * p.seconds as total,
               (d.held * p.seconds * 1000000)::bigint as count, d.level
        from unnest(differences) d cross join lateral level_pieces(d.begins, d.ends, zone) p
        where d.level <> 0 or d.held <> 0
    ), month as materialized (
        select m.tenant_id, m.month, counting_period(m.tenant_id, period_start(m.month, zone)) as period
        from (select distinct p.tenant_id, p.month from piece p) m
    ), spans as (
        insert into usage_spans as s (tenant_id, meter_id, resource_id, slot, ends_at, period, dimensions, total, count)
        select p.tenant_id, p.meter_id, p.resource_id, p.slot, p.ends_at, m.period, p.dimensions, sum(p.total), sum(p.count)
        from piece p join month m on m.tenant_id = p.tenant_id and m.month = p.month
        where p.ends_at > p.slot + interval '15 minutes'
        group by p.tenant_id, p.meter_id, p.resource_id, p.slot, p.ends_at, m.period, p.dimensions
        on conflict (tenant_id, meter_id, slot, ends_at, resource_id, period, dimensions) do update
        set total = s.total + excluded.total, count = s.count + excluded.count
    )
    insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, dimensions, total, count, maximum, latest_at,
                              latest)
    select p.tenant_id, p.meter_id, p.resource_id, p.slot, m.period, p.dimensions, sum(p.total), sum(p.count), max(p.level),
           p.slot, max(p.level)
    from piece p join month m on m.tenant_id = p.tenant_id and m.month = p.month
    where p.ends_at = p.slot + interval '15 minutes'
    group by p.tenant_id, p.meter_id, p.resource_id, p.slot, m.period, p.dimensions;
end
$$;

create function running_month() returns timestamptz
    language sql stable
    return (select date_trunc('month', now() at time zone p.time_zone) at time zone p.time_zone from platform p);

-- After levels came, or went as their events were voided: what each series adds from the instant before the first of them to
-- the one behind the last, against what it added. The caller holds lock_usage_periods for when they came.
create function count_changed_levels() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    come boolean := tg_op = 'INSERT';
    running timestamptz := running_month();
    differences level_difference[];
begin
    if not exists (select from changed) then
        return null;
    end if;
    -- What was not counted yet may go back further than what came; it only becomes less.
    perform lock_usage_periods(least(min(s.counted_to), min(c.at)), max(c.at))
    from changed c
    left join level_series s on s.tenant_id = c.tenant_id and s.meter_id = c.meter_id and s.resource_id = c.resource_id
        and s.dimensions = c.dimensions;
    insert into level_series (tenant_id, meter_id, resource_id, dimensions, ends_at)
    select distinct c.tenant_id, c.meter_id, c.resource_id, c.dimensions,
           (select min(t.effective_at) from resource_transitions t
            where t.tenant_id = c.tenant_id and t.resource_id = c.resource_id and t.to_state = 'terminated')
    from changed c
    order by c.tenant_id, c.meter_id, c.resource_id, c.dimensions
    on conflict do nothing;
    perform from level_series s
    where (s.tenant_id, s.meter_id, s.resource_id, s.dimensions) in (
        select c.tenant_id, c.meter_id, c.resource_id, c.dimensions from changed c)
    order by s.tenant_id, s.meter_id, s.resource_id, s.dimensions
    for update;
    with series as materialized (
        select c.tenant_id, c.meter_id, c.resource_id, c.dimensions, s.counted_to as was, s.ends_at,
               case when come then greatest(s.counted_to, c.last, running, s.ends_at) else s.counted_to end as counted_to
        from (select c.tenant_id, c.meter_id, c.resource_id, c.dimensions, max(c.at) as last
              from changed c group by 1, 2, 3, 4) c
        join level_series s on s.tenant_id = c.tenant_id and s.meter_id = c.meter_id and s.resource_id = c.resource_id
            and s.dimensions = c.dimensions
    ), moved as (
        update level_series s
        set counted_to = n.counted_to,
            level = (select max(l.level) from usage_levels l
                     where l.tenant_id = s.tenant_id and l.meter_id = s.meter_id and l.resource_id = s.resource_id
                       and l.dimensions = s.dimensions
                       and l.at = (select m.at from usage_levels m
                                   where m.tenant_id = s.tenant_id and m.meter_id = s.meter_id
                                     and m.resource_id = s.resource_id and m.dimensions = s.dimensions
                                   order by m.dimensions desc, m.at desc limit 1))
        from series n
        where s.tenant_id = n.tenant_id and s.meter_id = n.meter_id and s.resource_id = n.resource_id
          and s.dimensions = n.dimensions
    ), near as materialized (
        -- The instants that changed, up to which it was counted, and the neighbours of these: elsewhere nothing differs.
        -- (Each is the first of an order that the index has: below row security an array that is equal is no constant to it.)
        select distinct i.tenant_id, i.meter_id, i.resource_id, i.dimensions, n.at
        from (select c.tenant_id, c.meter_id, c.resource_id, c.dimensions, c.at from changed c
              union
              select s.tenant_id, s.meter_id, s.resource_id, s.dimensions, s.was from series s) i
        cross join lateral (
            (select l.at from usage_levels l
             where l.tenant_id = i.tenant_id and l.meter_id = i.meter_id and l.resource_id = i.resource_id
               and l.dimensions = i.dimensions and l.at < i.at
             order by l.dimensions desc, l.at desc limit 1)
            union all
            select i.at
            union all
            (select l.at from usage_levels l
             where l.tenant_id = i.tenant_id and l.meter_id = i.meter_id and l.resource_id = i.resource_id
               and l.dimensions = i.dimensions and l.at > i.at
             order by l.dimensions, l.at limit 1)) n
    ), said as (
        select n.tenant_id, n.meter_id, n.resource_id, n.dimensions, n.at, l.level as now,
               -- `is true` keeps it from being a join.
               case when come and ((n.tenant_id, n.meter_id, l.event) in (
                                      select c.tenant_id, c.meter_id, c.event from changed c)) is true
                    then null else l.level end as before
        from near n
        cross join lateral (
            select l.event, l.level from usage_levels l
            where l.tenant_id = n.tenant_id and l.meter_id = n.meter_id and l.resource_id = n.resource_id
              and l.dimensions = n.dimensions and l.at = n.at
            offset 0) l
        union all
        select c.tenant_id, c.meter_id, c.resource_id, c.dimensions, c.at, null, c.level from changed c where not come
        union all
        select s.tenant_id, s.meter_id, s.resource_id, s.dimensions, e.at, null, null
        from series s cross join lateral (values (s.was), (s.counted_to)) e(at)
        where e.at is not null
    ), instant as (
        select i.tenant_id, i.meter_id, i.resource_id, i.dimensions, i.at, i.now, i.before,
               lead(i.at) over w as ends, count(i.now) over w as changes, count(i.before) over w as changes_before
        from (select s.tenant_id, s.meter_id, s.resource_id, s.dimensions, s.at, max(s.now) as now, max(s.before) as before
              from said s group by s.tenant_id, s.meter_id, s.resource_id, s.dimensions, s.at) i
        window w as (partition by i.tenant_id, i.meter_id, i.resource_id, i.dimensions order by i.at)
    ), held as (
        -- An instant without a level of its own has that of the one before it.
        select i.tenant_id, i.meter_id, i.resource_id, i.dimensions, i.at, i.ends,
               max(i.now) over (partition by i.tenant_id, i.meter_id, i.resource_id, i.dimensions, i.changes) as now,
               max(i.before) over (partition by i.tenant_id, i.meter_id, i.resource_id, i.dimensions, i.changes_before)
                   as before
        from instant i
    )
    select array_agg(row(h.tenant_id, h.meter_id, h.resource_id, h.dimensions, h.at, least(h.ends, s.ends_at),
                         coalesce(h.now, 0) - coalesce(b.level, 0),
                         (h.now is not null)::integer - (b.level is not null)::integer)::level_difference)
    into differences
    from held h
    join series s on s.tenant_id = h.tenant_id and s.meter_id = h.meter_id and s.resource_id = h.resource_id
        and s.dimensions = h.dimensions
    cross join lateral (select case when h.at < s.was then h.before end as level) b
    where h.at < s.counted_to and h.ends is not null and (s.ends_at is null or h.at < s.ends_at);
    perform count_levels(differences);
    return null;
end
$$;
create trigger counted after insert on usage_levels referencing new table as changed
    for each statement execute function count_changed_levels();
create trigger counted_without after delete on usage_levels referencing old table as changed
    for each statement when (setting('levels') is distinct from 'forgotten') execute function count_changed_levels();

-- Counts what is held up to the running month, of some series. How many they were.
create function advance_levels(at_most integer) returns integer
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    running timestamptz := running_month();
    series level_series[];
    tenant text;
    differences level_difference[];
begin
    series := array(select s from level_series s
                    where s.counted_to < running and s.level is not null and s.ends_at is null
                    order by s.counted_to limit at_most);
    if cardinality(series) = 0 then
        return 0;
    end if;
    perform lock_usage_periods(min(s.counted_to), running) from unnest(series) s;
    -- Whoever voids holds series in no order.
    for tenant in select distinct s.tenant_id from unnest(series) s order by 1 loop
        perform lock_tenant_events_shared(tenant);
    end loop;
    perform from level_series s
    where (s.tenant_id, s.meter_id, s.resource_id, s.dimensions) in (
        select c.tenant_id, c.meter_id, c.resource_id, c.dimensions from unnest(series) c)
    order by s.tenant_id, s.meter_id, s.resource_id, s.dimensions
    for update;
    with behind as (
        select s.tenant_id, s.meter_id, s.resource_id, s.dimensions, s.counted_to, s.level
        from level_series s
        where (s.tenant_id, s.meter_id, s.resource_id, s.dimensions) in (
                  select c.tenant_id, c.meter_id, c.resource_id, c.dimensions from unnest(series) c)
          and s.counted_to < running and s.level is not null and s.ends_at is null
    ), moved as (
        update level_series s set counted_to = running
        from behind b
        where s.tenant_id = b.tenant_id and s.meter_id = b.meter_id and s.resource_id = b.resource_id
          and s.dimensions = b.dimensions
    )
    select array_agg(row(b.tenant_id, b.meter_id, b.resource_id, b.dimensions, b.counted_to, running, b.level, 1)::level_difference)
    into differences
    from behind b;
    perform count_levels(differences);
    return cardinality(series);
end
$$;

-- A resource that is terminated holds nothing any more: what was counted from then on is taken off, and what is missing until
-- then is counted.
create function end_levels() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    differences level_difference[];
begin
    if new.to_state <> 'terminated' or not exists (select from meters m where m.aggregation = 'time_weighted') then
        return null;
    end if;
    perform lock_tenant_events_exclusive(new.tenant_id);
    perform lock_usage_periods(least(min(s.counted_to), new.effective_at), max(s.counted_to))
    from level_series s where s.tenant_id = new.tenant_id and s.resource_id = new.resource_id
    having count(*) > 0;
    perform from level_series s
    where s.tenant_id = new.tenant_id and s.resource_id = new.resource_id
    order by s.tenant_id, s.meter_id, s.resource_id, s.dimensions
    for update;
    with ended as (
        update level_series s set ends_at = new.effective_at, counted_to = greatest(s.counted_to, new.effective_at)
        from level_series o
        where s.tenant_id = new.tenant_id and s.resource_id = new.resource_id and o.tenant_id = s.tenant_id
          and o.meter_id = s.meter_id and o.resource_id = s.resource_id and o.dimensions = s.dimensions
        returning o.tenant_id, o.meter_id, o.resource_id, o.dimensions, o.counted_to, o.level
    ), held as (
        select e.tenant_id, e.meter_id, e.resource_id, e.dimensions, l.at, l.level,
               lead(l.at, 1, e.counted_to) over (partition by e.meter_id, e.dimensions order by l.at) as ends
        from ended e
        cross join lateral (
            select l.at, max(l.level) as level from usage_levels l
            where l.tenant_id = e.tenant_id and l.meter_id = e.meter_id and l.resource_id = e.resource_id
              and l.dimensions = e.dimensions
              and l.at >= coalesce((select b.at from usage_levels b
                                    where b.tenant_id = e.tenant_id and b.meter_id = e.meter_id
                                      and b.resource_id = e.resource_id and b.dimensions = e.dimensions
                                      and b.at <= new.effective_at
                                    order by b.dimensions desc, b.at desc limit 1), new.effective_at)
            group by l.at) l
    )
    select array_agg(d.difference) into differences
    from (select row(h.tenant_id, h.meter_id, h.resource_id, h.dimensions, greatest(h.at, new.effective_at), h.ends, -h.level,
                     -1)::level_difference as difference
          from held h where h.ends > new.effective_at
          union all
          select row(e.tenant_id, e.meter_id, e.resource_id, e.dimensions, e.counted_to, new.effective_at, e.level,
                     1)::level_difference
          from ended e where e.counted_to < new.effective_at and e.level is not null) d;
    perform count_levels(differences);
    return null;
end
$$;
create trigger levels_ended after insert on resource_transitions for each row execute function end_levels();

-- Forgets levels of before a time that later ones of before it replaced: what they added stays. How many.
create function forget_levels(before timestamptz, at_most integer) returns integer
    language plpgsql
as $$
declare
    count_of integer;
begin
    perform set_config('bccd.levels', 'forgotten', true);
    delete from usage_levels l
    where (l.tenant_id, l.meter_id, l.resource_id, l.dimensions, l.at, l.event) in (
        select o.tenant_id, o.meter_id, o.resource_id, o.dimensions, o.at, o.event
        from usage_levels o
        where o.at < before
          -- What comes of a back-computation has its neighbours yet to come.
          and not exists (select from back_computations c where c.meter_id = o.meter_id and c.ended_at is null)
          and exists (select from usage_levels n
                      where n.tenant_id = o.tenant_id and n.meter_id = o.meter_id and n.resource_id = o.resource_id
                        and n.dimensions = o.dimensions and n.at > o.at and n.at < before)
        limit at_most);
    get diagnostics count_of = row_count;
    return count_of;
end
$$;

create policy lookup on resource_transitions for select to bccd_lookup using (true);
grant select on resource_transitions to bccd_lookup;
alter function count_changed_levels owner to bccd_lookup;
alter function end_levels owner to bccd_lookup;
alter function advance_levels owner to bccd_lookup;
revoke execute on function advance_levels from public;
grant execute on function advance_levels to bccd_jobs;

-- ---- Voids, back-computation ----

-- As before; and the levels that voided events told of are held no more.
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
        where f.aggregation <> 'time_weighted'
    ), held_no_more as (
        delete from usage_levels l using found f
        where f.aggregation = 'time_weighted' and l.tenant_id = f.tenant_id and l.meter_id = f.meter_id
          and l.resource_id = f.resource_id and l.dimensions = f.dimensions and l.at = f.time and l.event = f.number
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
    ), deltas as materialized (
        -- They have no index by slot, so all of the tenants are read, once: `is true` keeps it from being a join.
        select u.tenant_id, u.number, u.meter_id, u.slot, u.resource_id, u.period
        from usage_deltas u
        where u.tenant_id = any (array(select distinct s.tenant_id from slots s))
          and ((u.tenant_id, u.meter_id, u.slot, u.resource_id) in (
                  select s.tenant_id, s.meter_id, s.slot, s.resource_id from slots s)) is true
    ), restated as (
        insert into usage_restatements (tenant_id, meter_id, resource_id, slot, period)
        select s.tenant_id, s.meter_id, s.resource_id, s.slot, s.period
        from slots s
        where exists (select from usage_slots u
                      where u.tenant_id = s.tenant_id and u.meter_id = s.meter_id and u.slot = s.slot
                        and u.resource_id = s.resource_id and u.period < s.period)
           or exists (select from deltas u
                      where u.tenant_id = s.tenant_id and u.meter_id = s.meter_id and u.slot = s.slot
                        and u.resource_id = s.resource_id and u.period < s.period)
        on conflict do nothing
    ), unfolded as (
        delete from usage_deltas u
        using deltas d
        where u.tenant_id = d.tenant_id and u.number = d.number
          and (d.tenant_id, d.meter_id, d.slot, d.resource_id, d.period) in (
                  select s.tenant_id, s.meter_id, s.slot, s.resource_id, s.period from slots s)
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

-- As before; and levels, from the first of the batches on.
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
    with event as materialized (
        select p.tenant_id, e.number, e.aggregation, e.resource_id, e.slot, e.time, e.dimensions, e.value, e.member
        from unnest(tenants, numbers) as p(tenant_id, number)
        cross join lateral metered_batch(p.tenant_id, p.number, null, array[of_meter], null, null) e
        where not e.voided
    ), held as (
        insert into usage_levels (tenant_id, meter_id, resource_id, dimensions, at, event, level)
        select e.tenant_id, of_meter, e.resource_id, e.dimensions, e.time, e.number, e.value
        from event e
        where e.aggregation = 'time_weighted'
    )
    insert into usage_deltas (tenant_id, meter_id, resource_id, slot, period, dimensions, total, count, minimum, maximum,
                              latest_at, latest, members)
    select e.tenant_id, of_meter, e.resource_id, e.slot, counting_period(e.tenant_id, e.slot), e.dimensions,
           sum(e.value), count(*), min(e.value), max(e.value), max(e.time),
           (array_agg(e.value order by e.time desc, e.value desc))[1],
           jsonb_agg(distinct e.member) filter (where e.member is not null)
    from event e
    where e.aggregation <> 'time_weighted'
    group by e.tenant_id, e.resource_id, e.slot, e.dimensions;
    update back_computations c set computed_to = (select max(n) from unnest(numbers) n) where c.meter_id = of_meter;
    return cardinality(numbers);
end
$$;

-- ---- Usage ----

-- Levels that are held over many quarter hours, up to now where they are not counted yet (then of no period): what they are
-- from when to when, and the microseconds of each quarter hour.
create view usage_runs with (security_invoker) as
select s.tenant_id, s.meter_id, s.resource_id, s.slot as begins, s.ends_at as ends, s.period, s.dimensions,
       s.total / 900 as level, s.count
from usage_spans s
where s.total <> 0 or s.count <> 0
union all
select s.tenant_id, s.meter_id, s.resource_id, s.counted_to, now(), null, s.dimensions, s.level, 900000000
from level_series s
where s.level is not null and s.ends_at is null and s.counted_to < now();
comment on view usage_runs is 'domain: metering; levels that are held over many quarter hours, and those that are held now';
grant select on usage_runs to bccd_tenant, bccd_operator, bccd_jobs;

-- Those that count in a month, a row for as long as a resource is on a plan.
create function held_in(of_tenant text, of_meters text[], of_period text, starts_at timestamptz, ends_at timestamptz)
    returns table (resource_id text, meter_id text, slot timestamptz, dimensions text[], total numeric, count numeric)
    language sql stable
as $$
    select r.resource_id, r.meter_id, usage_slot(c.at), r.dimensions, r.level * s.seconds, r.count * s.seconds / 900
    from (select u.tenant_id, u.resource_id, u.meter_id, u.dimensions, u.level, u.count,
                 case when u.period is null then greatest(u.begins, held_in.starts_at) else u.begins end as begins,
                 case when u.period is null then least(u.ends, held_in.ends_at) else u.ends end as ends
          from usage_runs u
          where u.tenant_id = of_tenant and u.meter_id = any (of_meters)
            and (u.period = of_period
                 or u.period is null and u.begins < held_in.ends_at and u.ends > held_in.starts_at)) r
    cross join lateral (
        select p.at, lead(p.at, 1, r.ends) over (order by p.at) as until
        from (select r.begins as at
              union
              select usage_slot(a.starts_at)
              from plan_assignments a where a.tenant_id = r.tenant_id and a.resource_id = r.resource_id) p
        where p.at >= r.begins and p.at < r.ends) c
    cross join lateral (select extract(epoch from c.until - c.at) as seconds) s
$$;
