-- The business calendar, and how soon work has to be done by it.
set local role bccd_owner;

-- ---- The business calendar ----

-- What differs from Monday to Friday.
create table business_days (
    day date primary key,
    works boolean not null,
    name text not null check (length(name) between 1 and 100)
);
comment on table business_days is 'domain: work_orders; holidays, and the days off that are worked in their place';
-- By the State Council's notices on the holidays of 2025 (2024-11-12) and 2026 (2025-11-04).
insert into business_days (day, works, name)
select day::date, false, h.name
from (values ('2025-01-01', '2025-01-01', '元旦'), ('2025-01-28', '2025-02-04', '春节'), ('2025-04-04', '2025-04-06', '清明节'),
             ('2025-05-01', '2025-05-05', '劳动节'), ('2025-05-31', '2025-06-02', '端午节'),
             ('2025-10-01', '2025-10-08', '国庆节、中秋节'), ('2026-01-01', '2026-01-03', '元旦'),
             ('2026-02-15', '2026-02-23', '春节'), ('2026-04-04', '2026-04-06', '清明节'), ('2026-05-01', '2026-05-05', '劳动节'),
             ('2026-06-19', '2026-06-21', '端午节'), ('2026-09-25', '2026-09-27', '中秋节'),
             ('2026-10-01', '2026-10-07', '国庆节')) as h(first, last, name)
cross join lateral generate_series(h.first::timestamp, h.last::timestamp, interval '1 day') as day
union all
select w.day::date, true, w.name
from (values ('2025-01-26', '春节调休'), ('2025-02-08', '春节调休'), ('2025-04-27', '劳动节调休'), ('2025-09-28', '国庆节调休'),
             ('2025-10-11', '国庆节调休'), ('2026-01-04', '元旦调休'), ('2026-02-14', '春节调休'), ('2026-02-28', '春节调休'),
             ('2026-05-09', '劳动节调休'), ('2026-09-20', '国庆节调休'), ('2026-10-10', '国庆节调休')) as w(day, name);

call protect_platform_table('business_days');
create policy tenant on business_days for select to bccd_tenant using (true);
grant select on business_days to bccd_tenant, bccd_jobs;
grant select, insert, update, delete on business_days to bccd_operator;

create function is_business_day(of_day date) returns boolean
    language sql stable
    return coalesce((select b.works from business_days b where b.day = of_day), extract(isodow from of_day) < 6);

-- Work is done from nine to six.
create function business_hours(of_day date, out opens timestamptz, out closes timestamptz)
    language sql stable
as $$
    select (of_day + time '09:00') at time zone p.time_zone, (of_day + time '18:00') at time zone p.time_zone
    from platform p
$$;

create function platform_day(at timestamptz) returns date
    language sql stable
    return (select (at at time zone p.time_zone)::date from platform p);

-- The instant at which so many minutes of business hours have passed since another. Minutes are at most 100,000,
-- which is less than two years.
create function business_deadline(since timestamptz, minutes integer) returns timestamptz
    language plpgsql stable
as $$
declare
    day date := platform_day(since);
    remaining interval := make_interval(mins => minutes);
    hours record;
begin
    loop
        if is_business_day(day) then
            select h.opens, h.closes into hours from business_hours(day) h;
            if since < hours.closes then
                if greatest(since, hours.opens) + remaining <= hours.closes then
                    return greatest(since, hours.opens) + remaining;
                end if;
                remaining := remaining - (hours.closes - greatest(since, hours.opens));
            end if;
        end if;
        day := day + 1;
    end loop;
end
$$;

-- Whole minutes of business hours from one instant until another.
create function business_minutes(since timestamptz, until timestamptz) returns integer
    language sql stable
as $$
    select coalesce(floor(extract(epoch from sum(least(until, h.closes) - greatest(since, h.opens))) / 60), 0)::integer
    from generate_series(platform_day(since)::timestamp, platform_day(until)::timestamp, interval '1 day') as d(day)
    cross join lateral business_hours(d.day::date) h
    where is_business_day(d.day::date) and h.opens < until and h.closes > since
$$;

-- ---- Service levels ----

create domain work_kind as text collate "C" check (value in ('install', 'deliver', 'remove', 'repair', 'other'));

create table service_levels (
    kind work_kind primary key,
    response_minutes integer not null check (response_minutes between 1 and 100000),     -- until it is accepted
    completion_minutes integer not null check (completion_minutes between 1 and 100000), -- until it is closed
    warn_percent integer not null check (warn_percent between 1 and 99), -- of the time, when a warning is given
    version bigint not null default 1,
    updated_at timestamptz not null default now()
);
comment on table service_levels is 'domain: work_orders; how soon work of a kind has to be done, in minutes of business hours';
insert into service_levels (kind, response_minutes, completion_minutes, warn_percent) values
    ('install', 540, 2700, 80), ('deliver', 540, 1620, 80), ('remove', 540, 2700, 80), ('repair', 120, 540, 80),
    ('other', 540, 2700, 80);
call protect_platform_table('service_levels');
create policy tenant on service_levels for select to bccd_tenant using (true);
grant select on service_levels to bccd_tenant, bccd_jobs;
grant select, update on service_levels to bccd_operator;
call audit_table('service_levels');
