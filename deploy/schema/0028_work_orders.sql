-- Work orders: what people do on site, and what its end brings about: an installation that is completed makes the
-- resource active, from when it was done.
--
-- Locks are taken in this order: resources by id, the work order, the order, terminals.
set local role bccd_owner;

-- ---- Work orders ----

create table work_orders (
    id text collate "C" not null unique check (id like 'wor\_%'),
    tenant_id text collate "C" not null references tenants,
    kind work_kind not null,
    state text collate "C" not null default 'draft'
        check (state in ('draft', 'scheduled', 'accepted', 'in_progress', 'closed_complete', 'closed_incomplete', 'cancelled')),
    title text not null check (length(title) between 1 and 200),
    instructions text not null default '' check (length(instructions) <= 2000),
    site text not null default '' check (length(site) <= 500),
    contact_name text not null default '' check (length(contact_name) <= 200),
    contact_phone text collate "C" not null default '' check (length(contact_phone) <= 32),
    order_id text collate "C",
    assignee_id text collate "C" references users,
    window_starts_at timestamptz,
    window_ends_at timestamptz,
    response_due_at timestamptz not null,
    completion_due_at timestamptz not null,
    paused_at timestamptz,
    paused_response integer, -- minutes that were left when it was paused; null: it was answered
    paused_completion integer,
    readings metadata not null default '{}',
    signed_by text not null default '' check (length(signed_by) <= 200),
    outcome text not null default '' check (length(outcome) <= 500), -- why it was closed incomplete, or cancelled
    done_at timestamptz, -- from when what it brought about counts
    created_by text collate "C" not null,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, order_id) references orders (tenant_id, id),
    constraint work_orders_window check (
        (window_starts_at is null) = (window_ends_at is null) and window_starts_at < window_ends_at
        and (state <> 'scheduled' or window_starts_at is not null)),
    constraint work_orders_done check ((state = 'closed_complete') = (done_at is not null)),
    constraint work_orders_pause check ((paused_at is null) = (paused_completion is null))
);
comment on table work_orders is 'domain: work_orders; what people do on site, from the appointment to the signature';
create index work_orders_state on work_orders (state, id);
create index work_orders_assignee on work_orders (assignee_id, state, id);

create table work_order_resources (
    tenant_id text collate "C" not null,
    work_order_id text collate "C" not null,
    resource_id text collate "C" not null,
    primary key (tenant_id, work_order_id, resource_id),
    foreign key (tenant_id, work_order_id) references work_orders (tenant_id, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table work_order_resources is 'domain: work_orders; which resources a work order is about';
create index work_order_resources_resource on work_order_resources (tenant_id, resource_id);

create table work_order_events (
    tenant_id text collate "C" not null,
    work_order_id text collate "C" not null,
    number integer not null check (number > 0),
    event text collate "C" not null,
    state text collate "C" not null, -- after it
    detail text not null default '' check (length(detail) <= 500),
    actor text collate "C" not null,
    at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, work_order_id, number),
    foreign key (tenant_id, work_order_id) references work_orders (tenant_id, id)
);
comment on table work_order_events is 'domain: work_orders; the story of each work order, its warnings and breaches among it';
-- A warning and a breach of each promise come once.
create unique index work_order_events_once on work_order_events (tenant_id, work_order_id, event)
    where event in ('response_warning', 'response_breach', 'completion_warning', 'completion_breach');

create table documents (
    id text collate "C" not null unique check (id like 'doc\_%'),
    tenant_id text collate "C" not null references tenants,
    work_order_id text collate "C" not null,
    kind text collate "C" not null check (kind in ('photo', 'signature', 'paper')),
    name text not null check (length(name) between 1 and 200),
    content_type text collate "C" not null
        check (content_type in ('image/jpeg', 'image/png', 'image/webp', 'application/pdf')),
    bytes integer not null check (bytes between 1 and 5242880),
    sha256 text collate "C" not null check (length(sha256) = 64),
    content bytea not null check (length(content) = bytes),
    created_by text collate "C" not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, work_order_id) references work_orders (tenant_id, id)
);
comment on table documents is 'domain: work_orders; photographs, signatures and papers of work on site';
alter table documents alter column content set storage external;
create index documents_work_order on documents (tenant_id, work_order_id, id);

do $$
declare
    name text;
begin
    foreach name in array array['work_orders', 'work_order_resources', 'work_order_events', 'documents'] loop
        call protect_tenant_table(name::regclass);
        execute format('grant select on %I to bccd_tenant, bccd_operator, bccd_jobs', name);
        execute format('grant insert on %I to bccd_operator', name);
    end loop;
end
$$;
-- A tenant's order, or a line that it gives back, makes work; jobs note what is late.
grant insert on work_orders, work_order_resources, work_order_events to bccd_tenant;
grant insert on work_order_events to bccd_jobs;
grant update on work_orders to bccd_tenant, bccd_operator, bccd_jobs;
call audit_table('work_orders');
call audit_table('documents', 'content');

create function refuse_change_of_document() returns trigger
    language plpgsql
as $$
begin
    perform refuse('immutable', 'A document never changes.');
    return null;
end
$$;
create trigger immutable before update or delete on documents for each row execute function refuse_change_of_document();

-- ---- Documents of the API ----

create function document_document(d documents) returns json
    language sql stable
as $$
    select json_build_object(
        'id', d.id, 'work_order_id', d.work_order_id, 'kind', d.kind, 'name', d.name, 'content_type', d.content_type,
        'bytes', d.bytes, 'sha256', d.sha256, 'created_by', d.created_by, 'created_at', instant_text(d.created_at))
$$;

create function work_order_actions(of_state text, paused boolean) returns json
    language sql immutable
    return case when of_state = 'draft' then '["cancel", "schedule"]'
                when of_state = 'scheduled' and paused then '["cancel", "continue", "schedule"]'
                when of_state = 'scheduled' then '["accept", "cancel", "pause", "schedule"]'
                when of_state = 'accepted' and paused then '["cancel", "continue", "schedule"]'
                when of_state = 'accepted' then '["cancel", "pause", "schedule", "start"]'
                when of_state = 'in_progress' and paused then '["continue"]'
                when of_state = 'in_progress' then '["complete", "pause", "stop"]'
                else '[]' end::json;

-- By side: a tenant takes no part in it but to look.
create function work_order_document(w work_orders, by_side text) returns json
    language plpgsql stable
as $$
begin
    return (select json_build_object(
        'id', w.id, 'tenant_id', w.tenant_id, 'kind', w.kind, 'state', w.state,
        'actions', case by_side when 'operator' then work_order_actions(w.state, w.paused_at is not null) else '[]' end,
        'title', w.title, 'instructions', w.instructions, 'site', w.site, 'contact_name', w.contact_name,
        'contact_phone', w.contact_phone, 'order_id', w.order_id, 'assignee_id', w.assignee_id,
        'window_starts_at', instant_text(w.window_starts_at), 'window_ends_at', instant_text(w.window_ends_at),
        'resources', (
            select coalesce(json_agg(json_build_object('id', r.id, 'name', r.name, 'kind', r.kind, 'state', r.state) order by r.id), '[]')
            from work_order_resources x join resources r on r.tenant_id = x.tenant_id and r.id = x.resource_id
            where x.tenant_id = w.tenant_id and x.work_order_id = w.id),
        'documents', (
            select coalesce(json_agg(document_document(d) order by d.id), '[]')
            from documents d where d.tenant_id = w.tenant_id and d.work_order_id = w.id),
        'response_due_at', instant_text(w.response_due_at), 'completion_due_at', instant_text(w.completion_due_at),
        'paused_at', instant_text(w.paused_at),
        'late', (
            select coalesce(json_agg(e.event order by e.number), '[]') from work_order_events e
            where e.tenant_id = w.tenant_id and e.work_order_id = w.id
              and e.event in ('response_warning', 'response_breach', 'completion_warning', 'completion_breach')),
        'readings', w.readings, 'signed_by', w.signed_by, 'outcome', w.outcome, 'done_at', instant_text(w.done_at),
        'created_by', w.created_by, 'created_at', instant_text(w.created_at), 'updated_at', instant_text(w.updated_at)));
end
$$;

-- ---- Making one ----

create function work_order_note(of_tenant text, of_work_order text, what text, new_state text, said text, by_actor text)
    returns void
    language sql
as $$
    insert into work_order_events (tenant_id, work_order_id, number, event, state, detail, actor)
    select of_tenant, of_work_order, coalesce(max(e.number), 0) + 1, what, new_state, coalesce(left(said, 500), ''), by_actor
    from work_order_events e where e.tenant_id = of_tenant and e.work_order_id = of_work_order
$$;

-- What is due runs from now. `resources` are locked by the caller.
create function work_order_open(new_id text, of_tenant text, of_order text, of_kind text, by_actor text, body jsonb,
                                about text[])
    returns void
    language plpgsql
as $$
declare
    level service_levels;
begin
    select s.* into level from service_levels s where s.kind = of_kind;
    insert into work_orders (id, tenant_id, kind, title, instructions, site, contact_name, contact_phone, order_id,
                             response_due_at, completion_due_at, created_by)
    values (new_id, of_tenant, of_kind, body ->> 'title', coalesce(body ->> 'instructions', ''), coalesce(body ->> 'site', ''),
            coalesce(body ->> 'contact_name', ''), coalesce(body ->> 'contact_phone', ''), of_order,
            business_deadline(clock_timestamp(), level.response_minutes),
            business_deadline(clock_timestamp(), level.completion_minutes), by_actor);
    insert into work_order_resources (tenant_id, work_order_id, resource_id)
    select of_tenant, new_id, r from unnest(about) r;
    perform work_order_note(of_tenant, new_id, 'create', 'draft', null, by_actor);
end
$$;

create function work_order_create(new_id text, for_tenant text, by_actor text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    about text[] := array(select r from jsonb_array_elements_text(coalesce(body -> 'resource_ids', '[]')) r);
begin
    if not exists (select from tenants t where t.id = for_tenant) then
        perform refuse('reference_unknown', 'tenant must name the tenant whose work it is.');
    end if;
    perform from resources r where r.tenant_id = for_tenant and r.id = any (about) order by r.id for no key update;
    if (select count(*) from resources r where r.tenant_id = for_tenant and r.id = any (about)) <> cardinality(about) then
        perform refuse('reference_unknown', 'resource_ids must name resources of the tenant, each once.');
    end if;
    perform work_order_open(new_id, for_tenant, null, body ->> 'kind', by_actor, body, about);
    return query select work_order_document(w, 'operator'), w.version from work_orders w
                 where w.tenant_id = for_tenant and w.id = new_id;
end
$$;

-- What an order that has begun wants of people on site: a visit for each line, and one for all terminals that are to be
-- brought to a site, or fetched from it.
create function work_orders_of(target orders, by_actor text) returns void
    language plpgsql
as $$
declare
    visit record;
begin
    for visit in
        select case when r.state = 'terminating' then 'remove' when r.kind = 'terminal' then 'deliver' else 'install' end as work,
               min(r.name) as name, r.site, array_agg(r.id order by r.id) as about
        from order_resources o
        join order_items i on i.tenant_id = o.tenant_id and i.order_id = o.order_id and i.number = o.item
        join resources r on r.tenant_id = o.tenant_id and r.id = o.resource_id
        where o.tenant_id = target.tenant_id and o.order_id = target.id and i.action <> 'change'
          and r.kind in ('broadband', 'terminal') and r.state in ('approved', 'terminating')
        group by 1, r.site, case r.kind when 'broadband' then r.id end
        order by min(i.number)
    loop
        perform work_order_open(
            make_identifier('wor'), target.tenant_id, target.id, visit.work, by_actor,
            jsonb_build_object('title', left(case cardinality(visit.about) when 1 then visit.name
                                                  else format('%s × %s', visit.name, cardinality(visit.about)) end, 200),
                               'site', visit.site, 'instructions', target.note), visit.about);
    end loop;
end
$$;

-- ---- Locking and moving one ----

create function work_order_lock(of_work_order text, seen_version bigint) returns work_orders
    language plpgsql
as $$
declare
    target work_orders;
begin
    perform from resources r
    where (r.tenant_id, r.id) in (select x.tenant_id, x.resource_id from work_order_resources x where x.work_order_id = of_work_order)
    order by r.id for no key update;
    select w.* into target from work_orders w where w.id = of_work_order for no key update;
    if seen_version <> target.version then
        perform refuse('precondition_failed', null);
    end if;
    return target;
end
$$;

-- The only writer of a work order's state.
create function work_order_transit(target work_orders, what text, new_state text, said text, by_actor text) returns void
    language plpgsql
as $$
begin
    update work_orders w
    set state = new_state, version = w.version + 1, updated_at = clock_timestamp(),
        outcome = case when new_state in ('closed_incomplete', 'cancelled') then coalesce(left(said, 500), '') else w.outcome end
    where w.tenant_id = target.tenant_id and w.id = target.id;
    perform work_order_note(target.tenant_id, target.id, what, new_state, said, by_actor);
end
$$;

create function work_order_schedule(target work_orders, by_actor text, body jsonb) returns void
    language plpgsql
as $$
begin
    if (body ->> 'window_ends_at')::timestamptz <= (body ->> 'window_starts_at')::timestamptz then
        perform refuse('value_refused', 'window_ends_at must be after window_starts_at.');
    elsif body ->> 'assignee_id' is not null
          and not exists (select from operators o where o.user_id = body ->> 'assignee_id') then
        perform refuse('reference_unknown', 'assignee_id must name a person of the operator''s.');
    end if;
    update work_orders w
    set window_starts_at = (body ->> 'window_starts_at')::timestamptz, window_ends_at = (body ->> 'window_ends_at')::timestamptz,
        assignee_id = case when body ? 'assignee_id' then body ->> 'assignee_id' else w.assignee_id end
    where w.tenant_id = target.tenant_id and w.id = target.id;
    perform work_order_transit(target, 'schedule', case target.state when 'draft' then 'scheduled' else target.state end,
                               body ->> 'reason', by_actor);
end
$$;

-- While it is paused no promise runs: what was left then is left when it goes on.
create function work_order_pause(target work_orders, by_actor text, body jsonb) returns void
    language plpgsql
as $$
begin
    update work_orders w
    set paused_at = clock_timestamp(),
        paused_response = case when w.state in ('draft', 'scheduled') then business_minutes(clock_timestamp(), w.response_due_at) end,
        paused_completion = business_minutes(clock_timestamp(), w.completion_due_at)
    where w.tenant_id = target.tenant_id and w.id = target.id;
    perform work_order_transit(target, 'pause', target.state, body ->> 'reason', by_actor);
end
$$;

-- What was late already stays as late as it was.
create function work_order_continue(target work_orders, by_actor text, body jsonb) returns void
    language plpgsql
as $$
begin
    update work_orders w
    set response_due_at = case when w.paused_response > 0 then business_deadline(clock_timestamp(), w.paused_response)
                               else w.response_due_at end,
        completion_due_at = case when w.paused_completion > 0 then business_deadline(clock_timestamp(), w.paused_completion)
                                 else w.completion_due_at end,
        paused_at = null, paused_response = null, paused_completion = null
    where w.tenant_id = target.tenant_id and w.id = target.id;
    perform work_order_transit(target, 'continue', target.state, body ->> 'reason', by_actor);
end
$$;

-- Begins the provisioning of what is to be installed, from when the work was begun.
create function work_order_start(target work_orders, by_actor text, body jsonb) returns void
    language plpgsql
as $$
declare
    about record;
begin
    perform work_order_transit(target, 'start', 'in_progress', body ->> 'reason', by_actor);
    if target.kind not in ('install', 'deliver') then
        return;
    end if;
    for about in
        select r.id, r.state from work_order_resources x join resources r on r.tenant_id = x.tenant_id and r.id = x.resource_id
        where x.tenant_id = target.tenant_id and x.work_order_id = target.id and r.state in ('approved', 'failed') order by r.id
    loop
        perform from resource_act(target.tenant_id, 'operator', by_actor, about.id,
                                  case about.state when 'failed' then 'retry' else 'provision' end, null,
                                  jsonb_strip_nulls(jsonb_build_object('reason', target.id, 'effective_at', body ->> 'started_at')),
                                  null);
    end loop;
end
$$;

-- The device of a scanned code, which is an asset tag or a serial number.
create function scanned_terminal(code text) returns text
    language plpgsql stable
as $$
declare
    found_id text := (select t.id from terminals t where t.asset_tag = code or t.serial = code
                      order by t.asset_tag <> code limit 1);
begin
    if found_id is null then
        perform refuse('reference_unknown', format('There is no terminal with the asset tag or serial number %s.', code));
    end if;
    return found_id;
end
$$;

-- Hands out each device that was scanned: to the resource that it is reserved for, else to one that has none.
create function work_order_hand_out(target work_orders, by_actor text, codes jsonb, due_on text) returns void
    language plpgsql
as $$
declare
    code text;
    device text;
    receiver text;
begin
    for code in select c from jsonb_array_elements_text(codes) c loop
        device := scanned_terminal(code);
        receiver := (
            select r.id
            from work_order_resources x join resources r on r.tenant_id = x.tenant_id and r.id = x.resource_id
            left join terminals t on t.resource_id = r.id
            where x.tenant_id = target.tenant_id and x.work_order_id = target.id and r.kind = 'terminal'
              and r.state = 'provisioning'
              and not exists (select from terminals o where o.resource_id = r.id and o.state = 'rented')
            order by t.id is distinct from device, t.id is not null, r.id limit 1);
        if receiver is null then
            perform refuse('state_conflict', format('%s: no resource of the work order waits for a terminal.', code));
        end if;
        perform from terminal_act(by_actor, device, 'check-out', null, jsonb_strip_nulls(jsonb_build_object(
            'resource_id', receiver, 'note', target.id, 'due_on', due_on)));
    end loop;
end
$$;

-- Takes back the devices that were scanned, each with its condition.
create function work_order_take_back(target work_orders, by_actor text, returned jsonb) returns void
    language plpgsql
as $$
declare
    device record;
begin
    for device in
        select scanned_terminal(d ->> 'code') as id, d ->> 'code' as code, d ->> 'condition' as condition
        from jsonb_array_elements(returned) d
    loop
        if not exists (select from terminals t join work_order_resources x on x.resource_id = t.resource_id
                       where t.id = device.id and x.tenant_id = target.tenant_id and x.work_order_id = target.id) then
            perform refuse('state_conflict', format('%s is not the terminal of a resource of this work order.', device.code));
        end if;
        perform from terminal_act(by_actor, device.id, 'check-in', null, jsonb_strip_nulls(jsonb_build_object(
            'condition', device.condition, 'note', target.id)));
    end loop;
end
$$;

-- What a completed work order brings about for its resources, from when it was done.
create function work_order_bring_about(target work_orders, by_actor text, body jsonb) returns void
    language plpgsql
as $$
declare
    about record;
    wanted text := case when target.kind in ('install', 'deliver') then 'provisioning' else 'terminating' end;
begin
    for about in
        select r.id, r.kind, t.id as terminal
        from work_order_resources x join resources r on r.tenant_id = x.tenant_id and r.id = x.resource_id
        left join terminals t on t.resource_id = r.id and t.state = 'rented'
        where x.tenant_id = target.tenant_id and x.work_order_id = target.id and r.state = wanted order by r.id
    loop
        if about.kind = 'terminal' and wanted = 'provisioning' and about.terminal is null then
            perform refuse('terminal_missing', format('%s has no terminal yet; scan one for it.', about.id));
        end if;
        perform from resource_act(target.tenant_id, 'operator', by_actor, about.id,
                                  case wanted when 'provisioning' then 'activate' else 'terminate' end, null,
                                  jsonb_strip_nulls(jsonb_build_object('reason', target.id, 'effective_at', body ->> 'done_at')), null);
    end loop;
end
$$;

create function work_order_complete(target work_orders, by_actor text, body jsonb) returns void
    language plpgsql
as $$
begin
    update work_orders w
    set readings = coalesce(body -> 'readings', w.readings), signed_by = coalesce(body ->> 'signed_by', w.signed_by)
    where w.tenant_id = target.tenant_id and w.id = target.id;
    if target.kind in ('install', 'deliver') then
        perform work_order_hand_out(target, by_actor, coalesce(body -> 'scans', '[]'), body ->> 'due_on');
    elsif target.kind = 'remove' then
        perform work_order_take_back(target, by_actor, coalesce(body -> 'returns', '[]'));
    end if;
    update work_orders w set state = 'closed_complete', done_at = coalesce((body ->> 'done_at')::timestamptz, clock_timestamp())
    where w.tenant_id = target.tenant_id and w.id = target.id;
    perform work_order_transit(target, 'complete', 'closed_complete', body ->> 'reason', by_actor);
    if target.kind in ('install', 'deliver', 'remove') then
        perform work_order_bring_about(target, by_actor, body);
    end if;
end
$$;

-- It could not be done: what was to be installed has failed, and can be tried again by another work order.
create function work_order_stop(target work_orders, by_actor text, body jsonb) returns void
    language plpgsql
as $$
declare
    about record;
begin
    perform work_order_transit(target, 'stop', 'closed_incomplete', body ->> 'reason', by_actor);
    if target.kind not in ('install', 'deliver') then
        return;
    end if;
    for about in
        select r.id from work_order_resources x join resources r on r.tenant_id = x.tenant_id and r.id = x.resource_id
        where x.tenant_id = target.tenant_id and x.work_order_id = target.id and r.state = 'provisioning' order by r.id
    loop
        perform from resource_act(target.tenant_id, 'operator', by_actor, about.id, 'fail', null, jsonb_build_object(
            'code', 'work-incomplete', 'detail', body ->> 'reason', 'retryable', true, 'reason', target.id), null);
    end loop;
end
$$;

create function work_order_act(by_actor text, of_work_order text, by_action text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target work_orders := work_order_lock(of_work_order, seen_version);
begin
    if target.id is null then
        return;
    elsif not work_order_actions(target.state, target.paused_at is not null)::jsonb ? by_action then
        perform refuse('state_conflict', format('The work order is %s%s, which does not allow this; see its actions.', target.state,
                                                case when target.paused_at is not null then ' and paused' else '' end));
    end if;
    case by_action
        when 'schedule' then perform work_order_schedule(target, by_actor, body);
        when 'accept' then perform work_order_transit(target, 'accept', 'accepted', body ->> 'reason', by_actor);
        when 'start' then perform work_order_start(target, by_actor, body);
        when 'pause' then perform work_order_pause(target, by_actor, body);
        when 'continue' then perform work_order_continue(target, by_actor, body);
        when 'complete' then perform work_order_complete(target, by_actor, body);
        when 'stop' then perform work_order_stop(target, by_actor, body);
        when 'cancel' then perform work_order_transit(target, 'cancel', 'cancelled', body ->> 'reason', by_actor);
    end case;
    return query select work_order_document(w, 'operator'), w.version from work_orders w
                 where w.tenant_id = target.tenant_id and w.id = target.id;
end
$$;

create function work_order_update(of_work_order text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target work_orders := work_order_lock(of_work_order, seen_version);
begin
    if target.id is null then
        return;
    elsif target.state in ('closed_complete', 'closed_incomplete', 'cancelled') then
        perform refuse('state_conflict', format('The work order is %s; it stays as it is.', target.state));
    end if;
    update work_orders w
    set title = coalesce(body ->> 'title', w.title), instructions = coalesce(body ->> 'instructions', w.instructions),
        site = coalesce(body ->> 'site', w.site), contact_name = coalesce(body ->> 'contact_name', w.contact_name),
        contact_phone = coalesce(body ->> 'contact_phone', w.contact_phone), version = w.version + 1,
        updated_at = clock_timestamp()
    where w.tenant_id = target.tenant_id and w.id = target.id;
    return query select work_order_document(w, 'operator'), w.version from work_orders w
                 where w.tenant_id = target.tenant_id and w.id = target.id;
end
$$;

-- What nobody has begun is not needed any more when its resources are there, or gone, without it.
create function work_order_follow_resource() returns trigger
    language plpgsql
as $$
declare
    target work_orders;
begin
    for target in
        select w.* from work_order_resources x join work_orders w on w.tenant_id = x.tenant_id and w.id = x.work_order_id
        where x.tenant_id = new.tenant_id and x.resource_id = new.id and w.state in ('draft', 'scheduled', 'accepted')
          and w.kind in ('install', 'deliver', 'remove')
        order by w.id for no key update of w
    loop
        if not exists (select from work_order_resources x join resources r on r.tenant_id = x.tenant_id and r.id = x.resource_id
                       where x.tenant_id = target.tenant_id and x.work_order_id = target.id
                         and r.state not in ('active', 'suspended', 'terminated', 'rejected')) then
            perform work_order_transit(target, 'cancel', 'cancelled', 'It is not needed any more.',
                                       coalesce(setting('actor'), session_user));
        end if;
    end loop;
    return null;
end
$$;
-- Its name comes before `orders`, in the order of the locks.
create trigger a_work_orders after update of state on resources for each row
    when (old.state is distinct from new.state and new.state in ('active', 'suspended', 'terminated', 'rejected'))
    execute function work_order_follow_resource();

-- ---- What is late ----

-- What is promised for open work, and how many minutes are left of it.
create view work_order_promises with (security_invoker = true) as
select w.tenant_id, w.id, w.state, p.promise, p.due_at, p.minutes, s.warn_percent
from work_orders w
join service_levels s on s.kind = w.kind
cross join lateral (
    select 'response' as promise, w.response_due_at as due_at, s.response_minutes as minutes where w.state in ('draft', 'scheduled')
    union all
    select 'completion', w.completion_due_at, s.completion_minutes) p
where w.state in ('draft', 'scheduled', 'accepted', 'in_progress') and w.paused_at is null;
comment on view work_order_promises is 'domain: work_orders; what is promised of open work that is not paused';
grant select on work_order_promises to bccd_jobs;

-- Notes warnings and breaches, each once, some at a time; how many.
create function work_orders_watch(at_most integer) returns integer
    language plpgsql
as $$
declare
    late record;
    noted integer := 0;
begin
    for late in
        select w.tenant_id, w.id, w.state, d.event
        from work_order_promises p
        cross join lateral (
            select p.promise || '_breach' as event where p.due_at <= clock_timestamp()
            union all
            select p.promise || '_warning'
            where business_minutes(clock_timestamp(), p.due_at) <= p.minutes * (100 - p.warn_percent) / 100) d
        join work_orders w on w.tenant_id = p.tenant_id and w.id = p.id
        where not exists (select from work_order_events e
                          where e.tenant_id = p.tenant_id and e.work_order_id = p.id and e.event = d.event)
        order by w.id, d.event desc
        limit at_most
        for no key update of w skip locked
    loop
        perform work_order_note(late.tenant_id, late.id, late.event, late.state, null, session_user);
        noted := noted + 1;
    end loop;
    return noted;
end
$$;
