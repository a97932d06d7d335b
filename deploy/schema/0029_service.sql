-- Service: faults that are reported on a resource, and maintenance that those concerned are told of beforehand.
set local role bccd_owner;

-- ---- Fault tickets ----

create table tickets (
    id text collate "C" not null unique check (id like 'tkt\_%'),
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    state text collate "C" not null default 'open' check (state in ('open', 'acknowledged', 'resolved', 'closed')),
    category text collate "C" not null check (category in ('no_service', 'slow', 'intermittent', 'hardware', 'access', 'other')),
    severity text collate "C" not null check (severity in ('low', 'normal', 'high', 'critical')),
    title text not null check (length(title) between 1 and 200),
    description text not null default '' check (length(description) <= 2000),
    interrupted_from timestamptz, -- since when nothing goes any more
    interrupted_until timestamptz,
    assignee_id text collate "C" references users,
    resolution text not null default '' check (length(resolution) <= 500),
    opened_by text collate "C" not null,
    acknowledged_at timestamptz,
    resolved_at timestamptz,
    closed_at timestamptz,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    constraint tickets_interruption check (
        interrupted_until >= interrupted_from and (interrupted_until is null or interrupted_from is not null)),
    constraint tickets_resolved check ((state in ('resolved', 'closed')) = (resolved_at is not null)),
    constraint tickets_closed check ((state = 'closed') = (closed_at is not null))
);
comment on table tickets is 'domain: service; faults of resources, from the report until it is mended';
create index tickets_resource on tickets (tenant_id, resource_id, id);
create index tickets_state on tickets (state, id);

create table ticket_entries (
    tenant_id text collate "C" not null,
    ticket_id text collate "C" not null,
    number integer not null check (number > 0),
    event text collate "C" not null, -- open, note, acknowledge, resolve, reopen, close
    state text collate "C" not null, -- after it
    note text not null default '' check (length(note) <= 2000),
    internal boolean not null default false, -- for the operator's side alone
    actor text collate "C" not null,
    at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, ticket_id, number),
    foreign key (tenant_id, ticket_id) references tickets (tenant_id, id)
);
comment on table ticket_entries is 'domain: service; what was said and done about each fault';

do $$
declare
    name text;
begin
    foreach name in array array['tickets', 'ticket_entries'] loop
        call protect_tenant_table(name::regclass);
        execute format('grant select, insert on %I to bccd_tenant, bccd_operator', name);
        execute format('grant select on %I to bccd_jobs', name);
    end loop;
end
$$;
-- What the operator's people say among themselves.
create policy internal on ticket_entries as restrictive to bccd_tenant using (not internal);
grant update on tickets to bccd_tenant, bccd_operator;
call audit_table('tickets');

create function ticket_actions(of_state text, by_side text) returns json
    language sql immutable
    return case when of_state = 'open' and by_side = 'operator' then '["acknowledge", "note", "resolve"]'
                when of_state = 'acknowledged' and by_side = 'operator' then '["note", "resolve"]'
                when of_state in ('open', 'acknowledged') then '["note"]'
                when of_state = 'resolved' then '["close", "note", "reopen"]'
                else '[]' end::json;

create function ticket_document(t tickets, by_side text) returns json
    language sql stable
as $$
    select json_build_object(
        'id', t.id, 'tenant_id', t.tenant_id, 'resource_id', t.resource_id, 'state', t.state,
        'actions', ticket_actions(t.state, by_side), 'category', t.category, 'severity', t.severity, 'title', t.title,
        'description', t.description, 'interrupted_from', instant_text(t.interrupted_from),
        'interrupted_until', instant_text(t.interrupted_until), 'assignee_id', t.assignee_id, 'resolution', t.resolution,
        'opened_by', t.opened_by, 'acknowledged_at', instant_text(t.acknowledged_at),
        'resolved_at', instant_text(t.resolved_at), 'closed_at', instant_text(t.closed_at),
        'created_at', instant_text(t.created_at), 'updated_at', instant_text(t.updated_at))
$$;

-- Its number is the ticket's version, which its lock raises: a tenant does not see the internal ones, and could not
-- count them.
create function ticket_enter(of_tenant text, of_ticket text, what text, said text, among_us boolean, by_actor text)
    returns void
    language sql
as $$
    insert into ticket_entries (tenant_id, ticket_id, number, event, state, note, internal, actor)
    select t.tenant_id, t.id, t.version, what, t.state, coalesce(said, ''), coalesce(among_us, false), by_actor
    from tickets t where t.tenant_id = of_tenant and t.id = of_ticket
$$;

create function ticket_open(new_id text, for_tenant text, by_side text, by_actor text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target record;
begin
    select r.tenant_id, r.state into target from resources r
    where r.id = body ->> 'resource_id' and (for_tenant is null or r.tenant_id = for_tenant);
    if not found then
        perform refuse('reference_unknown', 'resource_id must name a resource.');
    elsif target.state in ('requested', 'terminated', 'rejected') then
        perform refuse('state_conflict', format('The resource is %s; it has no faults.', target.state));
    end if;
    insert into tickets (id, tenant_id, resource_id, category, severity, title, description, interrupted_from, opened_by)
    values (new_id, target.tenant_id, body ->> 'resource_id', body ->> 'category', coalesce(body ->> 'severity', 'normal'),
            body ->> 'title', coalesce(body ->> 'description', ''), (body ->> 'interrupted_from')::timestamptz, by_actor);
    perform ticket_enter(target.tenant_id, new_id, 'open', null, false, by_actor);
    return query select ticket_document(t, by_side), t.version from tickets t
                 where t.tenant_id = target.tenant_id and t.id = new_id;
end
$$;

-- Takes an action; no row when there is no such ticket of that tenant (null: of any).
create function ticket_act(for_tenant text, by_side text, by_actor text, of_ticket text, by_action text, seen_version bigint,
                           body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target tickets;
begin
    select t.* into target from tickets t
    where t.id = of_ticket and (for_tenant is null or t.tenant_id = for_tenant) for no key update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    elsif not ticket_actions(target.state, by_side)::jsonb ? by_action then
        perform refuse('state_conflict', format('The ticket is %s, which does not allow this; see its actions.', target.state));
    elsif body ->> 'assignee_id' is not null
          and not exists (select from operators o where o.user_id = body ->> 'assignee_id') then
        perform refuse('reference_unknown', 'assignee_id must name a person of the operator''s.');
    elsif (body ->> 'interrupted_until')::timestamptz
          < coalesce((body ->> 'interrupted_from')::timestamptz, target.interrupted_from, 'infinity') then
        perform refuse('value_refused', 'interrupted_until must not be before interrupted_from.');
    end if;
    update tickets t
    set state = case by_action when 'acknowledge' then 'acknowledged' when 'resolve' then 'resolved' when 'close' then 'closed'
                               when 'reopen' then 'open' else t.state end,
        assignee_id = case when body ? 'assignee_id' then body ->> 'assignee_id' else t.assignee_id end,
        interrupted_from = coalesce((body ->> 'interrupted_from')::timestamptz, t.interrupted_from),
        interrupted_until = case by_action when 'resolve' then coalesce((body ->> 'interrupted_until')::timestamptz,
                                                case when coalesce((body ->> 'interrupted_from')::timestamptz, t.interrupted_from) is not null
                                                     then greatest(clock_timestamp(), t.interrupted_from) end)
                                           when 'reopen' then null else t.interrupted_until end,
        resolution = case by_action when 'resolve' then coalesce(body ->> 'note', '') when 'reopen' then '' else t.resolution end,
        acknowledged_at = case by_action when 'acknowledge' then clock_timestamp()
                                         when 'reopen' then null else t.acknowledged_at end,
        resolved_at = case by_action when 'resolve' then clock_timestamp() when 'reopen' then null else t.resolved_at end,
        closed_at = case by_action when 'close' then clock_timestamp() end,
        version = t.version + 1, updated_at = clock_timestamp()
    where t.tenant_id = target.tenant_id and t.id = target.id;
    perform ticket_enter(target.tenant_id, target.id, by_action, body ->> 'note', (body ->> 'internal')::boolean, by_actor);
    return query select ticket_document(t, by_side), t.version from tickets t
                 where t.tenant_id = target.tenant_id and t.id = target.id;
end
$$;

-- ---- Maintenance ----

create table maintenances (
    id text collate "C" primary key check (id like 'mnt\_%'),
    state text collate "C" not null default 'draft' check (state in ('draft', 'announced', 'done', 'cancelled')),
    title text not null check (length(title) between 1 and 200),
    title_en text not null default '' check (length(title_en) <= 200),
    detail text not null default '' check (length(detail) <= 2000),
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    access_point_ids jsonb not null default '[]' check (jsonb_typeof(access_point_ids) = 'array'),
    offering_ids jsonb not null default '[]' check (jsonb_typeof(offering_ids) = 'array'),
    reason text not null default '' check (length(reason) <= 500), -- of its cancellation
    announced_at timestamptz,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint maintenances_announced check (announced_at is not null or state in ('draft', 'cancelled')),
    constraint maintenances_scope check (jsonb_array_length(access_point_ids) + jsonb_array_length(offering_ids) > 0)
);
comment on table maintenances is 'domain: service; work that interrupts what is rented, from when to when';

-- Whom it concerns, as it stood when it was announced.
create table maintenance_resources (
    tenant_id text collate "C" not null,
    maintenance_id text collate "C" not null references maintenances,
    resource_id text collate "C" not null,
    primary key (tenant_id, maintenance_id, resource_id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table maintenance_resources is 'domain: service; which resources a maintenance interrupts';
create index maintenance_resources_of on maintenance_resources (maintenance_id);
call protect_tenant_table('maintenance_resources');
grant select on maintenance_resources to bccd_tenant, bccd_operator, bccd_jobs;
grant insert on maintenance_resources to bccd_operator;

call protect_platform_table('maintenances');
create policy tenant on maintenances for select to bccd_tenant
    using (id in (select w.maintenance_id from maintenance_resources w));
create policy park on maintenances as restrictive to bccd_operator
    using ((select setting('park')) is null or id in (select w.maintenance_id from maintenance_resources w));
grant select on maintenances to bccd_tenant, bccd_jobs;
grant select, insert, update on maintenances to bccd_operator;
call audit_table('maintenances');

-- Of a tenant its own resources alone (null: of all that the role sees).
create function maintenance_document(m maintenances, by_side text, of_tenant text) returns json
    language sql stable
as $$
    select json_build_object(
        'id', m.id, 'state', m.state,
        'actions', case when by_side = 'tenant' then '[]' when m.state = 'draft' then '["announce", "cancel"]'
                        when m.state = 'announced' then '["cancel", "finish"]' else '[]' end::json,
        'title', m.title, 'title_en', m.title_en, 'detail', m.detail, 'starts_at', instant_text(m.starts_at),
        'ends_at', instant_text(m.ends_at), 'access_point_ids', m.access_point_ids, 'offering_ids', m.offering_ids,
        'resources', (
            select coalesce(json_agg(w.resource_id order by w.resource_id), '[]')
            from (select w.resource_id from maintenance_resources w
                  where w.maintenance_id = m.id and (of_tenant is null or w.tenant_id = of_tenant)
                  order by w.resource_id limit 200) w),
        'resource_count', (
            select count(*) from maintenance_resources w
            where w.maintenance_id = m.id and (of_tenant is null or w.tenant_id = of_tenant)),
        'reason', m.reason, 'announced_at', instant_text(m.announced_at),
        'created_at', instant_text(m.created_at), 'updated_at', instant_text(m.updated_at))
$$;

create function maintenance_check(body jsonb) returns void
    language plpgsql
as $$
begin
    if (body ->> 'ends_at')::timestamptz <= (body ->> 'starts_at')::timestamptz then
        perform refuse('value_refused', 'ends_at must be after starts_at.');
    elsif jsonb_array_length(coalesce(body -> 'access_point_ids', '[]'))
          + jsonb_array_length(coalesce(body -> 'offering_ids', '[]')) = 0 then
        perform refuse('value_refused', 'Name access points, offerings, or both.');
    elsif exists (select from jsonb_array_elements_text(coalesce(body -> 'access_point_ids', '[]')) a
                  where not exists (select from access_points p where p.id = a)) then
        perform refuse('reference_unknown', 'access_point_ids must name access points.');
    elsif exists (select from jsonb_array_elements_text(coalesce(body -> 'offering_ids', '[]')) o
                  where not exists (select from offerings f where f.id = o)) then
        perform refuse('reference_unknown', 'offering_ids must name offerings.');
    end if;
end
$$;

create function maintenance_create(new_id text, body jsonb) returns table (document json, version bigint)
    language plpgsql
as $$
begin
    perform maintenance_check(body);
    insert into maintenances (id, title, title_en, detail, starts_at, ends_at, access_point_ids, offering_ids)
    values (new_id, body ->> 'title', coalesce(body ->> 'title_en', ''), coalesce(body ->> 'detail', ''),
            (body ->> 'starts_at')::timestamptz, (body ->> 'ends_at')::timestamptz,
            coalesce(body -> 'access_point_ids', '[]'), coalesce(body -> 'offering_ids', '[]'));
    return query select maintenance_document(m, 'operator', null), m.version from maintenances m where m.id = new_id;
end
$$;

-- Announcing names those concerned; no row when there is none.
create function maintenance_act(of_maintenance text, by_action text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target maintenances;
begin
    select m.* into target from maintenances m where m.id = of_maintenance for no key update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    elsif not (maintenance_document(target, 'operator', null)::jsonb -> 'actions') ? by_action then
        perform refuse('state_conflict', format('The maintenance is %s, which does not allow this; see its actions.', target.state));
    end if;
    if by_action = 'announce' then
        insert into maintenance_resources (tenant_id, maintenance_id, resource_id)
        select r.tenant_id, target.id, r.id
        from resources r
        left join broadband_lines l on l.tenant_id = r.tenant_id and l.resource_id = r.id
        where r.state in ('approved', 'provisioning', 'active', 'suspended', 'failed')
          and (target.access_point_ids ? l.access_point_id or target.offering_ids ? r.offering_id);
    end if;
    update maintenances m
    set state = case by_action when 'announce' then 'announced' when 'finish' then 'done' else 'cancelled' end,
        announced_at = case by_action when 'announce' then clock_timestamp() else m.announced_at end,
        reason = case by_action when 'cancel' then coalesce(body ->> 'reason', '') else m.reason end,
        version = m.version + 1, updated_at = clock_timestamp()
    where m.id = target.id;
    return query select maintenance_document(m, 'operator', null), m.version from maintenances m where m.id = target.id;
end
$$;
