-- What was planned anew at each use, or asked anew for each row, and need not be.
set local role bccd_owner;

-- RFC 3339 in UTC; a fraction only where there is one. Not immutable, as to_char is not, nor strict, as
-- case is not: then its text stands in the caller's plan, and no plan is made at each use.
create or replace function instant_text(value timestamptz) returns text
    language sql stable parallel safe
    return to_char(value at time zone 'UTC',
                   case when date_trunc('second', value) = value then 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
                        else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' end);

-- The settings of a request: who acts, for which tenant or park, in which request. Local to the
-- transaction; a statement without them sees nothing. Not strict: then it would not be inlined, and
-- policies call it for each row.
create or replace function setting(name text) returns text
    language sql stable parallel safe
    return nullif(current_setting('bccd.' || name, true), '');

-- The second lock of a tenant's door, on a table with a column tenant_id: its tenant's rows for
-- bccd_tenant; for bccd_operator those of all tenants, or of the actor's park; all for bccd_jobs. A
-- sub-select is asked once a statement, not once a row.
create or replace procedure protect_tenant_table(name regclass)
    language plpgsql
as $$
begin
    execute format('alter table %s enable row level security', name);
    execute format('alter table %s force row level security', name);
    execute format('create policy tenant on %s to bccd_tenant
                    using (tenant_id = setting(''tenant''))', name);
    execute format('create policy operator on %s to bccd_operator
                    using ((select setting(''actor'')) is not null
                           and ((select setting(''park'')) is null
                                or tenant_id in (select id from tenants)))', name);
    execute format('create policy jobs on %s to bccd_jobs using (true)', name);
end
$$;

-- The policies that the procedure made before.
do $$
declare
    name regclass;
begin
    for name in select polrelid from pg_policy
                where polname = 'operator' and pg_get_expr(polqual, polrelid) like '%tenants.id%' loop
        execute format('alter policy operator on %s
                        using ((select setting(''actor'')) is not null
                               and ((select setting(''park'')) is null
                                    or tenant_id in (select id from tenants)))', name);
    end loop;
end
$$;

-- `by_side` ("tenant" or "operator") says whose actions are shown. In plpgsql, which keeps the plan: a query
-- as great as this one takes longer to plan than to run.
create or replace function resource_document(r resources, by_side text) returns json
    language plpgsql stable
as $$
begin
    return (select json_build_object(
        'id', r.id, 'tenant_id', r.tenant_id, 'kind', r.kind, 'offering_id', r.offering_id,
        'plan_id', p.plan_id, 'plan_version', p.plan_version,
        'next_plan', (
            select json_build_object('plan_id', n.plan_id, 'plan_version', n.plan_version,
                                     'starts_at', instant_text(n.starts_at))
            from plan_assignments n
            where n.tenant_id = r.tenant_id and n.resource_id = r.id and n.number > p.number
            order by n.number limit 1),
        'name', r.name, 'site', r.site, 'quantity', number_text(q.quantity),
        'state', r.state,
        'actions', (
            select coalesce(json_agg(a.action order by a.action), '[]')
            from resource_actions a
            where a.kind = r.kind and a.from_state = r.state
              and (a.by_tenant or by_side = 'operator')
              and (a.action <> 'retry' or r.failure_retryable)),
        'holds', (
            select coalesce(json_agg(h.kind order by h.kind), '[]')
            from resource_holds h where h.tenant_id = r.tenant_id and h.resource_id = r.id),
        'failure', case when r.failure_code is not null then json_build_object(
            'code', r.failure_code, 'detail', r.failure_detail,
            'retryable', r.failure_retryable) end,
        'software', case r.kind when 'software' then json_build_object(
            'seats', q.quantity::bigint,
            'assigned_seats', (
                select count(*) from software_seats s
                where s.tenant_id = r.tenant_id and s.resource_id = r.id and s.released_at is null)) end,
        'broadband', (
            select broadband_document(l) from broadband_lines l
            where l.tenant_id = r.tenant_id and l.resource_id = r.id),
        'terminal', (
            select json_build_object('model', w.model, 'terminal', (
                select json_build_object('id', t.id, 'asset_tag', t.asset_tag, 'serial', t.serial,
                                         'model', t.model, 'condition', t.condition,
                                         'state', t.state, 'due_on', t.due_on)
                from terminals t where t.resource_id = r.id))
            from terminal_resources w where w.tenant_id = r.tenant_id and w.resource_id = r.id),
        'external_id', r.external_id, 'metadata', r.metadata,
        'created_at', instant_text(r.created_at), 'updated_at', instant_text(r.updated_at))
    from (
        select q.quantity from resource_quantities q
        where q.tenant_id = r.tenant_id and q.resource_id = r.id
        order by q.starts_at > clock_timestamp(), q.number desc limit 1) q,
        (
        select p.number, p.plan_id, p.plan_version from plan_assignments p
        where p.tenant_id = r.tenant_id and p.resource_id = r.id
        order by p.starts_at > clock_timestamp(), p.number desc limit 1) p);
end
$$;

-- Into a settled month nothing is written: one look a statement, for each month of what it inserted. Were
-- the months not materialized, the look would move below the distinct, to every row.
create or replace function refuse_settled_period() returns trigger
    language plpgsql
as $$
declare
    settled text := (
        with months as materialized (select distinct i.tenant_id, i.period from inserted i)
        select min(m.period) from months m where period_is_settled(m.tenant_id, m.period));
begin
    if settled is not null then
        raise exception using errcode = 'BC422', message = 'period_settled',
            detail = format('The period %s is settled; nothing is written into it.', settled);
    end if;
    return null;
end
$$;
