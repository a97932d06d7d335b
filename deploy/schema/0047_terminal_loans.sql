-- Days overdue on the bill. They come from the history of who had which device until when, and from nothing else, so they
-- can be neither forgotten nor doubled.
set local role bccd_owner;

-- Each row is what was agreed: until which day, and what a day after it costs. A device that is handed out, extended or
-- swapped begins another one. The rate is in the currency of the tenant's bills.
create table terminal_loans (
    tenant_id text collate "C" not null,
    number bigint generated always as identity,
    resource_id text collate "C" not null,
    terminal_id text collate "C" not null references terminals,
    asset_tag text collate "C" not null,
    starts_at timestamptz not null default clock_timestamp(),
    ends_at timestamptz check (ends_at >= starts_at),
    due_on date,
    lost_on date, -- the last day that is overdue: from the next on it counts as lost
    overdue_day_rate exact check (overdue_day_rate > 0),
    primary key (tenant_id, number),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table terminal_loans is 'domain: terminals; who has which device until when, and what a day after it costs';
create unique index terminal_loans_open on terminal_loans (terminal_id) where ends_at is null;
create index terminal_loans_overdue on terminal_loans (tenant_id, due_on) where overdue_day_rate is not null;
create index terminal_loans_lost on terminal_loans (lost_on, terminal_id) where ends_at is null;
call protect_tenant_table('terminal_loans');
create policy lookup on terminal_loans to bccd_lookup using (true);
grant select on terminal_loans to bccd_tenant, bccd_operator, bccd_jobs;
grant select, insert, update (ends_at) on terminal_loans to bccd_lookup;

-- What is over stays as it was; what is not over ends, once.
create function keep_terminal_loan() returns trigger
    language plpgsql
as $$
begin
    if tg_op = 'DELETE' or old.ends_at is not null or to_jsonb(new) - 'ends_at' <> to_jsonb(old) - 'ends_at' then
        raise exception 'terminal_loans are history: the only change is that one ends';
    end if;
    return new;
end
$$;
create trigger history before update or delete on terminal_loans for each row execute function keep_terminal_loan();

-- Whoever settles a month either sees a change of its days, or the change comes after it.
create function note_terminal_loan() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    of_model terminal_models;
    bills_in text;
begin
    perform lock_usage_periods(now(), now());
    update terminal_loans l set ends_at = clock_timestamp() where l.terminal_id = new.id and l.ends_at is null;
    if new.state = 'rented' then
        select m.* into of_model from terminal_models m where m.name = new.model;
        select t.currency into bills_in from tenants t where t.id = new.holder_tenant_id;
        if of_model.overdue_day_rate > 0 and of_model.overdue_currency <> bills_in then
            perform refuse('state_conflict', format('A day overdue of the model %s costs %s; the tenant is billed in %s.',
                                                    new.model, of_model.overdue_currency, bills_in));
        end if;
        insert into terminal_loans (tenant_id, resource_id, terminal_id, asset_tag, due_on, lost_on, overdue_day_rate)
        values (new.holder_tenant_id, new.resource_id, new.id, new.asset_tag, new.due_on,
                new.due_on + of_model.lost_after_days, nullif(of_model.overdue_day_rate, 0));
    end if;
    return null;
end
$$;
grant select on terminal_models to bccd_lookup;
grant select (currency) on tenants to bccd_lookup;
grant select on platform to bccd_lookup;
alter function note_terminal_loan owner to bccd_lookup;
create trigger loan after update of state, resource_id, due_on on terminals for each row
    when ((old.state = 'rented' or new.state = 'rented')
          and (old.state, old.resource_id, old.due_on) is distinct from (new.state, new.resource_id, new.due_on))
    execute function note_terminal_loan();

-- What is rented already: what has been overdue until now costs nothing.
alter table terminals no force row level security;
alter table terminal_models no force row level security;
alter table tenants no force row level security;
alter table terminal_loans no force row level security;
insert into terminal_loans (tenant_id, resource_id, terminal_id, asset_tag, due_on, lost_on, overdue_day_rate)
select t.holder_tenant_id, t.resource_id, t.id, t.asset_tag, t.due_on, t.due_on + m.lost_after_days,
       case when m.overdue_currency = r.currency then nullif(m.overdue_day_rate, 0) end
from terminals t
join terminal_models m on m.name = t.model
join tenants r on r.id = t.holder_tenant_id
where t.state = 'rented';
alter table terminals force row level security;
alter table terminal_models force row level security;
alter table tenants force row level security;
alter table terminal_loans force row level security;

-- The days from one to another, both included, on which a resource had a device that was due on an earlier day: the last
-- that it had on a day counts for it, so a day counts once, and one on which it was extended not at all.
create function overdue_days(of_tenant text, first_day date, last_day date)
    returns table (resource_id text, loan bigint, terminal_id text, asset_tag text, day date, due_on date,
                   overdue_day_rate numeric)
    language sql stable
as $$
    select d.resource_id, d.number, d.terminal_id, d.asset_tag, d.day, d.due_on, d.overdue_day_rate::numeric
    from (
        select distinct on (l.resource_id, s.day)
               l.resource_id, l.number, l.terminal_id, l.asset_tag, s.day::date, l.due_on, l.lost_on, l.overdue_day_rate
        from terminal_loans l
        cross join platform p
        cross join lateral generate_series(
            greatest((l.starts_at at time zone p.time_zone)::date, first_day)::timestamp,
            least((coalesce(l.ends_at, now()) at time zone p.time_zone)::date, last_day)::timestamp,
            interval '1 day') as s(day)
        where l.tenant_id = of_tenant
          and l.resource_id in (
              select o.resource_id from terminal_loans o
              where o.tenant_id = of_tenant and o.due_on < last_day and o.lost_on >= first_day
                and o.overdue_day_rate is not null)
        order by l.resource_id, s.day, l.number desc) d
    where d.day > d.due_on and d.day <= d.lost_on and d.overdue_day_rate is not null
$$;
