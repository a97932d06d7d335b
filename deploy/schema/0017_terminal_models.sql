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
