-- What is done with resources that a vendor's broker makes, changes and removes. Locks: the resource, then its
-- operation. Every end of an operation is decided in one function, vendor_answer, from what the courier tells of one
-- call; the table in its head says how.
set local role bccd_owner;

-- ---- Transitions of what a vendor has ----

-- Software that a vendor has ends when the vendor has said so: it is `terminating` until then.
alter table resource_actions
    add managed_to_state resource_state; -- in the place of to_state while a vendor has the resource
alter table resource_actions no force row level security;
update resource_actions a set managed_to_state = 'terminating'
where a.kind = 'software' and a.action = 'terminate' and a.from_state in ('provisioning', 'active', 'suspended');
insert into resource_actions (kind, action, from_state, to_state, by_tenant)
values ('software', 'terminate', 'terminating', 'terminated', false);
alter table resource_actions force row level security;

-- ---- Documents ----

create function vendor_needs_attention(o vendor_operations) returns boolean
    language sql stable
    return o.ended_at is null and (o.attempts >= 5 or o.deadline < clock_timestamp());

-- What to do about a problem, for the operator; null where nothing has to be done.
create function vendor_advice(o vendor_operations) returns json
    language sql stable
as $$
    select json_build_object('en', a.en, 'zh', a.zh)
    from (values
        ('vendor_unreachable', 'The broker cannot be reached: check its url, its certificate and the network. It is tried again by itself.',
         '无法连接供应商接口：请检查网址、证书和网络。系统会自动重试。'),
        ('vendor_refused_us', 'The broker does not take our user name and password: correct them at the broker. It is tried again by itself.',
         '供应商接口不接受用户名或密码：请在供应商设置中更正。系统会自动重试。'),
        ('vendor_busy', 'The broker asks to come back later. It is tried again by itself.', '供应商接口繁忙，系统会自动重试。'),
        ('vendor_error', 'The broker answers with errors: tell the vendor the instance and the problem.',
         '供应商接口返回错误：请将实例编号和问题告知供应商。'),
        ('vendor_silent', 'The broker does not answer in time: tell the vendor the instance and the problem.',
         '供应商接口未按时应答：请将实例编号和问题告知供应商。'),
        ('vendor_rejected', 'The broker declines the request: correct the plan''s link, or what was asked for, and retry.',
         '供应商拒绝该请求：请更正方案关联或请求内容后重试。'),
        ('vendor_failed', 'The vendor could not do it: ask the vendor for the cause, then retry.', '供应商未能完成：请向供应商询问原因后重试。'),
        ('vendor_unapplied', 'The vendor has answered, and the platform could not take it over: mend what the problem names. It is tried again by itself.',
         '供应商已应答，但平台未能完成相应处理：请按问题描述处理。系统会自动重试。'),
        ('vendor_slow', 'The vendor did not finish in time. What it may have made is taken back.', '供应商未按时完成，可能已创建的内容正在撤回。')
    ) as a(code, en, zh)
    where a.code = o.problem_code and (o.ended_at is null or o.state in ('failed', 'undone'))
$$;

create function vendor_operation_document(o vendor_operations, by_side text) returns json
    language sql stable
as $$
    select json_build_object(
        'id', o.id, 'tenant_id', o.tenant_id, 'resource_id', o.resource_id, 'kind', o.kind, 'state', o.state,
        'actions', case when by_side = 'operator' and o.ended_at is null
                        then case when o.kind = 'change' or o.call = 'deprovision' then '["abandon", "retry"]' else '["retry"]' end
                        else '[]' end::json,
        'broker_id', i.broker_id, 'instance_id', i.instance_id, 'waiting_for', case when o.ended_at is null then o.call end,
        'accepted', o.polling, 'attempts', o.attempts, 'calls', o.claims,
        'next_call_at', case when o.ended_at is null then instant_text(o.not_before) end,
        'deadline', instant_text(o.deadline), 'attention', vendor_needs_attention(o),
        'problem', case when o.problem_code is not null then json_build_object(
            'code', o.problem_code, 'detail', o.problem_detail, 'advice', vendor_advice(o)) end,
        'actor', o.actor, 'reason', o.reason, 'started_at', instant_text(o.started_at), 'ended_at', instant_text(o.ended_at))
    from vendor_instances i
    where i.tenant_id = o.tenant_id and i.resource_id = o.resource_id and i.number = o.instance
$$;

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
        'rented_until', r.rented_until, 'state', r.state,
        'actions', (
            select coalesce(json_agg(a.action order by a.action), '[]')
            from resource_actions a
            where a.kind = r.kind and a.from_state = r.state
              and (a.by_tenant or by_side = 'operator')
              and (a.action <> 'retry' or r.failure_retryable)
              and (o.id is null or vendor_allows(o.kind, r.state, a.action))),
        'holds', (
            select coalesce(json_agg(h.kind order by h.kind), '[]')
            from resource_holds h where h.tenant_id = r.tenant_id and h.resource_id = r.id),
        'failure', case when r.failure_code is not null then json_build_object(
            'code', r.failure_code, 'detail', r.failure_detail,
            'retryable', r.failure_retryable) end,
        'operation', case when o.id is not null then json_build_object(
            'id', o.id, 'kind', o.kind, 'state', o.state, 'started_at', instant_text(o.started_at)) end,
        'software', case r.kind when 'software' then json_build_object(
            'seats', q.quantity::bigint,
            'assigned_seats', (
                select count(*) from software_seats s
                where s.tenant_id = r.tenant_id and s.resource_id = r.id and s.released_at is null),
            'dashboard_url', (
                select i.dashboard_url from vendor_instances i
                where i.tenant_id = r.tenant_id and i.resource_id = r.id and i.state = 'live')) end,
        'broadband', (
            select broadband_document(l) from broadband_lines l
            where l.tenant_id = r.tenant_id and l.resource_id = r.id),
        'terminal', (
            select json_build_object('model', w.model, 'terminal', (
                select json_build_object('id', t.id, 'asset_tag', t.asset_tag, 'serial', t.serial,
                                         'model', t.model, 'condition', t.condition,
                                         'state', t.state, 'due_on', t.due_on)
                from terminals t where t.resource_id = r.id
                order by t.state = 'rented' desc limit 1))
            from terminal_resources w where w.tenant_id = r.tenant_id and w.resource_id = r.id),
        'external_id', r.external_id, 'metadata', r.metadata,
        'created_at', instant_text(r.created_at), 'updated_at', instant_text(r.updated_at))
    from (
        select q.quantity from resource_quantities q
        where q.tenant_id = r.tenant_id and q.resource_id = r.id
        order by q.starts_at > clock_timestamp(), q.number desc limit 1) q
    cross join (
        select p.number, p.plan_id, p.plan_version from plan_assignments p
        where p.tenant_id = r.tenant_id and p.resource_id = r.id
        order by p.starts_at > clock_timestamp(), p.number desc limit 1) p
    left join vendor_operations o on o.tenant_id = r.tenant_id and o.resource_id = r.id and o.ended_at is null);
end
$$;

-- What is kept lacks the new fields: it is asked anew until it is next made.
alter table resource_documents no force row level security;
update resource_documents d set holds_until = '-infinity';
alter table resource_documents force row level security;

-- ---- One operation at a time ----

-- Holds and terms go on beside an operation; an end takes its place, unless one is under way.
create function vendor_allows(of_kind text, in_state text, by_action text) returns boolean
    language sql immutable
    return by_action in ('suspend', 'resume', 'renew') or by_action = 'terminate' and of_kind <> 'terminate' and in_state <> 'terminating';

-- How long the broker behind a plan has, and whether it lets that plan be changed; no row: no broker is behind it.
create function vendor_terms(of_plan text)
    returns table (broker_id text, broker_state text, service_id text, vendor_plan_id text, parameters jsonb,
                   seats_parameter text, patience interval, updatable boolean)
    language sql stable security definer set search_path = public, pg_temp
as $$
    select v.broker_id, b.state, v.service_id, v.vendor_plan_id, v.parameters, v.seats_parameter,
           make_interval(secs => least(b.deadline_seconds, (p.plan ->> 'maximum_polling_duration')::integer)),
           coalesce((p.plan ->> 'plan_updateable')::boolean, (p.service ->> 'plan_updateable')::boolean, false)
    from vendor_plans v
    join vendor_brokers b on b.id = v.broker_id
    left join lateral (
        select s.service, p.plan
        from jsonb_array_elements(b.catalog) as s(service), jsonb_array_elements(s.service -> 'plans') as p(plan)
        where s.service ->> 'id' = v.service_id and p.plan ->> 'id' = v.vendor_plan_id limit 1) p on true
    where v.plan_id = of_plan
$$;
revoke all on function vendor_terms from public;
grant execute on function vendor_terms to bccd_tenant, bccd_operator, bccd_jobs;
alter function vendor_terms owner to bccd_lookup;

create function vendor_parameters(base jsonb, seats_parameter text, seats numeric) returns jsonb
    language sql immutable
    return case when seats_parameter is null then base else base || jsonb_build_object(seats_parameter, seats::bigint) end;

create function vendor_operate(of_tenant text, of_resource text, of_instance integer, of_kind text, to_call text, wish jsonb,
                               patience interval, by_actor text)
    returns void
    language sql
as $$
    insert into vendor_operations (id, tenant_id, resource_id, instance, kind, call, wanted, deadline, actor)
    values (make_identifier('vop'), of_tenant, of_resource, of_instance, of_kind, to_call, wish,
            clock_timestamp() + patience, by_actor)
$$;

-- The plan that counts now, and the seats.
create function resource_now(of_tenant text, of_resource text, out plan_id text, out plan_version integer, out quantity numeric)
    language sql stable
as $$
    select p.plan_id, p.plan_version, q.quantity
    from (select p.plan_id, p.plan_version from plan_assignments p
          where p.tenant_id = of_tenant and p.resource_id = of_resource
          order by p.starts_at > clock_timestamp(), p.number desc limit 1) p,
         (select q.quantity from resource_quantities q
          where q.tenant_id = of_tenant and q.resource_id = of_resource
          order by q.starts_at > clock_timestamp(), q.number desc limit 1) q
$$;

-- ---- What is wanted ----

create function vendor_provision(of_tenant text, of_resource text, by_actor text) returns void
    language plpgsql
as $$
declare
    here record := resource_now(of_tenant, of_resource);
    terms record;
    place integer;
begin
    select t.* into terms from vendor_terms(here.plan_id) t;
    if not found then
        return;
    elsif terms.broker_state <> 'active' then
        perform refuse('state_conflict', 'The broker behind this plan is retired; link the plan to another one.');
    end if;
    insert into vendor_instances (tenant_id, resource_id, number, instance_id, broker_id, service_id, vendor_plan_id, parameters)
    select of_tenant, of_resource, coalesce(max(i.number), 0) + 1, gen_random_uuid(), terms.broker_id, terms.service_id,
           terms.vendor_plan_id, vendor_parameters(terms.parameters, terms.seats_parameter, here.quantity)
    from vendor_instances i where i.tenant_id = of_tenant and i.resource_id = of_resource
    returning number into place;
    perform vendor_operate(of_tenant, of_resource, place, 'provision', 'provision', '{}', terms.patience, by_actor);
end
$$;

-- What is billed changes when the vendor has confirmed it.
create function vendor_change(of_tenant text, of_resource text, of_offering text, of_instance vendor_instances, by_actor text,
                              body jsonb)
    returns void
    language plpgsql
as $$
declare
    here record := resource_now(of_tenant, of_resource);
    to_plan text := coalesce(body ->> 'plan_id', here.plan_id);
    seats numeric := coalesce((body #>> '{software,seats}')::numeric, here.quantity);
    terms record;
    wish jsonb := jsonb_build_object('reason', coalesce(body ->> 'reason', ''));
begin
    if body ->> 'effective' = 'period_end' or body ? 'effective_at' then
        perform refuse('effective_at_refused', 'What a vendor provides changes when the vendor has changed it.');
    end if;
    perform resource_check_seats(of_tenant, of_resource, seats);
    if body ? 'plan_id' then
        wish := wish || jsonb_build_object('plan_id', to_plan, 'plan_version', published_plan_version(
            of_offering, to_plan, (body ->> 'plan_version')::integer));
    end if;
    select t.* into terms from vendor_terms(to_plan) t;
    if not found or terms.broker_id <> of_instance.broker_id or terms.service_id <> of_instance.service_id then
        perform refuse('change_refused', 'The other plan must be one of the same vendor''s service.');
    elsif terms.vendor_plan_id <> of_instance.vendor_plan_id
          and not (select t.updatable from vendor_terms(here.plan_id) t) then
        perform refuse('change_refused', 'The vendor lets nobody change from this plan to another one.');
    end if;
    wish := wish || jsonb_build_object(
        'seats', seats, 'vendor_plan_id', terms.vendor_plan_id,
        'parameters', vendor_parameters(terms.parameters, terms.seats_parameter, seats));
    perform vendor_operate(of_tenant, of_resource, of_instance.number, 'change', 'update', wish, terms.patience, by_actor);
end
$$;

create function vendor_patience(of_broker text) returns interval
    language sql stable security definer set search_path = public, pg_temp
as $$
    select make_interval(secs => b.deadline_seconds) from vendor_brokers b where b.id = of_broker
$$;
revoke all on function vendor_patience from public;
grant execute on function vendor_patience to bccd_tenant, bccd_operator, bccd_jobs;
alter function vendor_patience owner to bccd_lookup;

-- Takes the place of another operation; what the vendor may yet make of that one is waited for.
create function vendor_terminate(of_tenant text, of_resource text, of_instance vendor_instances, by_actor text) returns void
    language plpgsql
as $$
declare
    unsettled timestamptz;
begin
    update vendor_operations o
    set state = 'failed', problem_code = 'superseded', problem_detail = 'The resource was terminated.',
        lost_until = greatest(o.lost_until, case when o.claims > o.answered then o.not_before end),
        ended_at = clock_timestamp(), updated_at = clock_timestamp(), version = o.version + 1
    where o.tenant_id = of_tenant and o.resource_id = of_resource and o.ended_at is null
    returning o.lost_until into unsettled;
    perform vendor_operate(of_tenant, of_resource, of_instance.number, 'terminate', 'deprovision', '{}',
                           vendor_patience(of_instance.broker_id), by_actor);
    update vendor_operations o set lost_until = unsettled
    where o.tenant_id = of_tenant and o.resource_id = of_resource and o.ended_at is null;
end
$$;

create function vendor_has(of_tenant text, of_resource text) returns boolean
    language sql stable
    return exists (select from vendor_instances i
                   where i.tenant_id = of_tenant and i.resource_id = of_resource and i.ended_at is null);

-- An action on a resource that a vendor has. True: the vendor is asked, and nothing else changes now.
create function vendor_act(target resources, by_actor text, by_action text, body jsonb) returns boolean
    language plpgsql
as $$
declare
    instance vendor_instances;
    running vendor_operations;
begin
    select i.* into instance from vendor_instances i
    where i.tenant_id = target.tenant_id and i.resource_id = target.id and i.ended_at is null;
    if not found then
        return false;
    end if;
    select o.* into running from vendor_operations o
    where o.tenant_id = target.tenant_id and o.resource_id = target.id and o.ended_at is null;
    if found and not vendor_allows(running.kind, target.state, by_action) then
        perform refuse('operation_running', format(
            'The vendor is asked to %s it (%s, since %s); wait for its end.', running.kind, running.id, instant_text(running.started_at)));
    elsif by_action = 'change' and body ?| array['plan_id', 'software'] then
        perform vendor_change(target.tenant_id, target.id, target.offering_id, instance, by_actor, body);
        perform touch_resource(target.tenant_id, target.id);
        return true;
    end if;
    return false;
end
$$;

create function vendor_follow_resource() returns trigger
    language plpgsql
as $$
declare
    doer text := coalesce(setting('actor'), session_user);
    instance vendor_instances;
begin
    if new.state = 'approved' then
        if exists (select from vendor_terms((resource_now(new.tenant_id, new.id)).plan_id)) then
            perform from resource_act(new.tenant_id, 'operator', doer, new.id, 'provision', null, '{}', null);
        end if;
    elsif new.state = 'provisioning' then
        perform vendor_provision(new.tenant_id, new.id, doer);
    elsif new.state = 'terminating' then
        select i.* into instance from vendor_instances i
        where i.tenant_id = new.tenant_id and i.resource_id = new.id and i.ended_at is null;
        if found then
            perform vendor_terminate(new.tenant_id, new.id, instance, doer);
        end if;
    end if;
    return null;
end
$$;
create trigger vendors after update of state on resources for each row
    when (new.kind = 'software' and old.state is distinct from new.state
          and new.state in ('approved', 'provisioning', 'terminating'))
    execute function vendor_follow_resource();

-- ---- Seats ----

create function resource_check_seats(of_tenant text, of_resource text, seats numeric) returns void
    language plpgsql
as $$
declare
    taken bigint := (
        select count(*) from software_seats s
        where s.tenant_id = of_tenant and s.resource_id = of_resource and s.released_at is null);
begin
    if seats < taken then
        perform refuse('seats_in_use', format('%s seats are assigned; release some first.', taken));
    end if;
end
$$;

create or replace function resource_change_seats(of_tenant text, of_resource text, seats numeric, at timestamptz) returns void
    language plpgsql
as $$
begin
    perform resource_check_seats(of_tenant, of_resource, seats);
    perform resource_set_quantity(of_tenant, of_resource, seats, at);
end
$$;

-- Where a vendor is asked for fewer, those are left.
create or replace function seat_assign(for_tenant text, of_resource text, new_id text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target record;
    rented bigint;
    taken bigint;
begin
    select r.tenant_id, r.state into target
    from resources r
    where r.id = of_resource and (for_tenant is null or r.tenant_id = for_tenant) and r.kind = 'software'
    for no key update;
    if not found then
        return;
    elsif target.state not in ('approved', 'provisioning', 'active', 'suspended') then
        perform refuse('state_conflict', format('The subscription is %s; it has no seats to assign.', target.state));
    end if;
    select least(q.quantity, (o.wanted ->> 'seats')::numeric) into rented
    from resource_quantities q
    left join vendor_operations o on o.tenant_id = q.tenant_id and o.resource_id = q.resource_id and o.ended_at is null
    where q.tenant_id = target.tenant_id and q.resource_id = of_resource and q.ends_at is null;
    select count(*) into taken from software_seats s
    where s.tenant_id = target.tenant_id and s.resource_id = of_resource and s.released_at is null;
    if taken >= rented then
        perform refuse('seats_exhausted', format('All %s seats are assigned.', rented));
    end if;
    insert into software_seats (id, tenant_id, resource_id, person, email)
    values (new_id, target.tenant_id, of_resource, body ->> 'person', body ->> 'email');
    return query select seat_document(s), s.version from software_seats s
                 where s.tenant_id = target.tenant_id and s.id = new_id;
end
$$;

-- ---- Actions ----

create or replace function resource_act(for_tenant text, by_side text, by_actor text, of_resource text, by_action text,
                                        seen_version bigint, body jsonb, secret bytea)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target resources;
    rule record;
    wanted timestamptz := resource_wanted_at(body);
    effective timestamptz;
    new_state text;
begin
    select r.* into target
    from resources r
    where r.id = of_resource and (for_tenant is null or r.tenant_id = for_tenant)
    for no key update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    end if;
    select a.to_state, a.managed_to_state, a.by_tenant into rule
    from resource_actions a
    where a.kind = target.kind and a.action = by_action and a.from_state = target.state;
    if not found or (by_side = 'tenant' and not rule.by_tenant) or (by_action = 'retry' and not target.failure_retryable) then
        perform refuse('state_conflict', format('The resource is %s, which does not allow to %s it; see its actions.',
                                                target.state, by_action));
    end if;
    if vendor_act(target, by_actor, by_action, body) then
        return query select resource_document(r, by_side), r.version
                     from resources r where r.tenant_id = target.tenant_id and r.id = target.id;
        return;
    end if;
    new_state := case when vendor_has(target.tenant_id, target.id) then coalesce(rule.managed_to_state, rule.to_state)
                      else rule.to_state end;
    effective := resource_effective_at(
        target.tenant_id, target.id, wanted,
        clock_timestamp() + case when by_action = 'change' then interval '400 days' else interval '1 day' end);
    if by_action = 'suspend' then
        perform resource_hold(target.tenant_id, target.id, by_side, by_actor, body);
    elsif by_action = 'resume' and not resource_unhold(target.tenant_id, target.id, by_side, body) then
        new_state := target.state;
    elsif by_action = 'change' then
        perform resource_change(target.tenant_id, target.id, target.kind, target.offering_id, by_side, body, secret,
                                effective);
        -- A change ahead of time is noted as of now; what it brings begins with plan_assignments or line_tiers.
        effective := least(effective, resource_effective_at(target.tenant_id, target.id, null, null));
    elsif by_action = 'move' then
        perform resource_move(target.tenant_id, target.id, body);
    elsif by_action = 'renew' then
        perform resource_renew(target, by_side, body);
    end if;
    perform resource_transit(target.tenant_id, target.id, by_action, new_state, effective, by_actor, body);
    if new_state in ('terminating', 'terminated', 'rejected') and target.state <> 'terminating' then
        perform resource_end(target.tenant_id, target.id, effective);
    end if;
    if new_state in ('terminated', 'rejected') then
        perform resource_release(target.tenant_id, target.id);
    end if;
    return query select resource_document(r, by_side), r.version
                 from resources r where r.tenant_id = target.tenant_id and r.id = target.id;
end
$$;

create or replace function resource_create(new_id text, for_tenant text, by_side text, by_actor text, body jsonb, secret bytea)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    renter record;
    effective timestamptz;
begin
    select t.code, t.state into renter from tenants t where t.id = for_tenant;
    if renter is null then
        perform refuse('reference_unknown', 'tenant must name the tenant that rents.');
    elsif renter.state <> 'active' then
        perform refuse('state_conflict', format('The tenant is %s; only an active one can rent.', renter.state));
    elsif not exists (select from offerings o
                      where o.id = body ->> 'offering_id' and o.kind = body ->> 'kind' and o.state = 'active') then
        perform refuse('reference_unknown', 'offering_id must name an active offering of this kind.');
    elsif by_side = 'tenant' and body #>> '{broadband,static_address}' is not null then
        perform refuse('forbidden', 'The operator assigns static addresses.');
    end if;
    effective := resource_effective_at(for_tenant, new_id, (body ->> 'effective_at')::timestamptz,
                                       clock_timestamp() + interval '1 day');
    perform check_term((body ->> 'rented_until')::date);
    insert into resources (id, tenant_id, kind, offering_id, name, site, rented_until, external_id, metadata)
    values (new_id, for_tenant, body ->> 'kind', body ->> 'offering_id', body ->> 'name',
            coalesce(body ->> 'site', ''), (body ->> 'rented_until')::date, body ->> 'external_id',
            coalesce(body -> 'metadata', '{}'));
    perform resource_transit(for_tenant, new_id, 'create', 'requested', effective, by_actor, body);
    perform resource_assign_plan(
        for_tenant, new_id, body ->> 'plan_id',
        published_plan_version(body ->> 'offering_id', body ->> 'plan_id', (body ->> 'plan_version')::integer),
        effective);
    perform resource_set_quantity(for_tenant, new_id, coalesce((body #>> '{software,seats}')::numeric, 1), effective);
    if body ->> 'kind' = 'broadband' then
        perform line_create(for_tenant, new_id, renter.code, body ->> 'offering_id', body -> 'broadband', secret, effective);
    elsif body ->> 'kind' = 'terminal' then
        insert into terminal_resources (tenant_id, resource_id, model)
        values (for_tenant, new_id, coalesce(body #>> '{terminal,model}', ''));
    end if;
    return query select resource_document(r, by_side), r.version
                 from resources r where r.tenant_id = for_tenant and r.id = new_id;
end
$$;

-- ---- Plans of vendors ----

-- Puts a plan of a vendor behind one of ours; no row when there is no such broker. What rents it already stays as it is.
create function vendor_plan_put(of_broker text, of_plan text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    services jsonb;
begin
    select coalesce(b.catalog, '[]') into services from vendor_brokers b where b.id = of_broker for share;
    if not found then
        return;
    elsif not exists (select from plans p join offerings f on f.id = p.offering_id where p.id = of_plan and f.kind = 'software') then
        perform refuse('reference_unknown', 'The path must name a plan of software.');
    elsif not exists (
        select from jsonb_array_elements(services) as s(service), jsonb_array_elements(s.service -> 'plans') as p(plan)
        where s.service ->> 'id' = body ->> 'service_id' and p.plan ->> 'id' = body ->> 'vendor_plan_id') then
        perform refuse('reference_unknown', 'service_id and vendor_plan_id must name a plan of the broker''s catalog, as it was last read.');
    end if;
    insert into vendor_plans as v (plan_id, broker_id, service_id, vendor_plan_id, parameters, seats_parameter)
    values (of_plan, of_broker, body ->> 'service_id', body ->> 'vendor_plan_id', coalesce(body -> 'parameters', '{}'),
            body ->> 'seats_parameter')
    on conflict (plan_id) do update
    set broker_id = excluded.broker_id, service_id = excluded.service_id, vendor_plan_id = excluded.vendor_plan_id,
        parameters = excluded.parameters, seats_parameter = excluded.seats_parameter, version = v.version + 1,
        updated_at = clock_timestamp();
    return query select vendor_plan_document(v), v.version from vendor_plans v where v.plan_id = of_plan;
end
$$;

create function vendor_plan_document(p vendor_plans) returns json
    language sql stable
as $$
    select json_build_object(
        'plan_id', p.plan_id, 'broker_id', p.broker_id, 'service_id', p.service_id, 'vendor_plan_id', p.vendor_plan_id,
        'parameters', p.parameters, 'seats_parameter', p.seats_parameter,
        'created_at', instant_text(p.created_at), 'updated_at', instant_text(p.updated_at))
$$;
