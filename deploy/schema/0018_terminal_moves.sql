-- How terminals move, what is held of a tenant meanwhile, and how models and locations change.
set local role bccd_owner;

-- ---- Deposits ----

create table terminal_deposits (
    id text collate "C" not null unique check (id like 'dep\_%'),
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    number integer not null check (number > 0),
    kind text collate "C" not null check (kind in ('hold', 'release', 'claim')),
    amount exact not null check (amount > 0 and scale(trim_scale(amount)) <= 2),
    currency currency_code not null,
    balance exact not null constraint terminal_deposits_balance check (balance >= 0), -- what is held after it
    at timestamptz not null default clock_timestamp(),
    actor text collate "C" not null,
    reason text not null default '' check (length(reason) <= 500),
    primary key (tenant_id, resource_id, number),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table terminal_deposits is
    'domain: terminals; what is held of a tenant for its device; never changed. Nothing of it stands in the ledger yet: each row is one posting to come, hold: receivable to deposits held, release: back, claim: deposits held to income';
call protect_tenant_table('terminal_deposits');
grant select on terminal_deposits to bccd_tenant, bccd_operator, bccd_jobs;
grant insert on terminal_deposits to bccd_operator;
call audit_table('terminal_deposits');

-- Each entry goes on from the one before. Two at once would both have its number next, and the primary
-- key lets one pass: so the balance is that of all entries, whoever writes.
create function chain_deposit() returns trigger
    language plpgsql
as $$
declare
    previous record;
begin
    select d.number, d.balance, d.currency into previous
    from terminal_deposits d
    where d.tenant_id = new.tenant_id and d.resource_id = new.resource_id
    order by d.number desc limit 1;
    if previous.balance > 0 and previous.currency <> new.currency then
        perform refuse('deposit_exceeded', format('What is held is in %s.', previous.currency));
    end if;
    new.number := coalesce(previous.number, 0) + 1;
    new.balance := coalesce(previous.balance, 0) + case new.kind when 'hold' then new.amount else -new.amount end;
    return new;
end
$$;
create trigger chain before insert on terminal_deposits for each row execute function chain_deposit();

create function deposit_document(d terminal_deposits) returns json
    language sql stable
as $$
    select json_build_object(
        'id', d.id, 'tenant_id', d.tenant_id, 'resource_id', d.resource_id, 'number', d.number, 'kind', d.kind,
        'amount', money(d.amount, d.currency), 'balance', money(d.balance, d.currency),
        'at', instant_text(d.at), 'actor', d.actor, 'reason', d.reason)
$$;

-- At check-out, under the lock of the resource: the model's deposit, where none is held.
create function deposit_hold(of_tenant text, of_resource text, of_model text, by_actor text) returns void
    language sql
as $$
    insert into terminal_deposits (id, tenant_id, resource_id, kind, amount, currency, actor)
    select make_identifier('dep'), of_tenant, of_resource, 'hold', m.deposit, m.deposit_currency, by_actor
    from terminal_models m
    where m.name = of_model and m.deposit is not null and coalesce((
        select d.balance from terminal_deposits d
        where d.tenant_id = of_tenant and d.resource_id = of_resource
        order by d.number desc limit 1), 0) = 0
$$;

-- When a resource has its terminal no more, under its lock: what is claimed, and the rest given back.
create function deposit_settle(of_tenant text, of_resource text, claim jsonb, by_actor text) returns void
    language plpgsql
as $$
declare
    held record;
    claimed numeric := coalesce((claim ->> 'amount')::numeric, 0);
begin
    select d.balance, d.currency into held
    from terminal_deposits d
    where d.tenant_id = of_tenant and d.resource_id = of_resource
    order by d.number desc limit 1;
    if claimed > coalesce(held.balance, 0) or claim ->> 'currency' <> held.currency then
        perform refuse('deposit_exceeded', format('%s is held; no more can be claimed.', coalesce(
            round(held.balance, 2) || ' ' || held.currency, 'Nothing')));
    end if;
    insert into terminal_deposits (id, tenant_id, resource_id, kind, amount, currency, actor, reason)
    select make_identifier('dep'), of_tenant, of_resource, e.kind, e.amount, held.currency, by_actor, e.reason
    from (values (1, 'claim', claimed, coalesce(claim ->> 'reason', '')),
                 (2, 'release', held.balance - claimed, '')) as e(place, kind, amount, reason)
    where e.amount > 0
    order by e.place;
end
$$;

-- ---- Moves ----

alter table terminal_actions no force row level security;
insert into terminal_actions (action, from_state, to_state) values
    ('extend', 'rented', 'rented'),
    ('swap', 'rented', 'in_stock'); -- or in_repair, or lost
alter table terminal_actions force row level security;

alter table terminal_movements
    add column signed_by text not null default '' check (length(signed_by) <= 200),
    add column other_terminal_id text collate "C" references terminals; -- of a swap, or what made room

-- Locks what a move touches: the resources that have the terminals and the one that they go to, then the
-- terminals and those that this one has. Gives the resources.
create function lock_terminals(named text[], to_resource text) returns text[]
    language plpgsql
as $$
declare
    holders text[] := array_remove(
        array(select t.resource_id from terminals t where t.id = any (named)) || to_resource, null);
begin
    perform from resources r where r.id = any (holders) order by r.id for no key update;
    perform from terminals t where t.id = any (named) or t.resource_id = to_resource order by t.id for no key update;
    return holders;
end
$$;

-- Whether one of the terminals came to another resource while its locks were waited for; that resource
-- cannot be locked any more, in the order of locks.
create function came_elsewhere(named text[], locked_resources text[]) returns boolean
    language sql stable
as $$
    select exists (select from terminals t
                   where t.id = any (named) and t.resource_id is not null
                     and t.resource_id <> all (locked_resources))
$$;

create function lock_terminals_to_move(named text[], to_resource text) returns void
    language plpgsql
as $$
declare
    holders text[] := lock_terminals(named, to_resource);
begin
    if came_elsewhere(named, holders) then
        perform refuse('state_conflict', 'Somebody moved the terminal at this moment; look at it again.');
    end if;
end
$$;

-- Where an action leads from a state; null where it does not start there. `move`, to another location, is
-- a stock-take's and no action of its own.
create function terminal_next_state(by_action text, of_state text, body jsonb) returns text
    language sql stable
as $$
    select case
        when by_action = 'move' and of_state in ('in_stock', 'reserved', 'in_repair') then of_state
        when by_action = 'swap' and body ->> 'outcome' = 'lost' then 'lost'
        when by_action = 'swap' and body ->> 'outcome' = 'repair' then 'in_repair'
        when by_action in ('check-in', 'swap') and body ->> 'condition' = 'damaged' then 'in_repair'
        else a.to_state end
    from (select) as one
    left join terminal_actions a on a.action = by_action and a.from_state = of_state
    where a.action is not null or by_action = 'move'
$$;

drop function terminal_move(text, text, text, text, text, text, text);

-- The only writer of a terminal's state: puts it there and notes the movement. Who had it before counts
-- where nobody does now.
create function terminal_put(was terminals, by_action text, new_state text, to_tenant text, to_resource text,
                             new_due date, by_actor text, body jsonb, other text default null)
    returns void
    language plpgsql
as $$
begin
    update terminals t
    set state = new_state, condition = coalesce(body ->> 'condition', t.condition),
        location = coalesce(body ->> 'location', t.location),
        holder_tenant_id = to_tenant, resource_id = to_resource, due_on = new_due,
        version = t.version + 1, updated_at = clock_timestamp()
    where t.id = was.id;
    insert into terminal_movements (terminal_id, number, action, from_state, to_state, condition, note,
                                    holder_tenant_id, resource_id, actor, signed_by, other_terminal_id)
    select t.id, (select coalesce(max(m.number), 0) + 1 from terminal_movements m where m.terminal_id = t.id),
           by_action, was.state, t.state, t.condition, coalesce(body ->> 'note', ''),
           coalesce(to_tenant, was.holder_tenant_id), coalesce(to_resource, was.resource_id), by_actor,
           coalesce(body ->> 'signed_by', ''), other
    from terminals t where t.id = was.id;
end
$$;

-- The tenant of a resource that may take a terminal.
create function terminal_renter(of_resource text) returns text
    language plpgsql
as $$
declare
    renter record;
begin
    select r.tenant_id, r.state into renter from resources r where r.id = of_resource and r.kind = 'terminal';
    if not found then
        perform refuse('reference_unknown', 'resource_id must name a resource of kind terminal.');
    elsif renter.state not in ('approved', 'provisioning', 'active') then
        perform refuse('state_conflict', format('The resource is %s; it takes no terminal.', renter.state));
    end if;
    return renter.tenant_id;
end
$$;

-- Before a terminal goes to a resource: what that has reserved is released, since the serial is chosen at
-- the door; what it has at hand stands in the way, unless it is swapped, or only reserved for.
create function terminal_make_room(of_terminal text, to_resource text, by_action text, by_actor text) returns void
    language plpgsql
as $$
declare
    other terminals;
begin
    for other in select t.* from terminals t where t.resource_id = to_resource and t.id is distinct from of_terminal loop
        if other.state = 'rented' and by_action = 'check-out' then
            perform refuse('state_conflict', 'The resource has a terminal already; check that one in first.');
        elsif other.state = 'reserved' and by_action = 'reserve' then
            perform refuse('state_conflict', 'A terminal is reserved for the resource already; release that one first.');
        elsif other.state = 'reserved' then
            perform terminal_put(other, 'release', 'in_stock', null, null, null, by_actor, '{}', of_terminal);
        end if;
    end loop;
end
$$;

-- Moves a terminal; no row when there is none.
create or replace function terminal_act(by_actor text, of_terminal text, by_action text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    was terminals;
    new_state text;
    goes_out boolean := by_action in ('reserve', 'check-out');
    stays boolean := by_action in ('extend', 'move');
    to_resource text := case when goes_out then body ->> 'resource_id' end;
    to_tenant text;
begin
    perform lock_terminals_to_move(array[of_terminal], to_resource);
    select t.* into was from terminals t where t.id = of_terminal;
    if not found then
        return;
    elsif seen_version <> was.version then
        perform refuse('precondition_failed', null);
    end if;
    new_state := terminal_next_state(by_action, was.state, body);
    if new_state is null then
        perform refuse('state_conflict', format('The terminal is %s, which does not allow this; see its actions.', was.state));
    elsif goes_out then
        to_tenant := terminal_renter(to_resource);
        if was.resource_id <> to_resource then
            perform refuse('state_conflict', 'The terminal is reserved for another resource.');
        end if;
        perform terminal_make_room(of_terminal, to_resource, by_action, by_actor);
    elsif stays then
        to_tenant := was.holder_tenant_id;
        to_resource := was.resource_id;
    end if;
    perform terminal_put(was, by_action, new_state, to_tenant, to_resource,
                         case when by_action in ('check-out', 'extend') then (body ->> 'due_on')::date
                              when stays then was.due_on end, by_actor, body);
    if by_action = 'check-out' then
        perform deposit_hold(to_tenant, to_resource, was.model, by_actor);
    elsif (was.state = 'rented' and not stays) or body ? 'claim' then
        perform deposit_settle(was.holder_tenant_id, was.resource_id, body -> 'claim', by_actor);
    end if;
    return query select terminal_document(t), t.version from terminals t where t.id = of_terminal;
end
$$;

-- Another device in the place of a rented one, for the same rent: nothing of the resource moves, and what
-- is held as a deposit stays.
create function terminal_swap(by_actor text, of_terminal text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    was terminals;
    replacement terminals;
    new_state text;
begin
    perform lock_terminals_to_move(array[of_terminal, body ->> 'replacement_id'], (
        select t.resource_id from terminals t where t.id = of_terminal and t.state = 'rented'));
    select t.* into was from terminals t where t.id = of_terminal;
    if not found then
        return;
    end if;
    new_state := terminal_next_state('swap', was.state, body);
    if new_state is null then
        perform refuse('state_conflict', format('The terminal is %s; only a rented one is swapped.', was.state));
    end if;
    select t.* into replacement from terminals t where t.id = body ->> 'replacement_id';
    if not found or replacement.id = was.id then
        perform refuse('reference_unknown', 'replacement_id must name another terminal.');
    elsif replacement.state <> 'in_stock' and (replacement.state <> 'reserved' or replacement.resource_id <> was.resource_id) then
        perform refuse('state_conflict', format(
            'The replacement is %s; it must be in stock, or reserved for this very resource.', replacement.state));
    end if;
    perform terminal_make_room(replacement.id, was.resource_id, 'swap', by_actor);
    perform terminal_put(was, 'swap', new_state, null, null, null, by_actor, body, replacement.id);
    perform terminal_put(replacement, 'swap', 'rented', was.holder_tenant_id, was.resource_id, was.due_on, by_actor,
                         body - 'condition' - 'location', was.id);
    return query select terminal_document(t), t.version from terminals t where t.id = of_terminal;
end
$$;

-- ---- Reservation of a model ----

-- One of the model in stock, locked, the oldest first. What others are about to take is passed by; only
-- when there is nothing else are they waited for, since one of them may change its mind.
create function terminal_of_stock(of_model text) returns text
    language plpgsql
as $$
declare
    chosen text;
begin
    while exists (select from terminals t where t.model = of_model and t.state = 'in_stock') loop
        select t.id into chosen from terminals t
        where t.model = of_model and t.state = 'in_stock'
        order by t.purchased_on, t.id limit 1 for no key update skip locked;
        if chosen is null then
            select t.id into chosen from terminals t
            where t.model = of_model and t.state = 'in_stock'
            order by t.purchased_on, t.id limit 1 for no key update;
        end if;
        exit when chosen is not null;
    end loop;
    return chosen;
end
$$;

create function refuse_exhausted(of_model text) returns void
    language plpgsql
as $$
declare
    found_count record;
begin
    select count(*) filter (where t.state = 'in_repair') as in_repair,
           count(*) filter (where t.state = 'rented' and t.due_on is not null) as due_back into found_count
    from terminals t where t.model = of_model;
    perform refuse('stock_exhausted', format('No terminal of the model %s is in stock; %s are in repair, %s are due back.',
                                             of_model, found_count.in_repair, found_count.due_back));
end
$$;

create function terminal_reserve_any(by_actor text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    to_resource text := body ->> 'resource_id';
    to_tenant text;
    wanted text;
    chosen terminals;
begin
    perform from resources r where r.id = to_resource for no key update;
    to_tenant := terminal_renter(to_resource);
    wanted := coalesce(body ->> 'model', (select nullif(w.model, '') from terminal_resources w
                                          where w.tenant_id = to_tenant and w.resource_id = to_resource));
    if wanted is null then
        perform refuse('reference_unknown', 'model must be named, since the resource wishes for none.');
    elsif not exists (select from terminal_models m where m.name = wanted) then
        perform refuse('reference_unknown', format('There is no model %s; see GET /v1/terminal-models.', wanted));
    end if;
    perform terminal_make_room(null, to_resource, 'reserve', by_actor);
    select t.* into chosen from terminals t where t.id = terminal_of_stock(wanted);
    if not found then
        perform refuse_exhausted(wanted);
    end if;
    perform terminal_put(chosen, 'reserve', 'reserved', to_tenant, to_resource, null, by_actor, body);
    return query select terminal_document(t), t.version from terminals t where t.id = chosen.id;
end
$$;

-- ---- Models and locations change ----

-- A new name goes to all that say the old one, so those are locked first. No row when there is no such
-- model.
create function terminal_model_change(of_model text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    old_name text := (select m.name from terminal_models m where m.id = of_model);
    was record;
begin
    if body ->> 'name' <> old_name then
        perform from terminals t where t.model = old_name order by t.id for no key update;
        perform from stock_takes s where s.model = old_name order by s.id for no key update;
    end if;
    select m.name, m.version into was from terminal_models m where m.id = of_model for update;
    if not found then
        return;
    elsif seen_version <> was.version or (body ? 'name' and was.name <> old_name) then
        perform refuse('precondition_failed', null);
    end if;
    return query
        update terminal_models m
        set name = coalesce(body ->> 'name', m.name), maker = coalesce(body ->> 'maker', m.maker),
            category = coalesce(body ->> 'category', m.category),
            purchase_price = case when body ? 'purchase_price' then (body #>> '{purchase_price,amount}')::numeric
                                  else m.purchase_price end,
            purchase_currency = case when body ? 'purchase_price' then body #>> '{purchase_price,currency}'
                                     else m.purchase_currency end,
            depreciation_months = case when body ? 'depreciation_months' then (body ->> 'depreciation_months')::integer
                                       else m.depreciation_months end,
            residual_percent = coalesce((body ->> 'residual_percent')::integer, m.residual_percent),
            lost_after_days = coalesce((body ->> 'lost_after_days')::integer, m.lost_after_days),
            overdue_day_rate = case when body ? 'overdue_day_rate' then (body #>> '{overdue_day_rate,amount}')::numeric
                                    else m.overdue_day_rate end,
            overdue_currency = case when body ? 'overdue_day_rate' then body #>> '{overdue_day_rate,currency}'
                                    else m.overdue_currency end,
            deposit = case when body ? 'deposit' then (body #>> '{deposit,amount}')::numeric else m.deposit end,
            deposit_currency = case when body ? 'deposit' then body #>> '{deposit,currency}' else m.deposit_currency end,
            metadata = coalesce(body -> 'metadata', m.metadata), version = m.version + 1, updated_at = now()
        where m.id = of_model
        returning terminal_model_document(m), m.version;
end
$$;

create function terminal_location_change(of_location text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    old_name text := (select l.name from terminal_locations l where l.id = of_location);
    was record;
begin
    if body ->> 'name' <> old_name then
        perform from terminals t where t.location = old_name order by t.id for no key update;
        perform from stock_takes s where s.location = old_name order by s.id for no key update;
    end if;
    select l.name, l.version into was from terminal_locations l where l.id = of_location for update;
    if not found then
        return;
    elsif seen_version <> was.version or (body ? 'name' and was.name <> old_name) then
        perform refuse('precondition_failed', null);
    end if;
    return query
        update terminal_locations l
        set name = coalesce(body ->> 'name', l.name), kind = coalesce(body ->> 'kind', l.kind),
            address = coalesce(body ->> 'address', l.address), note = coalesce(body ->> 'note', l.note),
            version = l.version + 1, updated_at = now()
        where l.id = of_location
        returning terminal_location_document(l), l.version;
end
$$;

create function terminal_model_set_state(of_model text, new_state text)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    old_state text := (select m.state from terminal_models m where m.id = of_model for update);
begin
    if old_state = new_state then
        perform refuse('state_conflict', format('The model is %s already.', old_state));
    end if;
    return query
        update terminal_models m
        set state = new_state, version = m.version + 1, updated_at = now()
        where m.id = of_model
        returning terminal_model_document(m), m.version;
end
$$;
