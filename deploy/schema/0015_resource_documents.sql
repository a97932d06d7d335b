-- The documents of resources as either side sees them, made when something in them changes and not each
-- time that somebody looks: they are put together of ten tables.
set local role bccd_owner;

create table resource_documents (
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    side text collate "C" not null check (side in ('operator', 'tenant')),
    document json,
    version bigint, -- of the resource
    holds_until timestamptz not null default '-infinity', -- a plan or a quantity that begins changes it, too
    made_in xid8, -- the transaction that made it
    primary key (tenant_id, resource_id, side),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table resource_documents is
    'domain: resources; what resource_document says, kept; without a row, or after holds_until, ask that';
create unique index resource_documents_side on resource_documents (resource_id, side);
call protect_tenant_table('resource_documents');
grant select, insert, update on resource_documents to bccd_tenant, bccd_operator, bccd_jobs;

-- Made at the end of a transaction, once for all that it changed. The row is the lock: who waits for it
-- reads in statements of its own what the one before has written.
create function make_resource_documents(of_tenant text, of_resource text) returns void
    language plpgsql
as $$
declare
    until timestamptz := coalesce(
        (select min(s.starts_at)
         from (select p.starts_at from plan_assignments p
               where p.tenant_id = of_tenant and p.resource_id = of_resource
               union all
               select q.starts_at from resource_quantities q
               where q.tenant_id = of_tenant and q.resource_id = of_resource) s
         where s.starts_at > clock_timestamp()), 'infinity');
begin
    update resource_documents d
    set document = resource_document(r, d.side), version = r.version, holds_until = until, made_in = pg_current_xact_id()
    from resources r
    where d.tenant_id = of_tenant and d.resource_id = of_resource and r.tenant_id = of_tenant and r.id = of_resource;
end
$$;

-- The trigger's arguments name the columns of tenant and resource.
create function renew_resource_documents() returns trigger
    language plpgsql
as $$
declare
    changed record;
begin
    for changed in
        select distinct c.changed_row ->> tg_argv[0] as tenant_id, c.changed_row ->> tg_argv[1] as resource_id
        from (select to_jsonb(old) where tg_op <> 'INSERT'
              union all
              select to_jsonb(new) where tg_op <> 'DELETE') as c(changed_row)
        where c.changed_row ->> tg_argv[1] is not null loop
        insert into resource_documents (tenant_id, resource_id, side)
        values (changed.tenant_id, changed.resource_id, 'operator'),
               (changed.tenant_id, changed.resource_id, 'tenant')
        on conflict do nothing;
        perform from resource_documents d
        where d.tenant_id = changed.tenant_id and d.resource_id = changed.resource_id
          and d.made_in is distinct from pg_current_xact_id()
        order by d.side
        for update;
        if found then
            perform make_resource_documents(changed.tenant_id, changed.resource_id);
        end if;
    end loop;
    return null;
end
$$;

create constraint trigger documents after insert or update on resources
    deferrable initially deferred for each row
    execute function renew_resource_documents('tenant_id', 'id');
create constraint trigger documents after update on terminals
    deferrable initially deferred for each row when (old.resource_id is not null or new.resource_id is not null)
    execute function renew_resource_documents('holder_tenant_id', 'resource_id');
do $$
declare
    name text;
begin
    foreach name in array array['plan_assignments', 'resource_quantities', 'resource_holds', 'broadband_lines',
                                'terminal_resources', 'software_seats'] loop
        execute format('create constraint trigger documents after insert or update or delete on %I
                        deferrable initially deferred for each row
                        execute function renew_resource_documents(''tenant_id'', ''resource_id'')', name);
    end loop;
end
$$;
