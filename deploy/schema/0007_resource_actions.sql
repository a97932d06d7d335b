-- What is done with resources: documents, actions, the days that are billed, seats.
--
-- An action on a resource reads and writes several tables under the lock of one row. It is a
-- function, since every statement in it sees what was committed before the lock was had; the parts
-- of a single statement would all see the time before the wait. A function refuses with BC422 and
-- the problem's code, which undoes all that it did.
set local role bccd_owner;

-- ---- Documents ----

create function broadband_document(l broadband_lines) returns json
    language sql stable
as $$
    select json_build_object(
        'login', l.login, 'access_technology', l.access_technology,
        'committed_downstream_kbit', l.committed_downstream_kbit,
        'maximum_downstream_kbit', l.maximum_downstream_kbit,
        'committed_upstream_kbit', l.committed_upstream_kbit,
        'maximum_upstream_kbit', l.maximum_upstream_kbit,
        'static_address', host(l.static_address), 'has_password', l.secret is not null)
$$;

-- `by_side` ("tenant" or "operator") says whose actions are shown.
create function resource_document(r resources, by_side text) returns json
    language sql stable
as $$
    select json_build_object(
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
        order by p.starts_at > clock_timestamp(), p.number desc limit 1) p
$$;

-- ---- Actions on resources ----

-- From when an action counts: as wished, or now; never before what counted last, nor beyond
-- `latest`, nor further back than an event may be.
create function resource_effective_at(of_tenant text, of_resource text, wanted timestamptz, latest timestamptz)
    returns timestamptz
    language plpgsql
as $$
declare
    previous timestamptz := (
        select t.effective_at from resource_transitions t
        where t.tenant_id = of_tenant and t.resource_id = of_resource
        order by t.number desc limit 1);
    earliest timestamptz := greatest(previous, clock_timestamp() - interval '400 days');
begin
    if wanted is null then
        return greatest(clock_timestamp(), previous);
    end if;
    if wanted < earliest or wanted > latest then
        perform refuse('effective_at_refused', format('effective_at must be from %s to %s.',
                                                      instant_text(earliest), instant_text(latest)));
    end if;
    return wanted;
end
$$;

-- The only writer of a resource's state: notes the transition and raises the version.
create function resource_transit(of_tenant text, of_resource text, by_action text, new_state text,
                                 effective timestamptz, by_actor text, body jsonb)
    returns void
    language plpgsql
as $$
begin
    insert into resource_transitions (tenant_id, resource_id, number, action, from_state, to_state,
                                      effective_at, actor, reason)
    select r.tenant_id, r.id, coalesce(max(t.number), 0) + 1, by_action,
           case when count(t.number) > 0 then r.state end, new_state, effective, by_actor,
           coalesce(body ->> 'reason', '')
    from resources r left join resource_transitions t on t.tenant_id = r.tenant_id and t.resource_id = r.id
    where r.tenant_id = of_tenant and r.id = of_resource
    group by r.tenant_id, r.id, r.state;
    update resources r
    set state = new_state, version = r.version + 1, updated_at = clock_timestamp(),
        failure_code = case when new_state = 'failed' then body ->> 'code' end,
        failure_detail = case when new_state = 'failed' then coalesce(body ->> 'detail', '') end,
        failure_retryable = case when new_state = 'failed' then (body ->> 'retryable')::boolean end
    where r.tenant_id = of_tenant and r.id = of_resource and by_action <> 'create';
end
$$;

-- The published version of a plan of that offering: the one named, or the newest.
create function published_plan_version(of_offering text, of_plan text, wanted integer) returns integer
    language plpgsql stable
as $$
declare
    found_version integer := (
        select v.number
        from plan_versions v join plans p on p.id = v.plan_id
        where p.id = of_plan and p.offering_id = of_offering and p.state = 'active' and v.state = 'published'
          and (wanted is null or v.number = wanted)
        order by v.number desc limit 1);
begin
    if found_version is null then
        perform refuse('plan_unavailable', 'plan_id and plan_version must name a published version of an active plan of this offering.');
    end if;
    return found_version;
end
$$;

-- From `at` on, in the place of whatever was to be in force then.
create function resource_assign_plan(of_tenant text, of_resource text, to_plan text, to_version integer, at timestamptz)
    returns void
    language plpgsql
as $$
begin
    delete from plan_assignments p
    where p.tenant_id = of_tenant and p.resource_id = of_resource and p.starts_at >= at;
    update plan_assignments p set ends_at = at
    where p.tenant_id = of_tenant and p.resource_id = of_resource and (p.ends_at is null or p.ends_at > at);
    insert into plan_assignments (tenant_id, resource_id, number, plan_id, plan_version, starts_at)
    select of_tenant, of_resource, coalesce(max(p.number), 0) + 1, to_plan, to_version, at
    from plan_assignments p where p.tenant_id = of_tenant and p.resource_id = of_resource;
end
$$;

create function resource_set_quantity(of_tenant text, of_resource text, new_quantity numeric, at timestamptz)
    returns void
    language plpgsql
as $$
begin
    delete from resource_quantities q
    where q.tenant_id = of_tenant and q.resource_id = of_resource and q.starts_at >= at;
    update resource_quantities q set ends_at = at
    where q.tenant_id = of_tenant and q.resource_id = of_resource and (q.ends_at is null or q.ends_at > at);
    insert into resource_quantities (tenant_id, resource_id, number, quantity, starts_at)
    select of_tenant, of_resource, coalesce(max(q.number), 0) + 1, new_quantity, at
    from resource_quantities q where q.tenant_id = of_tenant and q.resource_id = of_resource;
end
$$;

-- What a resource leaves when it ends: plan and quantity stop, seats are given back, login and
-- address are free again.
create function resource_end(of_tenant text, of_resource text, at timestamptz) returns void
    language plpgsql
as $$
begin
    delete from plan_assignments p
    where p.tenant_id = of_tenant and p.resource_id = of_resource and p.starts_at > at;
    update plan_assignments p set ends_at = at
    where p.tenant_id = of_tenant and p.resource_id = of_resource and (p.ends_at is null or p.ends_at > at);
    delete from resource_quantities q
    where q.tenant_id = of_tenant and q.resource_id = of_resource and q.starts_at > at;
    update resource_quantities q set ends_at = at
    where q.tenant_id = of_tenant and q.resource_id = of_resource and (q.ends_at is null or q.ends_at > at);
    update software_seats s set released_at = clock_timestamp(), version = s.version + 1
    where s.tenant_id = of_tenant and s.resource_id = of_resource and s.released_at is null;
    delete from resource_holds h where h.tenant_id = of_tenant and h.resource_id = of_resource;
end
$$;

create function resource_release(of_tenant text, of_resource text) returns void
    language plpgsql
as $$
begin
    update broadband_lines l set released_at = clock_timestamp(), secret = null
    where l.tenant_id = of_tenant and l.resource_id = of_resource;
    if exists (select from terminals t where t.resource_id = of_resource) then
        perform refuse('terminal_not_returned', null);
    end if;
end
$$;

create function resource_create(new_id text, for_tenant text, by_side text, by_actor text, body jsonb, secret bytea)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    renter record;
    line jsonb := body -> 'broadband';
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
    elsif by_side = 'tenant' and line ->> 'static_address' is not null then
        perform refuse('forbidden', 'The operator assigns static addresses.');
    end if;
    effective := resource_effective_at(for_tenant, new_id, (body ->> 'effective_at')::timestamptz,
                                       clock_timestamp() + interval '1 day');
    insert into resources (id, tenant_id, kind, offering_id, name, site, external_id, metadata)
    values (new_id, for_tenant, body ->> 'kind', body ->> 'offering_id', body ->> 'name',
            coalesce(body ->> 'site', ''), body ->> 'external_id', coalesce(body -> 'metadata', '{}'));
    perform resource_transit(for_tenant, new_id, 'create', 'requested', effective, by_actor, body);
    perform resource_assign_plan(
        for_tenant, new_id, body ->> 'plan_id',
        published_plan_version(body ->> 'offering_id', body ->> 'plan_id', (body ->> 'plan_version')::integer),
        effective);
    perform resource_set_quantity(for_tenant, new_id, coalesce((body #>> '{software,seats}')::numeric, 1), effective);
    if body ->> 'kind' = 'broadband' then
        insert into broadband_lines (tenant_id, resource_id, login, access_technology, committed_downstream_kbit,
                                     maximum_downstream_kbit, committed_upstream_kbit, maximum_upstream_kbit,
                                     static_address, secret)
        values (for_tenant, new_id, (line ->> 'line') || '@' || renter.code, line ->> 'access_technology',
                coalesce((line ->> 'committed_downstream_kbit')::bigint, 0),
                (line ->> 'maximum_downstream_kbit')::bigint,
                coalesce((line ->> 'committed_upstream_kbit')::bigint, 0),
                (line ->> 'maximum_upstream_kbit')::bigint, (line ->> 'static_address')::inet, secret);
    elsif body ->> 'kind' = 'terminal' then
        insert into terminal_resources (tenant_id, resource_id, model)
        values (for_tenant, new_id, coalesce(body #>> '{terminal,model}', ''));
    end if;
    return query select resource_document(r, by_side), r.version
                 from resources r where r.tenant_id = for_tenant and r.id = new_id;
end
$$;

create function resource_hold(of_tenant text, of_resource text, by_side text, by_actor text, body jsonb)
    returns void
    language plpgsql
as $$
declare
    held text := coalesce(body ->> 'hold', by_side);
begin
    if by_side = 'tenant' and held <> 'tenant' then
        perform refuse('forbidden', 'A tenant places its own hold alone.');
    end if;
    insert into resource_holds (tenant_id, resource_id, kind, actor, reason)
    values (of_tenant, of_resource, held, by_actor, coalesce(body ->> 'reason', ''))
    on conflict do nothing;
    if not found then
        perform refuse('state_conflict', format('The hold "%s" is there already.', held));
    end if;
end
$$;

-- Takes a hold off; true when none is left.
create function resource_unhold(of_tenant text, of_resource text, by_side text, body jsonb) returns boolean
    language plpgsql
as $$
declare
    held text := coalesce(body ->> 'hold', by_side);
begin
    if by_side = 'tenant' and held <> 'tenant' then
        perform refuse('forbidden', 'A tenant takes off its own hold alone.');
    end if;
    delete from resource_holds h
    where h.tenant_id = of_tenant and h.resource_id = of_resource and h.kind = held;
    if not found then
        perform refuse('state_conflict', format('There is no hold "%s".', held));
    end if;
    return not exists (select from resource_holds h where h.tenant_id = of_tenant and h.resource_id = of_resource);
end
$$;

create function resource_change_line(of_tenant text, of_resource text, by_side text, part jsonb, new_secret bytea)
    returns void
    language plpgsql
as $$
begin
    if by_side = 'tenant' and part - 'password' <> '{}' then
        perform refuse('forbidden', 'A tenant sets its password alone; the rest of a line is the operator''s.');
    end if;
    update broadband_lines l
    set access_technology = coalesce(part ->> 'access_technology', l.access_technology),
        committed_downstream_kbit = coalesce((part ->> 'committed_downstream_kbit')::bigint, l.committed_downstream_kbit),
        maximum_downstream_kbit = coalesce((part ->> 'maximum_downstream_kbit')::bigint, l.maximum_downstream_kbit),
        committed_upstream_kbit = coalesce((part ->> 'committed_upstream_kbit')::bigint, l.committed_upstream_kbit),
        maximum_upstream_kbit = coalesce((part ->> 'maximum_upstream_kbit')::bigint, l.maximum_upstream_kbit),
        static_address = case when part ? 'static_address' then (part ->> 'static_address')::inet
                              else l.static_address end,
        secret = coalesce(new_secret, l.secret)
    where l.tenant_id = of_tenant and l.resource_id = of_resource;
end
$$;

create function resource_change_seats(of_tenant text, of_resource text, seats numeric, at timestamptz) returns void
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
    perform resource_set_quantity(of_tenant, of_resource, seats, at);
end
$$;

create function resource_change(of_tenant text, of_resource text, of_kind text, of_offering text, by_side text,
                                body jsonb, secret bytea, at timestamptz)
    returns void
    language plpgsql
as $$
declare
    other text := (select k from unnest(array['software', 'broadband']) as k where body ? k and k <> of_kind);
begin
    if other is not null then
        perform refuse('change_refused', format('"%s" is no part of a resource of kind %s.', other, of_kind));
    elsif (body ? 'software' or body ? 'broadband') and at > clock_timestamp() + interval '1 day' then
        perform refuse('effective_at_refused', 'Only a plan can be changed ahead of time.');
    end if;
    if body ? 'plan_id' then
        perform resource_assign_plan(
            of_tenant, of_resource, body ->> 'plan_id',
            published_plan_version(of_offering, body ->> 'plan_id', (body ->> 'plan_version')::integer), at);
    end if;
    if body ? 'software' then
        perform resource_change_seats(of_tenant, of_resource, (body #>> '{software,seats}')::numeric, at);
    end if;
    if body ? 'broadband' then
        perform resource_change_line(of_tenant, of_resource, by_side, body -> 'broadband', secret);
    end if;
end
$$;

-- Takes an action; no row when there is no such resource of that tenant (null: of any). `secret` is
-- the sealed password of a line.
create function resource_act(for_tenant text, by_side text, by_actor text, of_resource text, by_action text,
                             seen_version bigint, body jsonb, secret bytea)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target record;
    rule record;
    wanted timestamptz := (body ->> 'effective_at')::timestamptz;
    effective timestamptz;
    new_state text;
begin
    select r.tenant_id, r.id, r.kind, r.offering_id, r.state, r.version, r.failure_retryable into target
    from resources r
    where r.id = of_resource and (for_tenant is null or r.tenant_id = for_tenant)
    for no key update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    end if;
    select a.to_state, a.by_tenant into rule
    from resource_actions a
    where a.kind = target.kind and a.action = by_action and a.from_state = target.state;
    if not found or (by_side = 'tenant' and not rule.by_tenant) or (by_action = 'retry' and not target.failure_retryable) then
        perform refuse('state_conflict', format('The resource is %s, which does not allow to %s it; see its actions.',
                                                target.state, by_action));
    end if;
    new_state := rule.to_state;
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
        -- A change ahead of time is noted as of now; what it brings begins with plan_assignments.
        effective := least(effective, resource_effective_at(target.tenant_id, target.id, null, null));
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

-- ---- What is billed by the day ----

-- The days of seats, lines and terminals, from the history of states and quantities alone. A
-- calendar day of the zone counts once for a resource that was active in any part of it between the
-- two instants, by effective times; a day spent wholly suspended does not. Its quantity is the
-- greatest that was in force while the resource was active on that day. seat-days are the sum of
-- quantity over days; the caller bounds what has not happened yet. of_tenant null: of all tenants.
create function resource_days(from_at timestamptz, until_at timestamptz, zone text, of_tenant text default null)
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
            where of_tenant is null or t.tenant_id = of_tenant) a
        join resource_quantities q on q.tenant_id = a.tenant_id and q.resource_id = a.resource_id
        where a.to_state = 'active') p
    join resources r on r.tenant_id = p.tenant_id and r.id = p.resource_id
    cross join lateral generate_series(date_trunc('day', p.starts_at at time zone zone),
                                       (p.ends_at - interval '1 microsecond') at time zone zone,
                                       interval '1 day') as d(day)
    where p.starts_at < p.ends_at
    group by r.tenant_id, r.id, r.kind, d.day
$$;

-- ---- Seats ----

-- A seat for a person; no row when there is no such subscription. The lock on the resource keeps
-- others from taking the last seat at the same time.
create function seat_assign(for_tenant text, of_resource text, new_id text, body jsonb)
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
    select q.quantity into rented from resource_quantities q
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

create function seat_document(s software_seats) returns json
    language sql stable
as $$
    select json_build_object('id', s.id, 'resource_id', s.resource_id, 'person', s.person, 'email', s.email,
                             'assigned_at', instant_text(s.assigned_at), 'released_at', instant_text(s.released_at))
$$;
