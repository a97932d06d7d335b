-- Billing many accounts at once.
set local role bccd_owner;

-- As before, of some tenants; of all where null.
drop function resource_days(timestamptz, timestamptz, text, text);
create function resource_days(from_at timestamptz, until_at timestamptz, zone text, of_tenants text[] default null)
    returns table (tenant_id text, resource_id text, kind text, day date, quantity numeric)
    language sql stable
as $$
    select r.tenant_id, r.id, r.kind::text, d.day::date, max(p.quantity::numeric)
    from (
        select a.tenant_id, a.resource_id, q.quantity,
               greatest(a.starts_at, q.starts_at, from_at) as starts_at,
               least(a.ends_at, q.ends_at, until_at) as ends_at
        from (
            select t.tenant_id, t.resource_id, t.to_state, t.effective_at as starts_at,
                   lead(t.effective_at) over (partition by t.tenant_id, t.resource_id order by t.number) as ends_at
            from resource_transitions t
            where of_tenants is null or t.tenant_id = any (of_tenants)) a
        join resource_quantities q on q.tenant_id = a.tenant_id and q.resource_id = a.resource_id
        where a.to_state = 'active') p
    join resources r on r.tenant_id = p.tenant_id and r.id = p.resource_id
    cross join lateral generate_series(date_trunc('day', p.starts_at at time zone zone),
                                       (p.ends_at - interval '1 microsecond') at time zone zone,
                                       interval '1 day') as d(day)
    where p.starts_at < p.ends_at
    group by r.tenant_id, r.id, r.kind, d.day
$$;

-- The elements of an array of which the planner is to take it that they are many.
create function many_texts(texts text[]) returns setof text
    language plpgsql immutable rows 500
as $$
begin
    return query select unnest(texts);
end
$$;

-- ---- Numbers ----

-- At least six digits.
create function series_number(of_series text, number bigint) returns text
    language sql immutable
    return of_series || '-' || lpad(number::text, greatest(length(number::text), 6), '0');

-- The first of so many that are taken in the transaction that finalizes, and given back with it, so there are no gaps.
create function next_numbers(of_series text, many bigint) returns bigint
    language sql volatile
    begin atomic
        insert into invoice_series as s (series, last) values (of_series, many)
        on conflict (series) do update set last = s.last + excluded.last
        returning s.last - many + 1;
    end;
create or replace function next_number(of_series text) returns text
    language sql volatile
    begin atomic
        select series_number(of_series, next_numbers(of_series, 1));
    end;

-- ---- Lines of what is final ----

-- As refuse_line_of_final, once a statement.
create function refuse_lines_of_final() returns trigger
    language plpgsql
as $$
begin
    if exists (select from changed l join invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
               where i.state = 'finalized') then
        raise exception using errcode = 'BC422', message = 'immutable',
            detail = 'A finalized invoice''s lines never change.';
    end if;
    return null;
end
$$;
drop trigger immutable on invoice_lines;
create trigger immutable_come after insert on invoice_lines referencing new table as changed
    for each statement execute function refuse_lines_of_final();
create trigger immutable_gone after delete on invoice_lines referencing old table as changed
    for each statement execute function refuse_lines_of_final();
create trigger immutable_before after update on invoice_lines referencing old table as changed
    for each statement execute function refuse_lines_of_final();
create trigger immutable_since after update on invoice_lines referencing new table as changed
    for each statement execute function refuse_lines_of_final();
