-- Stock-takes: what was counted where, and what became of the differences.
set local role bccd_owner;

-- ---- Stock-takes ----

create table stock_takes (
    id text collate "C" primary key check (id like 'stk\_%'),
    location text not null references terminal_locations (name) on update cascade,
    model text references terminal_models (name) on update cascade, -- null: of every model
    state text collate "C" not null default 'open' check (state in ('open', 'closed', 'cancelled')),
    applied text[] not null default '{}',
    created_by text collate "C" not null,
    ended_at timestamptz,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    constraint stock_takes_ended check ((state = 'open') = (ended_at is null))
);
comment on table stock_takes is 'domain: terminals; what was counted where, and what became of the differences';
create unique index stock_takes_open on stock_takes (location, coalesce(model, '')) where state = 'open';
create index stock_takes_model on stock_takes (model);

create table stock_take_terminals (
    stock_take_id text collate "C" not null references stock_takes,
    terminal_id text collate "C" not null references terminals,
    number integer not null check (number > 0),
    missing boolean, -- how it ended; null while open
    primary key (stock_take_id, terminal_id),
    unique (stock_take_id, number)
);
comment on table stock_take_terminals is 'domain: terminals; what a stock-take expects: what stood there when it began';

create table stock_take_scans (
    stock_take_id text collate "C" not null references stock_takes,
    code text collate "C" not null check (length(code) between 1 and 64),
    number integer not null check (number > 0),
    kind text collate "C" not null check (kind in ('expected', 'here', 'repeated', 'unexpected', 'unknown')),
    terminal_id text collate "C" references terminals,
    state text collate "C", -- of an unexpected one, where the platform had it then
    location text,
    tenant_id text collate "C",
    resource_id text collate "C",
    actor text collate "C" not null,
    at timestamptz not null default clock_timestamp(),
    primary key (stock_take_id, code),
    unique (stock_take_id, number),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table stock_take_scans is 'domain: terminals; each code that was scanned, once, and what it meant then';
create index stock_take_scans_terminal on stock_take_scans (stock_take_id, terminal_id);

do $$
declare
    name text;
begin
    foreach name in array array['stock_takes', 'stock_take_terminals', 'stock_take_scans'] loop
        call protect_platform_table(name::regclass);
        -- A park's manager sees devices of the park alone, so no count.
        execute format('create policy park on %I as restrictive to bccd_operator using (setting(''park'') is null)', name);
        execute format('grant select on %I to bccd_jobs', name);
        execute format('grant select, insert on %I to bccd_operator', name);
    end loop;
end
$$;
grant update on stock_takes, stock_take_terminals to bccd_operator;
call audit_table('stock_takes');

-- Expected, not found, and still where it was: what somebody moved or rented out meanwhile is not missing.
create function stock_take_missing(s stock_takes)
    returns table (terminal_id text, number integer)
    language sql stable
as $$
    select e.terminal_id, e.number
    from stock_take_terminals e join terminals t on t.id = e.terminal_id
    where e.stock_take_id = s.id
      and case when s.state = 'open'
               then t.state in ('in_stock', 'reserved', 'in_repair') and t.location = s.location
                    and not exists (select from stock_take_scans c
                                    where c.stock_take_id = s.id and c.terminal_id = e.terminal_id)
               else coalesce(e.missing, false) end
$$;

create function stock_take_document(s stock_takes) returns json
    language sql stable
as $$
    select json_build_object(
        'id', s.id, 'location', s.location, 'model', s.model, 'state', s.state, 'applied', to_json(s.applied),
        'expected', (select count(*) from stock_take_terminals e where e.stock_take_id = s.id),
        'found', (select count(*) from stock_take_scans c where c.stock_take_id = s.id and c.kind = 'expected'),
        'scanned', (select count(*) from stock_take_scans c where c.stock_take_id = s.id),
        'missing', (select count(*) from stock_take_missing(s)),
        'unexpected', (select count(*) from stock_take_scans c where c.stock_take_id = s.id and c.kind = 'unexpected'),
        'unknown', (select count(*) from stock_take_scans c where c.stock_take_id = s.id and c.kind = 'unknown'),
        'created_by', s.created_by, 'created_at', instant_text(s.created_at), 'ended_at', instant_text(s.ended_at))
$$;

create function stock_take_create(new_id text, by_actor text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
begin
    if not exists (select from terminal_locations l where l.name = body ->> 'location') then
        perform refuse('reference_unknown', 'location must be the name of one; see GET /v1/terminal-locations.');
    elsif body ->> 'model' is not null and not exists (select from terminal_models m where m.name = body ->> 'model') then
        perform refuse('reference_unknown', 'model must be the name of one; see GET /v1/terminal-models.');
    end if;
    insert into stock_takes (id, location, model, created_by)
    values (new_id, body ->> 'location', body ->> 'model', by_actor);
    insert into stock_take_terminals (stock_take_id, terminal_id, number)
    select new_id, t.id, row_number() over (order by t.id)
    from terminals t
    where t.location = body ->> 'location' and t.state in ('in_stock', 'reserved', 'in_repair')
      and (body ->> 'model' is null or t.model = body ->> 'model');
    return query select stock_take_document(s), s.version from stock_takes s where s.id = new_id;
end
$$;

-- The stock-take, locked, which must be open.
create function stock_take_lock(of_take text) returns stock_takes
    language plpgsql
as $$
declare
    take stock_takes;
begin
    select s.* into take from stock_takes s where s.id = of_take for no key update;
    if take.state <> 'open' then
        perform refuse('state_conflict', format('The stock-take is %s; nothing of it changes any more.', take.state));
    end if;
    return take;
end
$$;

-- Each code counts once, and each terminal: an asset tag before a serial, where a code is both.
create function stock_take_scan(by_actor text, of_take text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    take stock_takes := stock_take_lock(of_take);
begin
    insert into stock_take_scans (stock_take_id, code, number, kind, terminal_id, state, location, tenant_id,
                                  resource_id, actor)
    select take.id, k.code, (select count(*) from stock_take_scans c where c.stock_take_id = take.id)
                            + row_number() over (order by k.first_place),
           case when t.id is null then 'unknown'
                when row_number() over (partition by t.id order by k.first_place) > 1
                     or exists (select from stock_take_scans c
                                where c.stock_take_id = take.id and c.terminal_id = t.id) then 'repeated'
                when exists (select from stock_take_terminals e
                             where e.stock_take_id = take.id and e.terminal_id = t.id) then 'expected'
                when t.location = take.location and t.state in ('in_stock', 'reserved', 'in_repair') then 'here'
                else 'unexpected' end,
           t.id, t.state, t.location, t.holder_tenant_id, t.resource_id, by_actor
    from (select c.code, min(c.place) as first_place
          from jsonb_array_elements_text(body -> 'codes') with ordinality as c(code, place)
          group by c.code) k
    left join lateral (
        select t.id, t.state, t.location, t.holder_tenant_id, t.resource_id
        from terminals t where t.asset_tag = k.code or t.serial = k.code
        order by t.asset_tag = k.code desc limit 1) t on true
    where take.id is not null
      and not exists (select from stock_take_scans c where c.stock_take_id = take.id and c.code = k.code);
    update stock_takes s set version = s.version + 1 where s.id = take.id and found;
    return query select stock_take_document(s), s.version from stock_takes s where s.id = take.id;
end
$$;

-- What the close would move: missing ones are lost, unexpected ones come here; one that somebody rents, or
-- that is retired, stays what it is.
create function stock_take_moves(of_take text, wishes jsonb)
    returns table (terminal_id text, action text)
    language sql stable
as $$
    select m.terminal_id, 'lose'
    from stock_takes s cross join lateral stock_take_missing(s) m
    where s.id = of_take and wishes ? 'lose_missing'
    union all
    select t.id, case t.state when 'lost' then 'restock' else 'move' end
    from stock_takes s
    join stock_take_scans c on c.stock_take_id = s.id and c.kind = 'unexpected'
    join terminals t on t.id = c.terminal_id
    where s.id = of_take and wishes ? 'move_unexpected' and t.state in ('in_stock', 'reserved', 'in_repair', 'lost')
      and (t.state = 'lost' or t.location is distinct from s.location)
$$;

create function stock_take_close(by_actor text, of_take text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    wishes jsonb := coalesce(body -> 'apply', '[]');
    take stock_takes;
    locked text[] := array(select m.terminal_id from stock_take_moves(of_take, wishes) m);
    holders text[] := lock_terminals(locked, null);
    moves text[];
    move record;
begin
    take := stock_take_lock(of_take);
    if take.id is null then
        return;
    end if;
    moves := array(select m.terminal_id from stock_take_moves(of_take, wishes) m);
    if not moves <@ locked or came_elsewhere(moves, holders) then
        perform refuse('state_conflict', 'Codes were scanned or terminals reserved at this moment; close it again.');
    end if;
    update stock_take_terminals e
    set missing = exists (select from stock_take_missing(take) m where m.terminal_id = e.terminal_id)
    where e.stock_take_id = of_take;
    for move in
        select m.terminal_id, m.action, t.state = 'reserved' and m.action = 'lose' as release,
               jsonb_build_object('note', format('stock-take %s', of_take))
               || case when m.action = 'lose' then '{}' else jsonb_build_object('location', take.location) end as said
        from stock_take_moves(of_take, wishes) m join terminals t on t.id = m.terminal_id
        order by m.terminal_id loop
        if move.release then
            perform terminal_act(by_actor, move.terminal_id, 'release', null, move.said);
        end if;
        perform terminal_act(by_actor, move.terminal_id, move.action, null, move.said);
    end loop;
    update stock_takes s
    set state = 'closed', ended_at = clock_timestamp(), version = s.version + 1,
        applied = array(select jsonb_array_elements_text(wishes) order by 1)
    where s.id = of_take;
    return query select stock_take_document(s), s.version from stock_takes s where s.id = of_take;
end
$$;

create function stock_take_cancel(of_take text)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    take stock_takes := stock_take_lock(of_take);
begin
    update stock_take_terminals e
    set missing = exists (select from stock_take_missing(take) m where m.terminal_id = e.terminal_id)
    where e.stock_take_id = of_take;
    update stock_takes s set state = 'cancelled', ended_at = clock_timestamp(), version = s.version + 1
    where s.id = take.id;
    return query select stock_take_document(s), s.version from stock_takes s where s.id = take.id;
end
$$;
