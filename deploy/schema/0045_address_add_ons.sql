-- Static addresses as an add-on to a line: as many as its quantity, of the pools that its offering names, for as long as it
-- is rented. They are given when it is activated and go back when it ends; the line's own end takes the add-on with it.
set local role bccd_owner;

-- ---- Which offerings give addresses ----

create table offering_address_pools (
    offering_id text collate "C" not null references offerings,
    pool_id text collate "C" not null references address_pools,
    place integer not null, -- which is asked first
    primary key (offering_id, pool_id)
);
comment on table offering_address_pools is 'domain: catalog; of which pools an add-on gives its line addresses';
call protect_platform_table('offering_address_pools');
call audit_table('offering_address_pools');
create policy tenant on offering_address_pools for select to bccd_tenant using (true);
create policy lookup on offering_address_pools for select to bccd_lookup using (true);
grant select on offering_address_pools to bccd_tenant, bccd_jobs, bccd_lookup;
grant select, insert, delete on offering_address_pools to bccd_operator;

create function offering_set_pools(o offerings, pools jsonb) returns void
    language plpgsql
as $$
begin
    if pools <> '[]' and not (o.add_on and o.kind = 'software') then
        perform refuse('value_refused', 'Only an add-on of kind software has address_pool_ids; its seats say how many addresses it gives.');
    elsif exists (select from jsonb_array_elements_text(pools) i
                  where not exists (select from address_pools p where p.id = i and p.purpose = 'static')) then
        perform refuse('reference_unknown', 'address_pool_ids must name pools of static addresses.');
    end if;
    delete from offering_address_pools p where p.offering_id = o.id;
    insert into offering_address_pools (offering_id, pool_id, place)
    select o.id, i.pool, min(i.place) from jsonb_array_elements_text(pools) with ordinality as i(pool, place) group by i.pool;
end
$$;

create or replace function offering_document(o offerings) returns json
    language sql stable
as $$
    select json_build_object(
        'id', o.id, 'code', o.code, 'kind', o.kind, 'family_id', o.family_id, 'name', o.name, 'name_en', o.name_en,
        'tax_category', o.tax_category, 'state', o.state, 'add_on', o.add_on,
        'requires_offering_ids', coalesce(r.required, '[]'), 'excludes_offering_ids', coalesce(r.excluded, '[]'),
        'eligibility', json_build_object(
            'park_ids', o.eligibility -> 'park_ids', 'sizes', o.eligibility -> 'sizes',
            'certificates', o.eligibility -> 'certificates'),
        'seat_limit', o.seat_limit,
        'terminal_model_ids', (
            select coalesce(json_agg(m.terminal_model_id order by m.terminal_model_id), '[]')
            from offering_models m where m.offering_id = o.id),
        'address_pool_ids', (
            select coalesce(json_agg(p.pool_id order by p.place), '[]')
            from offering_address_pools p where p.offering_id = o.id),
        'metadata', o.metadata, 'created_at', instant_text(o.created_at), 'updated_at', instant_text(o.updated_at))
    from (
        select json_agg(r.other_offering_id order by r.other_offering_id) filter (where r.rule = 'requires') as required,
               json_agg(r.other_offering_id order by r.other_offering_id) filter (where r.rule = 'excludes') as excluded
        from offering_rules r where r.offering_id = o.id) r
$$;

-- Sets what a body says beyond the row of an offering, and refuses rules that nobody could keep.
create or replace function offering_set_parts(o offerings, body jsonb) returns void
    language plpgsql
as $$
begin
    if body ? 'terminal_model_ids' then
        perform offering_set_models(o, body -> 'terminal_model_ids');
    end if;
    if body ? 'address_pool_ids' then
        perform offering_set_pools(o, body -> 'address_pool_ids');
    end if;
    if body ? 'requires_offering_ids' then
        perform offering_set_rule(o, 'requires', body -> 'requires_offering_ids');
    end if;
    if body ? 'excludes_offering_ids' then
        perform offering_set_rule(o, 'excludes', body -> 'excludes_offering_ids');
    end if;
    if exists (select from offering_rules r join offering_rules x
                   on x.rule = 'excludes' and (r.offering_id, r.other_offering_id)
                      in ((x.offering_id, x.other_offering_id), (x.other_offering_id, x.offering_id))
               where r.rule = 'requires' and o.id in (r.offering_id, r.other_offering_id)) then
        perform refuse('value_refused', 'An offering cannot require another and exclude it.');
    elsif o.add_on and not exists (select from offering_rules r where r.offering_id = o.id and r.rule = 'requires') then
        perform refuse('value_refused', 'An add-on requires at least one offering, to which it is added.');
    end if;
end
$$;

-- ---- Which addresses are an add-on's ----

alter table address_assignments
    add add_on_id text collate "C" check (add_on_id like 'res\_%'); -- the add-on that gives it; null: the operator does
create index address_assignments_add_on on address_assignments (tenant_id, add_on_id) where add_on_id is not null and ended_at is null;

create or replace function assignment_document(a address_assignments) returns json
    language sql stable
as $$
    select json_build_object(
        'id', a.id, 'tenant_id', a.tenant_id, 'resource_id', a.resource_id, 'address', address_text(a.address),
        'pool_id', a.pool_id, 'add_on_id', a.add_on_id, 'assigned_at', instant_text(a.assigned_at),
        'ended_at', instant_text(a.ended_at))
$$;

-- One given back before stays as it was.
create or replace function line_address_drop(for_tenant text, of_resource text, of_assignment text, seen_version bigint)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    line record;
    target record;
begin
    select l.tenant_id into line from lock_line(for_tenant, of_resource) l;
    select a.version, a.ended_at, a.add_on_id into target from address_assignments a
    where a.tenant_id = line.tenant_id and a.resource_id = of_resource and a.id = of_assignment;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    elsif target.ended_at is null and target.add_on_id is not null then
        perform refuse('state_conflict', format('The add-on %s gives the line this address; end that, or have fewer of it.', target.add_on_id));
    elsif target.ended_at is null then
        perform drop_addresses(line.tenant_id, of_resource, array[of_assignment]);
        perform touch_resource(line.tenant_id, of_resource);
    end if;
    return query select assignment_document(a), a.version
                 from address_assignments a where a.tenant_id = line.tenant_id and a.id = of_assignment;
end
$$;

-- ---- As many as are rented ----

-- One more for a line, of the first pool that serves its access point and has one left.
create function give_add_on_address(of_tenant text, of_add_on text, line text) returns void
    language plpgsql
as $$
declare
    point text := (select l.access_point_id from broadband_lines l where l.tenant_id = of_tenant and l.resource_id = line);
    pool text;
    taken inet;
    given text;
begin
    for pool in
        select p.id
        from resources r
        join offering_address_pools o on o.offering_id = r.offering_id
        join address_pools p on p.id = o.pool_id
        where r.tenant_id = of_tenant and r.id = of_add_on and p.state = 'active'
          and (p.access_point_id is null or p.access_point_id = point)
        order by o.place
    loop
        taken := next_address(pool);
        exit when taken is not null;
    end loop;
    if taken is null then
        perform refuse('addresses_exhausted', format('No pool of the add-on %s has an address left for the line %s where it ends.', of_add_on, line));
    end if;
    given := note_address(of_tenant, line, taken, pool);
    update address_assignments a set add_on_id = of_add_on where a.tenant_id = of_tenant and a.id = given;
end
$$;

-- Gives a line, or takes from it, what makes its add-on's addresses as many as are rented: the youngest go first.
create function keep_add_on_addresses(of_tenant text, of_add_on text) returns void
    language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    line text := (select b.base_resource_id from resource_add_ons b where b.tenant_id = of_tenant and b.resource_id = of_add_on);
    wanted bigint := coalesce((
        select q.quantity from resources r
        join resource_quantities q on q.tenant_id = r.tenant_id and q.resource_id = r.id and q.ends_at is null
        where r.tenant_id = of_tenant and r.id = of_add_on and r.state in ('active', 'suspended')), 0);
    held text[] := array(select a.id from address_assignments a
                         where a.tenant_id = of_tenant and a.add_on_id = of_add_on and a.ended_at is null order by a.id);
begin
    if line is null or not exists (select from resources r join offering_address_pools o on o.offering_id = r.offering_id
                                   where r.tenant_id = of_tenant and r.id = of_add_on) then
        return;
    end if;
    perform give_add_on_address(of_tenant, of_add_on, line) from generate_series(cardinality(held) + 1, wanted);
    if cardinality(held) > wanted then
        perform drop_addresses(of_tenant, line, held[wanted + 1:]);
    end if;
end
$$;
grant select on broadband_lines, resource_add_ons to bccd_lookup;
grant select (state) on resources to bccd_lookup;
grant update (static_address) on broadband_lines to bccd_lookup;
grant insert on address_assignments to bccd_lookup;
create policy lookup on resource_add_ons for select to bccd_lookup using (true);
revoke all on function keep_add_on_addresses from public;
grant execute on function keep_add_on_addresses to bccd_tenant, bccd_operator, bccd_jobs;
alter function keep_add_on_addresses owner to bccd_lookup;

create function follow_add_on() returns trigger
    language plpgsql
as $$
declare
    changed jsonb := to_jsonb(new);
begin
    perform keep_add_on_addresses(changed ->> 'tenant_id', changed ->> tg_argv[0]);
    return null;
end
$$;
create trigger addresses after update of state on resources for each row
    when (new.kind = 'software' and old.state is distinct from new.state) execute function follow_add_on('id');
create trigger addresses after insert on resource_quantities for each row
    when (new.ends_at is null) execute function follow_add_on('resource_id');
-- A line that moves where its addresses cannot be used gets others.
create trigger addresses after update of ended_at on address_assignments for each row
    when (new.add_on_id is not null and old.ended_at is null and new.ended_at is not null)
    execute function follow_add_on('add_on_id');
