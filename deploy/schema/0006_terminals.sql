-- The inventory of terminals: the operator's own, whoever holds one; and how a device moves.
set local role bccd_owner;

create table terminal_actions (
    action text collate "C" not null,
    from_state text collate "C" not null,
    to_state text collate "C" not null,
    primary key (action, from_state)
);
comment on table terminal_actions is 'domain: terminals; which action leads from which state to which';

insert into terminal_actions (action, from_state, to_state) values
    ('reserve', 'in_stock', 'reserved'),
    ('release', 'reserved', 'in_stock'),
    ('check-out', 'in_stock', 'rented'),
    ('check-out', 'reserved', 'rented'),
    ('check-in', 'rented', 'in_stock'), -- or in_repair, when it came back damaged
    ('repair', 'in_stock', 'in_repair'),
    ('restock', 'in_repair', 'in_stock'),
    ('restock', 'lost', 'in_stock'),
    ('lose', 'rented', 'lost'),
    ('lose', 'in_stock', 'lost'),
    ('lose', 'in_repair', 'lost'),
    ('retire', 'in_stock', 'retired'),
    ('retire', 'in_repair', 'retired'),
    ('retire', 'lost', 'retired');

call protect_platform_table('terminal_actions');
grant select on terminal_actions to bccd_operator, bccd_jobs;

create table terminals (
    id text collate "C" primary key check (id like 'trm\_%'),
    asset_tag text collate "C" not null unique check (length(asset_tag) between 1 and 64),
    serial text collate "C" not null unique check (length(serial) between 1 and 64),
    model text not null check (length(model) between 1 and 100),
    condition text collate "C" not null default 'new' check (condition in ('new', 'good', 'fair', 'damaged')),
    state text collate "C" not null default 'in_stock'
        check (state in ('in_stock', 'reserved', 'rented', 'in_repair', 'lost', 'retired')),
    location text not null default '' check (length(location) <= 200),
    purchase_price exact check (purchase_price >= 0 and scale(purchase_price) <= 2),
    purchase_currency currency_code,
    purchased_on date,
    external_id text collate "C" unique check (length(external_id) <= 128),
    metadata metadata not null default '{}',
    holder_tenant_id text collate "C",
    resource_id text collate "C",
    due_on date, -- back by then
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    foreign key (holder_tenant_id, resource_id) references resources (tenant_id, id),
    constraint terminals_price check ((purchase_price is null) = (purchase_currency is null)),
    constraint terminals_holder check (
        (resource_id is not null) = (state in ('reserved', 'rented'))
        and (holder_tenant_id is null) = (resource_id is null))
);
comment on table terminals is 'domain: terminals; the inventory of devices, and who holds each';
create unique index terminals_resource on terminals (resource_id);
create index terminals_state on terminals (state, id);

create table terminal_movements (
    terminal_id text collate "C" not null references terminals,
    number integer not null check (number > 0),
    action text collate "C" not null,
    from_state text collate "C",
    to_state text collate "C" not null,
    condition text collate "C" not null,
    note text not null default '' check (length(note) <= 500),
    holder_tenant_id text collate "C",
    resource_id text collate "C",
    actor text collate "C" not null,
    at timestamptz not null default clock_timestamp(),
    primary key (terminal_id, number),
    foreign key (holder_tenant_id, resource_id) references resources (tenant_id, id)
);
comment on table terminal_movements is 'domain: terminals; where each device has been, in which condition, signed off by whom';

-- ---- Who may ----

call protect_platform_table('terminals');
call protect_platform_table('terminal_movements');
grant select on terminals, terminal_movements to bccd_jobs;
grant select, insert on terminals, terminal_movements to bccd_operator;
grant update on terminals to bccd_operator;

-- A tenant sees the device that it holds, without what it cost.
create policy tenant on terminals for select to bccd_tenant using (holder_tenant_id = setting('tenant'));
grant select (id, asset_tag, serial, model, condition, state, holder_tenant_id, resource_id, due_on)
    on terminals to bccd_tenant;

-- A park's manager sees the devices that tenants of the park hold.
create policy park on terminals as restrictive to bccd_operator
    using (setting('park') is null or holder_tenant_id in (select id from tenants));
create policy park on terminal_movements as restrictive to bccd_operator
    using (setting('park') is null or holder_tenant_id in (select id from tenants));

call audit_table('terminals');

-- ---- Actions on terminals ----

create function terminal_document(t terminals) returns json
    language sql stable
as $$
    select json_build_object(
        'id', t.id, 'asset_tag', t.asset_tag, 'serial', t.serial, 'model', t.model, 'condition', t.condition,
        'state', t.state,
        'actions', (select coalesce(json_agg(a.action order by a.action), '[]')
                    from terminal_actions a where a.from_state = t.state),
        'location', t.location, 'purchase_price', money(t.purchase_price, t.purchase_currency),
        'purchased_on', t.purchased_on, 'tenant_id', t.holder_tenant_id, 'resource_id', t.resource_id,
        'due_on', t.due_on, 'external_id', t.external_id, 'metadata', t.metadata,
        'created_at', instant_text(t.created_at), 'updated_at', instant_text(t.updated_at))
$$;

-- Moves a terminal; no row when there is none. One that goes to a resource locks the resource
-- first, in the order in which the resource's own actions lock.
create function terminal_act(by_actor text, of_terminal text, by_action text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target record;
    to_tenant text;
    to_resource text;
    resource_state text;
    new_state text;
    goes_out boolean := by_action in ('reserve', 'check-out');
begin
    if goes_out then
        select r.tenant_id, r.id, r.state into to_tenant, to_resource, resource_state from resources r
        where r.id = body ->> 'resource_id' and r.kind = 'terminal' for no key update;
    end if;
    select t.state, t.version, t.resource_id, t.holder_tenant_id into target
    from terminals t where t.id = of_terminal for no key update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    end if;
    new_state := (select a.to_state from terminal_actions a where a.action = by_action and a.from_state = target.state);
    if new_state is null then
        perform refuse('state_conflict', format('The terminal is %s, which does not allow this; see its actions.', target.state));
    elsif goes_out and to_resource is null then
        perform refuse('reference_unknown', 'resource_id must name a resource of kind terminal.');
    elsif goes_out and resource_state not in ('approved', 'provisioning', 'active') then
        perform refuse('state_conflict', format('The resource is %s; it takes no terminal.', resource_state));
    elsif goes_out and exists (select from terminals t where t.resource_id = to_resource and t.id <> of_terminal) then
        perform refuse('state_conflict', 'The resource has a terminal already; check that one in first.');
    elsif goes_out and target.resource_id <> to_resource then
        perform refuse('state_conflict', 'The terminal is reserved for another resource.');
    end if;
    if by_action = 'check-in' and body ->> 'condition' = 'damaged' then
        new_state := 'in_repair';
    end if;
    update terminals t
    set state = new_state, condition = coalesce(body ->> 'condition', t.condition),
        location = coalesce(body ->> 'location', t.location),
        holder_tenant_id = to_tenant, resource_id = to_resource,
        due_on = case when by_action = 'check-out' then (body ->> 'due_on')::date end,
        version = t.version + 1, updated_at = clock_timestamp()
    where t.id = of_terminal;
    perform terminal_move(of_terminal, by_action, target.state, target.holder_tenant_id, target.resource_id, by_actor,
                          body ->> 'note');
    return query select terminal_document(t), t.version from terminals t where t.id = of_terminal;
end
$$;

-- Notes a movement of a terminal as it stands now; who held it before counts where nobody does now.
create function terminal_move(of_terminal text, by_action text, old_state text, old_tenant text, old_resource text,
                              by_actor text, why text)
    returns void
    language sql
as $$
    insert into terminal_movements (terminal_id, number, action, from_state, to_state, condition, note,
                                    holder_tenant_id, resource_id, actor)
    select t.id, (select coalesce(max(m.number), 0) + 1 from terminal_movements m where m.terminal_id = t.id),
           by_action, old_state, t.state, t.condition, coalesce(why, ''), coalesce(t.holder_tenant_id, old_tenant),
           coalesce(t.resource_id, old_resource), by_actor
    from terminals t where t.id = of_terminal
$$;
