-- Terminals made whole: models and locations that have rows of their own, book values, deposits, swaps,
-- reservations of a model, stock-takes. Replaces terminal_document and terminal_act of 0006_terminals.sql.
--
-- Locks are had in one order: resources, terminals, stock-takes, then models and locations; within each,
-- by id or name.
set local role bccd_owner;

-- A TypeID, as the daemon makes them (common/identifier.c), for rows that only a function knows it needs:
-- of milliseconds, 4096ths of one, and chance; 128 bits behind two of 0, five a character.
create function make_identifier(prefix text) returns text
    language plpgsql volatile
as $$
declare
    micro bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
    random text := replace(gen_random_uuid()::text, '-', '');
    bits text := '00' || (micro / 1000)::bit(48) || '0111' || (micro % 1000 * 4096 / 1000)::bit(12) || '10'
        || ('x' || left(random, 4))::bit(16)::bit(14) || ('x' || right(random, 12))::bit(48);
begin
    return prefix || '_' || (
        select string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
                                 substr(bits, place * 5 + 1, 5)::bit(5)::integer + 1, 1), '' order by place)
        from generate_series(0, 25) as place);
end
$$;

-- The day that it is for the operator.
create function platform_today() returns date
    language sql stable
    return (select (now() at time zone p.time_zone)::date from platform p);

-- ---- Models and locations ----

create table terminal_models (
    id text collate "C" primary key check (id like 'mdl\_%'),
    name text not null unique check (length(name) between 1 and 100), -- what terminals.model says
    maker text not null default '' check (length(maker) <= 100),
    category text collate "C" not null default 'other'
        check (category in ('thin_client', 'pc', 'laptop', 'phone', 'monitor', 'other')),
    purchase_price exact check (purchase_price >= 0 and scale(trim_scale(purchase_price)) <= 2),
    purchase_currency currency_code,
    depreciation_months integer check (depreciation_months between 1 and 240),
    residual_percent integer not null default 0 check (residual_percent between 0 and 100),
    lost_after_days integer not null default 30 check (lost_after_days between 1 and 365),
    overdue_day_rate exact check (overdue_day_rate >= 0 and scale(trim_scale(overdue_day_rate)) <= 2),
    overdue_currency currency_code,
    deposit exact check (deposit > 0 and scale(trim_scale(deposit)) <= 2),
    deposit_currency currency_code,
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    metadata metadata not null default '{}',
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint terminal_models_purchase_price check ((purchase_price is null) = (purchase_currency is null)),
    constraint terminal_models_overdue_day_rate check ((overdue_day_rate is null) = (overdue_currency is null)),
    constraint terminal_models_deposit check ((deposit is null) = (deposit_currency is null))
);
comment on table terminal_models is 'domain: terminals; what is the same for all devices of a model';

create table terminal_locations (
    id text collate "C" primary key check (id like 'loc\_%'),
    name text not null unique check (length(name) between 1 and 200), -- what terminals.location says
    kind text collate "C" not null default 'warehouse'
        check (kind in ('warehouse', 'office', 'repair_shop', 'customer')),
    address text not null default '' check (length(address) <= 500),
    note text not null default '' check (length(note) <= 500),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table terminal_locations is 'domain: terminals; where devices stand that nobody rents';

call protect_platform_table('terminal_models');
call protect_platform_table('terminal_locations');
grant select on terminal_models, terminal_locations to bccd_jobs;
grant select, insert, update on terminal_models, terminal_locations to bccd_operator;
-- A park's manager sees those of the devices that tenants of the park hold; a name may tell of another's.
create policy park on terminal_models as restrictive to bccd_operator
    using ((select setting('park')) is null or exists (select from terminals t where t.model = name));
create policy park on terminal_locations as restrictive to bccd_operator
    using ((select setting('park')) is null or exists (select from terminals t where t.location = name));
call audit_table('terminal_models');
call audit_table('terminal_locations');

-- What terminals say already becomes rows; nowhere was '' and is null. Nothing of it is a change that
-- somebody made, so no trail is written and no document made anew. Security by rows would hide them from
-- their owner.
alter table terminals alter column location drop not null, alter column location drop default;
alter table terminals disable trigger user;
alter table terminals no force row level security;
alter table terminal_models no force row level security;
alter table terminal_locations no force row level security;
update terminals set location = null where location = '';
insert into terminal_models (id, name)
select make_identifier('mdl'), m.model from (select distinct t.model from terminals t order by 1) m;
insert into terminal_locations (id, name)
select make_identifier('loc'), l.location
from (select distinct t.location from terminals t where t.location is not null order by 1) l;
alter table terminals force row level security;
alter table terminal_models force row level security;
alter table terminal_locations force row level security;
alter table terminals enable trigger user;

alter table terminals
    add constraint terminals_model foreign key (model) references terminal_models (name) on update cascade,
    add constraint terminals_location foreign key (location) references terminal_locations (name) on update cascade,
    add constraint terminals_location_named check (location <> '');
create index terminals_model on terminals (model, state);
create index terminals_location on terminals (location, id);
create index terminals_stock on terminals (model, purchased_on, id) where state = 'in_stock';
create index terminals_due on terminals (due_on, id) where due_on is not null;

-- A resource may have a terminal and, until that is swapped for it, another one reserved.
drop index terminals_resource;
create unique index terminals_resource on terminals (resource_id, state);

-- The terminal at hand is shown, or else the one reserved; nothing that is kept changes by it. `by_side` ("tenant" or
-- "operator") says whose actions are shown. In plpgsql, which keeps the plan: a query as great as this one takes
-- longer to plan than to run.
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
                from terminals t where t.resource_id = r.id
                order by t.state = 'rented' desc limit 1))
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

-- A name that is not known yet makes a model, or a location, of that name. In the order of names, as
-- somebody else may be registering the same ones.
create function register_terminal_names(models text[], locations text[]) returns void
    language plpgsql
as $$
begin
    insert into terminal_models (id, name)
    select make_identifier('mdl'), n.name
    from (select distinct unnest(models) as name order by 1) n
    where n.name is not null and not exists (select from terminal_models m where m.name = n.name)
    on conflict (name) do nothing;
    insert into terminal_locations (id, name)
    select make_identifier('loc'), n.name
    from (select distinct unnest(locations) as name order by 1) n
    where n.name <> '' and not exists (select from terminal_locations l where l.name = n.name)
    on conflict (name) do nothing;
end
$$;

-- Before a terminal says a model or a location: most often both are there. A new name of its old model is
-- not another model, so that the devices of a retired one can be renamed with it. The lock keeps the model
-- from being retired at the same time.
create function know_terminal_names() returns trigger
    language plpgsql
as $$
declare
    is_retired boolean;
begin
    new.location := nullif(new.location, '');
    if tg_op = 'INSERT' or new.model <> old.model then
        select m.state = 'retired' into is_retired from terminal_models m where m.name = new.model for share;
        if is_retired and (tg_op = 'INSERT' or exists (select from terminal_models m where m.name = old.model)) then
            perform refuse('state_conflict', format('The model %s is retired; it takes no new terminals.', new.model));
        elsif is_retired is null then
            perform register_terminal_names(array[new.model], '{}');
        end if;
    end if;
    if new.location is not null and not exists (select from terminal_locations l where l.name = new.location) then
        perform register_terminal_names('{}', array[new.location]);
    end if;
    return new;
end
$$;
create trigger names before insert or update of model, location on terminals
    for each row execute function know_terminal_names();

create function terminal_model_document(m terminal_models) returns json
    language sql stable
as $$
    select json_build_object(
        'id', m.id, 'name', m.name, 'maker', m.maker, 'category', m.category,
        'purchase_price', money(m.purchase_price, m.purchase_currency),
        'depreciation_months', m.depreciation_months, 'residual_percent', m.residual_percent,
        'lost_after_days', m.lost_after_days, 'overdue_day_rate', money(m.overdue_day_rate, m.overdue_currency),
        'deposit', money(m.deposit, m.deposit_currency), 'state', m.state,
        'stock', (
            select json_build_object(
                'in_stock', count(*) filter (where t.state = 'in_stock'),
                'reserved', count(*) filter (where t.state = 'reserved'),
                'rented', count(*) filter (where t.state = 'rented'),
                'in_repair', count(*) filter (where t.state = 'in_repair'),
                'lost', count(*) filter (where t.state = 'lost'),
                'retired', count(*) filter (where t.state = 'retired'))
            from terminals t where t.model = m.name),
        'metadata', m.metadata,
        'created_at', instant_text(m.created_at), 'updated_at', instant_text(m.updated_at))
$$;

create function terminal_location_document(l terminal_locations) returns json
    language sql stable
as $$
    select json_build_object(
        'id', l.id, 'name', l.name, 'kind', l.kind, 'address', l.address, 'note', l.note,
        'terminals', (select count(*) from terminals t where t.location = l.name),
        'created_at', instant_text(l.created_at), 'updated_at', instant_text(l.updated_at))
$$;

-- ---- Book value ----

-- Straight line: with n whole months since the purchase, no more than `months` and no less than 0,
--
--     value = price - price * (100 - residual) / 100 * n / months
--           = price * (100 * months - (100 - residual) * n) / (100 * months)
--
-- rounded once, half away from zero, to 2 digits. A month is whole on the day of the month on which it
-- was bought; in a shorter month, on the first day of the next. In whole numbers of half cents, since div
-- is exact and the scale of / is not. Null where one of them is.
create function terminal_book_value(price numeric, purchased_on date, months integer, residual integer, on_day date)
    returns numeric
    language sql immutable strict parallel safe
as $$
    select (div(2 * 100 * price * (100 * months - (100 - residual) * e.elapsed) + 100 * months, 200 * months) * 0.01)::numeric
    from (select greatest(0, least(months,
                     (extract(year from on_day) * 12 + extract(month from on_day))::integer
                     - (extract(year from purchased_on) * 12 + extract(month from purchased_on))::integer
                     - (extract(day from on_day) < extract(day from purchased_on))::integer)) as elapsed) e
$$;

create function terminal_value_today(t terminals) returns numeric
    language sql stable
as $$
    select terminal_book_value(t.purchase_price, t.purchased_on, m.depreciation_months, m.residual_percent, platform_today())
    from terminal_models m where m.name = t.model
$$;

create function terminal_overdue_days(t terminals) returns integer
    language sql stable
as $$
    select case when t.state = 'rented' and t.due_on is not null then greatest(platform_today() - t.due_on, 0) else 0 end
$$;

create or replace function terminal_document(t terminals) returns json
    language sql stable
as $$
    select json_build_object(
        'id', t.id, 'asset_tag', t.asset_tag, 'serial', t.serial, 'model', t.model, 'condition', t.condition,
        'state', t.state,
        'actions', (select coalesce(json_agg(a.action order by a.action), '[]')
                    from terminal_actions a where a.from_state = t.state),
        'location', coalesce(t.location, ''), 'purchase_price', money(t.purchase_price, t.purchase_currency),
        'purchased_on', t.purchased_on, 'book_value', money(terminal_value_today(t), t.purchase_currency),
        'tenant_id', t.holder_tenant_id, 'resource_id', t.resource_id,
        'due_on', t.due_on, 'overdue_days', terminal_overdue_days(t),
        'external_id', t.external_id, 'metadata', t.metadata,
        'created_at', instant_text(t.created_at), 'updated_at', instant_text(t.updated_at))
$$;

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
