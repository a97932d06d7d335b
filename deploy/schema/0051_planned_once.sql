-- What every batch of events asks, planned once a session: a function in SQL that cannot be written into its caller is
-- planned at each call, which took a third of PostgreSQL's time for batches of 100.
set local role bccd_owner;

create or replace function lock_period_shared(zone_period text) returns void
    language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('period ' || zone_period, 20261102));
end
$$;

create or replace function lock_period_exclusive(zone_period text) returns void
    language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('period ' || zone_period, 20261102));
end
$$;

create or replace function lock_meters_shared() returns void
    language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('meters', 20261127));
end
$$;

create or replace function period_of(at timestamptz) returns text
    language plpgsql stable
as $$
begin
    return (select to_char(at at time zone p.time_zone, 'YYYY-MM') from platform p);
end
$$;

create or replace function period_is_closed(named text) returns boolean
    language plpgsql stable
as $$
begin
    return exists (select from periods p where p.period >= named and p.state = 'closed');
end
$$;

create or replace function period_is_settled(of_tenant text, named text) returns boolean
    language plpgsql stable
as $$
begin
    return exists (select from periods p where p.period >= named and p.state = 'closed')
        or exists (select from invoices i
                   where i.tenant_id = of_tenant and i.period = named and i.kind = 'period' and i.state = 'finalized');
end
$$;
