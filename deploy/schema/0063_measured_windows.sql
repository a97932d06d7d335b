-- Levels: many series of a resource, and locks in one order. Quotas that are measured: their windows up to the end, and what
-- comes after it.
set local role bccd_owner;

-- ---- Levels ----

-- The resource goes first, so that one index tells both a series and those of a resource.
alter table level_series
    drop constraint level_series_pkey,
    add primary key (tenant_id, resource_id, meter_id, dimensions);
drop index level_series_resource;

-- As before, without waiting for a month: after levels came, or went as their events were voided, what each series adds from
-- the instant before the first of them to the one behind the last, against what it added. The caller holds lock_usage_periods
-- for when they came.
create or replace function count_changed_levels() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    come boolean := tg_op = 'INSERT';
    running timestamptz := running_month();
    first timestamptz;
    last timestamptz;
    differences level_difference[];
begin
    if not exists (select from changed) then
        return null;
    end if;
    -- What was not counted yet may go back further than what came; it only becomes less. Later months are held already, so it
    -- waits for none.
    select least(min(s.counted_to), min(c.at)), max(c.at) into first, last
    from changed c
    left join level_series s on s.tenant_id = c.tenant_id and s.meter_id = c.meter_id and s.resource_id = c.resource_id
        and s.dimensions = c.dimensions;
    if not try_lock_usage_periods(first, last) then
        raise exception using errcode = 'lock_not_available', message = 'A month is being settled.';
    end if;
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

-- As before, with locks in order: a resource that is terminated holds nothing any more, so what was counted from then on is
-- taken off, and what is missing until then is counted.
create or replace function end_levels() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    differences level_difference[];
begin
    if new.to_state <> 'terminated' then
        return null;
    end if;
    -- In the order of those who store events. A series that comes meanwhile is counted up to the running month.
    perform lock_usage_periods(least(min(s.counted_to), new.effective_at), max(s.counted_to))
    from level_series s where s.tenant_id = new.tenant_id and s.resource_id = new.resource_id;
    perform lock_meters_shared();
    if not exists (select from meters m where m.aggregation = 'time_weighted') then
        return null;
    end if;
    perform lock_tenant_events_exclusive(new.tenant_id);
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
alter function count_changed_levels owner to bccd_lookup;
alter function end_levels owner to bccd_lookup;

-- ---- Quotas that are measured ----

-- Windows that are over, in which something came or went since: they are measured again. Whoever measures takes those away
-- that it sees, which is what it measured.
create table quota_changes (
    tenant_id text collate "C" not null,
    number bigint generated always as identity,
    quota_id text collate "C" not null,
    starts_at timestamptz not null,
    primary key (tenant_id, number),
    foreign key (tenant_id, quota_id) references quotas (tenant_id, id) on delete cascade
);
comment on table quota_changes is 'domain: metering; windows of quotas that are to be measured again';
create index quota_changes_window on quota_changes (tenant_id, quota_id, starts_at);
call protect_tenant_table('quota_changes');
grant insert on quota_changes to bccd_tenant, bccd_operator, bccd_lookup;
grant select, insert, delete on quota_changes to bccd_jobs;
create policy lookup on quota_changes to bccd_lookup using (true);

comment on column quota_counters.measured_at is
    'of a meter that does not add up; -infinity: not yet; infinity: after all that the window had when it ended';
create index quota_counters_due on quota_counters (measured_at) where measured_at < 'infinity';

-- The windows from one instant to another, both included.
create function quota_windows(period text, since timestamptz, until timestamptz) returns setof timestamptz
    language plpgsql stable
as $$
declare
    at timestamptz := quota_window(period, since);
begin
    while at <= until loop
        return next at;
        at := quota_window_end(period, at); -- null: the only one
    end loop;
end
$$;

-- As before; and what changes a window that is over has it measured again, where it does not add up.
create or replace function count_quotas() returns trigger
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
    insert into quota_changes (tenant_id, quota_id, starts_at)
    select distinct q.tenant_id, q.id, w.starts_at
    from inserted i
    join quotas q on q.tenant_id = i.tenant_id and q.meter_id = i.meter_id
        and (q.resource_id is null or q.resource_id = i.resource_id)
    join meters m on m.id = q.meter_id
    cross join lateral (select quota_window(q.period, i.slot) as starts_at) w
    where not adds_to_quotas(m) and w.starts_at >= q.first_window and w.starts_at < quota_window(q.period, now());
    return null;
end
$$;

-- Levels that are held for long.
create function count_quotas_of_levels() returns trigger
    language plpgsql
as $$
begin
    if exists (select from quotas q where q.tenant_id = any (array(select distinct i.tenant_id from inserted i))) then
        insert into quota_changes (tenant_id, quota_id, starts_at)
        select distinct q.tenant_id, q.id, w.starts_at
        from inserted i
        join quotas q on q.tenant_id = i.tenant_id and q.meter_id = i.meter_id
            and (q.resource_id is null or q.resource_id = i.resource_id)
        cross join lateral quota_windows(q.period, greatest(i.slot, q.first_window), i.ends_at - interval '1 second')
            w(starts_at)
        where w.starts_at < quota_window(q.period, now());
    end if;
    return null;
end
$$;
create trigger quotas_counted after insert on usage_spans referencing new table as inserted
    for each statement execute function count_quotas_of_levels();
create trigger quotas_counted_of_more after update on usage_spans referencing new table as inserted
    for each statement execute function count_quotas_of_levels();
