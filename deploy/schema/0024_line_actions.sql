-- What is done with lines, now that they have access points, addresses of the plan, and tiers.
set local role bccd_owner;

-- ---- What is there already ----

-- Even their owner sees no row of these tables, but for this while.
alter table broadband_lines no force row level security;
alter table resources no force row level security;
alter table address_assignments no force row level security;
alter table resource_documents no force row level security;
insert into address_assignments (tenant_id, resource_id, address, assigned_at)
select l.tenant_id, l.resource_id, l.static_address, r.created_at
from broadband_lines l join resources r on r.tenant_id = l.tenant_id and r.id = l.resource_id
where l.static_address is not null and l.released_at is null;
-- What is kept lacks the new fields: it is asked anew until it is next made.
update resource_documents d set holds_until = '-infinity';
alter table resource_documents force row level security;
alter table address_assignments force row level security;
alter table resources force row level security;
alter table broadband_lines force row level security;

-- ---- Documents ----

-- In plpgsql, which keeps the plan, as resource_document is.
create or replace function broadband_document(l broadband_lines) returns json
    language plpgsql stable
as $$
begin
    return (select json_build_object(
        'login', l.login, 'access_technology', l.access_technology,
        'committed_downstream_kbit', coalesce(t.committed_downstream_kbit, l.committed_downstream_kbit),
        'maximum_downstream_kbit', coalesce(t.maximum_downstream_kbit, l.maximum_downstream_kbit),
        'committed_upstream_kbit', coalesce(t.committed_upstream_kbit, l.committed_upstream_kbit),
        'maximum_upstream_kbit', coalesce(t.maximum_upstream_kbit, l.maximum_upstream_kbit),
        'static_address', host(l.static_address), 'has_password', l.secret is not null,
        'access_point_id', l.access_point_id, 'tier_id', t.id,
        'next_tier', (
            select json_build_object('tier_id', n.tier_id, 'starts_at', instant_text(n.starts_at))
            from line_tiers n
            where n.tenant_id = l.tenant_id and n.resource_id = l.resource_id and n.starts_at > clock_timestamp()
            order by n.number limit 1),
        'addresses', (
            select coalesce(json_agg(json_build_object(
                       'id', a.id, 'address', address_text(a.address), 'pool_id', a.pool_id,
                       'assigned_at', instant_text(a.assigned_at)) order by a.id), '[]')
            from address_assignments a
            where a.tenant_id = l.tenant_id and a.resource_id = l.resource_id and a.ended_at is null))
    from (select) here
    left join lateral (
        select t.id, t.committed_downstream_kbit, t.maximum_downstream_kbit, t.committed_upstream_kbit,
               t.maximum_upstream_kbit
        from line_tiers x join broadband_tiers t on t.id = x.tier_id
        where x.tenant_id = l.tenant_id and x.resource_id = l.resource_id and x.starts_at <= clock_timestamp()
        order by x.number desc limit 1) t on true);
end
$$;

create or replace function make_resource_documents(of_tenant text, of_resource text) returns void
    language plpgsql
as $$
declare
    until timestamptz := coalesce(
        (select min(s.starts_at)
         from (select p.starts_at from plan_assignments p
               where p.tenant_id = of_tenant and p.resource_id = of_resource
               union all
               select q.starts_at from resource_quantities q
               where q.tenant_id = of_tenant and q.resource_id = of_resource
               union all
               select t.starts_at from line_tiers t
               where t.tenant_id = of_tenant and t.resource_id = of_resource) s
         where s.starts_at > clock_timestamp()), 'infinity');
begin
    update resource_documents d
    set document = resource_document(r, d.side), version = r.version, holds_until = until, made_in = pg_current_xact_id()
    from resources r
    where d.tenant_id = of_tenant and d.resource_id = of_resource and r.tenant_id = of_tenant and r.id = of_resource;
end
$$;

do $$
declare
    name text;
begin
    foreach name in array array['address_assignments', 'line_tiers'] loop
        execute format('create constraint trigger documents after insert or update or delete on %I
                        deferrable initially deferred for each row
                        execute function renew_resource_documents(''tenant_id'', ''resource_id'')', name);
    end loop;
end
$$;

-- ---- Actions ----

alter table resource_actions no force row level security;
insert into resource_actions (kind, action, from_state, to_state, by_tenant)
select 'broadband', 'move', s.state, s.state, false
from (values ('requested'), ('approved'), ('provisioning'), ('active'), ('suspended')) as s(state);
alter table resource_actions force row level security;

create function check_access_point(of_access_point text) returns void
    language plpgsql
as $$
begin
    if of_access_point is not null and not exists (select from access_points a where a.id = of_access_point) then
        perform refuse('reference_unknown', 'access_point_id must name an access point.');
    end if;
end
$$;

-- Another access point, or none; addresses that can be used at the old one alone go back.
create function line_set_access_point(of_tenant text, of_resource text, to_point text) returns void
    language plpgsql
as $$
declare
    from_point text := (select l.access_point_id from broadband_lines l
                        where l.tenant_id = of_tenant and l.resource_id = of_resource);
begin
    if from_point is not distinct from to_point then
        return;
    end if;
    perform check_access_point(to_point);
    update broadband_lines l set access_point_id = to_point
    where l.tenant_id = of_tenant and l.resource_id = of_resource;
    perform drop_addresses(of_tenant, of_resource, array(
        select a.id from address_assignments a join address_pools p on p.id = a.pool_id
        where a.tenant_id = of_tenant and a.resource_id = of_resource and a.ended_at is null
          and p.access_point_id = from_point));
end
$$;

-- The line of a new resource. Its rates are its tier's where it has one.
create function line_create(of_tenant text, of_resource text, tenant_code text, of_offering text, line jsonb,
                            sealed bytea, at timestamptz)
    returns void
    language plpgsql
as $$
declare
    tier broadband_tiers;
begin
    if line ? 'tier_id' then
        tier := usable_tier(line ->> 'tier_id', of_offering);
    end if;
    perform check_access_point(line ->> 'access_point_id');
    insert into broadband_lines (tenant_id, resource_id, login, access_technology, committed_downstream_kbit,
                                 maximum_downstream_kbit, committed_upstream_kbit, maximum_upstream_kbit,
                                 access_point_id, secret)
    values (of_tenant, of_resource, (line ->> 'line') || '@' || tenant_code, line ->> 'access_technology',
            coalesce(tier.committed_downstream_kbit, (line ->> 'committed_downstream_kbit')::bigint, 0),
            coalesce(tier.maximum_downstream_kbit, (line ->> 'maximum_downstream_kbit')::bigint),
            coalesce(tier.committed_upstream_kbit, (line ->> 'committed_upstream_kbit')::bigint, 0),
            coalesce(tier.maximum_upstream_kbit, (line ->> 'maximum_upstream_kbit')::bigint),
            line ->> 'access_point_id', sealed);
    if line ? 'tier_id' then
        perform line_assign_tier(of_tenant, of_resource, tier.id, at);
    end if;
    perform line_set_static_address(of_tenant, of_resource, (line ->> 'static_address')::inet);
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
        perform line_create(for_tenant, new_id, renter.code, body ->> 'offering_id', body -> 'broadband', secret, effective);
    elsif body ->> 'kind' = 'terminal' then
        insert into terminal_resources (tenant_id, resource_id, model)
        values (for_tenant, new_id, coalesce(body #>> '{terminal,model}', ''));
    end if;
    return query select resource_document(r, by_side), r.version
                 from resources r where r.tenant_id = for_tenant and r.id = new_id;
end
$$;

create function line_change_tier(of_tenant text, of_resource text, of_offering text, by_side text, part jsonb,
                                 at timestamptz)
    returns void
    language plpgsql
as $$
declare
    tier broadband_tiers;
    rates text[] := array['committed_downstream_kbit', 'maximum_downstream_kbit', 'committed_upstream_kbit',
                          'maximum_upstream_kbit'];
begin
    if part ?| rates and (part ? 'tier_id' or exists (select from line_tiers t
                                                      where t.tenant_id = of_tenant and t.resource_id = of_resource)) then
        perform refuse('change_refused', 'The rates of a line on a tier are the tier''s; change the tier.');
    elsif part ? 'tier_id' then
        tier := usable_tier(part ->> 'tier_id', of_offering);
        if by_side = 'tenant' and not tier.self_service then
            perform refuse('forbidden', 'The operator puts lines on this tier.');
        end if;
        perform line_assign_tier(of_tenant, of_resource, tier.id, at);
    end if;
end
$$;

create or replace function resource_change_line(of_tenant text, of_resource text, by_side text, part jsonb, new_secret bytea)
    returns void
    language plpgsql
as $$
begin
    if by_side = 'tenant' and part - array['password', 'tier_id'] <> '{}' then
        perform refuse('forbidden', 'A tenant sets its password and its tier; the rest of a line is the operator''s.');
    end if;
    update broadband_lines l
    set access_technology = coalesce(part ->> 'access_technology', l.access_technology),
        committed_downstream_kbit = coalesce((part ->> 'committed_downstream_kbit')::bigint, l.committed_downstream_kbit),
        maximum_downstream_kbit = coalesce((part ->> 'maximum_downstream_kbit')::bigint, l.maximum_downstream_kbit),
        committed_upstream_kbit = coalesce((part ->> 'committed_upstream_kbit')::bigint, l.committed_upstream_kbit),
        maximum_upstream_kbit = coalesce((part ->> 'maximum_upstream_kbit')::bigint, l.maximum_upstream_kbit),
        secret = coalesce(new_secret, l.secret)
    where l.tenant_id = of_tenant and l.resource_id = of_resource;
    if part ? 'access_point_id' then
        perform line_set_access_point(of_tenant, of_resource, part ->> 'access_point_id');
    end if;
    if part ? 'static_address' then
        perform line_set_static_address(of_tenant, of_resource, (part ->> 'static_address')::inet);
    end if;
end
$$;

create or replace function resource_change(of_tenant text, of_resource text, of_kind text, of_offering text, by_side text,
                                           body jsonb, secret bytea, at timestamptz)
    returns void
    language plpgsql
as $$
declare
    other text := (select k from unnest(array['software', 'broadband']) as k where body ? k and k <> of_kind);
    line jsonb := coalesce(body -> 'broadband', '{}');
    -- :order comes without the password, which its sealed form stands for.
    at_once boolean := body ? 'software' or line - 'tier_id' <> '{}' or secret is not null;
begin
    if other is not null then
        perform refuse('change_refused', format('"%s" is no part of a resource of kind %s.', other, of_kind));
    elsif at_once and (at > clock_timestamp() + interval '1 day' or body ->> 'effective' = 'period_end') then
        perform refuse('effective_at_refused', 'Only a plan or a tier can be changed ahead of time.');
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
        -- The line is locked before its sessions, as accounting does.
        perform resource_change_line(of_tenant, of_resource, by_side, line, secret);
        perform line_change_tier(of_tenant, of_resource, of_offering, by_side, line, at);
    end if;
end
$$;

-- From when a change or another action is wished to count: what was said, or the end of the running
-- calendar month where the platform is.
create function resource_wanted_at(body jsonb) returns timestamptz
    language plpgsql stable
as $$
declare
    zone text := (select p.time_zone from platform p);
begin
    if body ->> 'effective' is null then
        return (body ->> 'effective_at')::timestamptz;
    elsif body ? 'effective_at' then
        perform refuse('effective_at_refused', 'Send either effective or effective_at.');
    elsif body ->> 'effective' = 'period_end' then
        return period_end(to_char(clock_timestamp() at time zone zone, 'YYYY-MM'), zone);
    end if;
    return null;
end
$$;

-- Takes a line to another place: the new access point's place is taken and the old one's freed at once.
create function resource_move(of_tenant text, of_resource text, body jsonb) returns void
    language plpgsql
as $$
begin
    update resources r set site = coalesce(body ->> 'site', r.site) where r.tenant_id = of_tenant and r.id = of_resource;
    perform line_set_access_point(of_tenant, of_resource, body ->> 'access_point_id');
end
$$;

create or replace function resource_act(for_tenant text, by_side text, by_actor text, of_resource text, by_action text,
                                        seen_version bigint, body jsonb, secret bytea)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target record;
    rule record;
    wanted timestamptz := resource_wanted_at(body);
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
        -- A change ahead of time is noted as of now; what it brings begins with plan_assignments or line_tiers.
        effective := least(effective, resource_effective_at(target.tenant_id, target.id, null, null));
    elsif by_action = 'move' then
        perform resource_move(target.tenant_id, target.id, body);
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
