-- What is charged for a device that is lost or damaged. A tenant may dispute a fee for some days; then it falls due, and
-- stands on the bill of the first month that is not settled.
set local role bccd_owner;

alter table terminal_models add column dispute_days integer not null default 14 check (dispute_days between 0 and 90);

create or replace function terminal_model_document(m terminal_models) returns json
    language sql stable
as $$
    select json_build_object(
        'id', m.id, 'name', m.name, 'maker', m.maker, 'category', m.category,
        'purchase_price', money(m.purchase_price, m.purchase_currency),
        'depreciation_months', m.depreciation_months, 'residual_percent', m.residual_percent,
        'lost_after_days', m.lost_after_days, 'overdue_day_rate', money(m.overdue_day_rate, m.overdue_currency),
        'deposit', money(m.deposit, m.deposit_currency), 'dispute_days', m.dispute_days, 'state', m.state,
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

create or replace function terminal_model_change(of_model text, seen_version bigint, body jsonb)
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
            dispute_days = coalesce((body ->> 'dispute_days')::integer, m.dispute_days),
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

-- ---- Fees ----

create table terminal_fees (
    tenant_id text collate "C" not null,
    id text collate "C" not null unique check (id like 'fee\_%'),
    resource_id text collate "C" not null,
    terminal_id text collate "C" not null references terminals,
    cause text collate "C" not null check (cause in ('loss', 'damage')),
    state text collate "C" not null default 'open' check (state in ('open', 'disputed', 'due', 'waived')),
    asked exact not null check (asked > 0 and scale(trim_scale(asked)) <= 2),
    amount exact not null check (amount >= 0 and amount <= asked and scale(trim_scale(amount)) <= 2), -- what is charged
    currency currency_code not null,
    facts jsonb not null check (jsonb_typeof(facts) = 'object'), -- which device, and what its value was reckoned from
    reason text not null check (length(reason) <= 500),
    disputable_until date not null, -- the last day
    dispute text not null default '' check (length(dispute) <= 500),
    disputed_by text collate "C",
    disputed_at timestamptz,
    decision text not null default '' check (length(decision) <= 500),
    decided_by text collate "C",
    decided_at timestamptz,
    due_on date,
    period text collate "C", -- the month on whose bill it stands
    created_by text collate "C" not null,
    version bigint not null default 1,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    check ((state = 'due') = (period is not null)),
    check ((period is null) = (due_on is null)),
    check ((disputed_at is null) = (disputed_by is null)),
    check ((decided_at is null) = (decided_by is null))
);
comment on table terminal_fees is 'domain: terminals; what is charged for a device that is lost or damaged';
create index terminal_fees_terminal on terminal_fees (terminal_id);
create index terminal_fees_period on terminal_fees (tenant_id, period) where period is not null;
create index terminal_fees_open on terminal_fees (disputable_until, id) where state = 'open';
call protect_tenant_table('terminal_fees');
grant select, update on terminal_fees to bccd_tenant;
grant select, insert, update on terminal_fees to bccd_operator, bccd_jobs;
call audit_table('terminal_fees');

-- What stands on a bill that is final stays as it is; a credit note takes it back.
create function keep_billed_fee() returns trigger
    language plpgsql
as $$
begin
    if (tg_op <> 'INSERT' and old.period is not null and period_is_settled(old.tenant_id, old.period))
       or (tg_op <> 'DELETE' and new.period is not null and period_is_settled(new.tenant_id, new.period)) then
        raise exception using errcode = 'BC422', message = 'period_settled',
            detail = 'The fee stands on a bill that is final; only a credit note takes it back.';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
create trigger settled before insert or update or delete on terminal_fees for each row execute function keep_billed_fee();

create function terminal_fee_document(f terminal_fees, by_side text) returns json
    language sql stable
as $$
    select json_build_object(
        'id', f.id, 'tenant_id', f.tenant_id, 'resource_id', f.resource_id, 'terminal_id', f.terminal_id,
        'asset_tag', f.facts ->> 'asset_tag', 'cause', f.cause, 'state', f.state,
        'actions', array_to_json(array_remove(array[
            case when f.state in ('open', 'disputed') and by_side = 'operator' then 'decide' end,
            case when f.state = 'open' and f.disputable_until >= platform_today() then 'dispute' end], null)),
        'asked', money(f.asked, f.currency), 'amount', money(f.amount, f.currency),
        'valuation', f.facts -> 'valuation', 'reason', f.reason,
        'disputable_until', f.disputable_until,
        'dispute', case when f.disputed_at is not null then json_build_object(
            'reason', f.dispute, 'by', f.disputed_by, 'at', instant_text(f.disputed_at)) end,
        'decision', case when f.decided_at is not null then json_build_object(
            'reason', f.decision, 'by', f.decided_by, 'at', instant_text(f.decided_at)) end,
        'due_on', f.due_on, 'period', f.period,
        'invoice_id', (select i.id from invoices i
                       where i.tenant_id = f.tenant_id and i.period = f.period and i.kind = 'period'
                         and i.state = 'finalized'),
        'created_by', f.created_by, 'created_at', instant_text(f.created_at), 'updated_at', instant_text(f.updated_at))
$$;

-- From a day on it is to be paid: on that day's bill, or on the next one where that is final. Under the lock of its row.
create function terminal_fee_fall_due(fee terminal_fees, on_day date) returns void
    language plpgsql
as $$
declare
    at timestamptz := on_day::timestamp at time zone (select p.time_zone from platform p);
begin
    perform lock_usage_periods(at, at);
    update terminal_fees f
    set state = 'due', due_on = on_day, period = counting_period(f.tenant_id, at), version = f.version + 1,
        updated_at = clock_timestamp()
    where f.tenant_id = fee.tenant_id and f.id = fee.id;
end
$$;

create function terminal_fee_make(device terminals, of_tenant text, of_resource text, of_cause text, asked jsonb,
                                  valuation jsonb, why text, by_actor text) returns terminal_fees
    language plpgsql
as $$
declare
    made terminal_fees;
    bills_in text := (select t.currency from tenants t where t.id = of_tenant);
begin
    if scale(trim_scale((asked ->> 'amount')::numeric)) > 2 then
        perform refuse('value_refused', 'A fee has two decimal places at most.');
    elsif asked ->> 'currency' <> bills_in then
        perform refuse('value_refused', format('The fee is in %s; the tenant is billed in %s.', asked ->> 'currency', bills_in));
    end if;
    insert into terminal_fees (tenant_id, id, resource_id, terminal_id, cause, asked, amount, currency, facts, reason,
                               disputable_until, created_by)
    select of_tenant, make_identifier('fee'), of_resource, device.id, of_cause, (asked ->> 'amount')::numeric,
           (asked ->> 'amount')::numeric, bills_in,
           jsonb_build_object('asset_tag', device.asset_tag, 'serial', device.serial, 'model', device.model,
                              'valuation', valuation),
           why, platform_today() + m.dispute_days - 1, by_actor
    from terminal_models m where m.name = device.model
    returning * into made;
    if made.disputable_until < platform_today() then
        perform terminal_fee_fall_due(made, platform_today());
    end if;
    return made;
end
$$;

-- What a device that is lost is worth on a day: the price of a new one, less depreciation. Null where that is not known.
create function terminal_valuation(device terminals, on_day date) returns jsonb
    language sql stable
as $$
    select jsonb_build_object(
        'replacement', trim_scale(v.price)::text, 'currency', v.currency, 'purchased_on', device.purchased_on,
        'depreciation_months', v.depreciation_months, 'residual_percent', v.residual_percent, 'on', on_day,
        'depreciation', trim_scale(v.price - v.value)::text, 'value', trim_scale(v.value)::text)
    from (
        select n.price, n.currency, n.depreciation_months, n.residual_percent,
               case when n.depreciation_months is null then n.price
                    else terminal_book_value(n.price, device.purchased_on, n.depreciation_months, n.residual_percent, on_day)
               end as value
        from (
            select coalesce(m.purchase_price, device.purchase_price)::numeric as price, m.depreciation_months,
                   m.residual_percent,
                   case when m.purchase_price is null then device.purchase_currency else m.purchase_currency end as currency
            from terminal_models m where m.name = device.model) n) v
    where v.value is not null
$$;

-- When a device is not given back, or not whole. What of the deposit was claimed for a loss comes off its value.
create function terminal_fee_arise(was terminals, new_state text, body jsonb, by_actor text) returns void
    language plpgsql
as $$
declare
    valuation jsonb;
    asked jsonb := case when new_state = 'lost' then body -> 'compensation' else body -> 'damage' end;
begin
    if new_state = 'lost' and asked is null then
        valuation := terminal_valuation(was, platform_today());
        if body #>> '{claim,currency}' = valuation ->> 'currency' then
            valuation := valuation || jsonb_build_object('claimed', body #>> '{claim,amount}');
        end if;
        asked := jsonb_build_object(
            'currency', valuation ->> 'currency',
            'amount', (valuation ->> 'value')::numeric - coalesce((valuation ->> 'claimed')::numeric, 0));
    end if;
    if (asked ->> 'amount')::numeric > 0 then
        perform terminal_fee_make(was, was.holder_tenant_id, was.resource_id,
                                  case when new_state = 'lost' then 'loss' else 'damage' end, asked, valuation,
                                  coalesce(asked ->> 'reason', body ->> 'note', ''), by_actor);
    end if;
end
$$;

-- A device that was found again: what was asked for it and is not billed yet is asked no more.
create function terminal_fee_found(device terminals, by_actor text) returns void
    language plpgsql
as $$
begin
    perform lock_usage_periods(now(), now());
    update terminal_fees f
    set state = 'waived', amount = 0, due_on = null, period = null, decision = 'found', decided_by = by_actor,
        decided_at = clock_timestamp(), version = f.version + 1, updated_at = clock_timestamp()
    where f.terminal_id = device.id and f.cause = 'loss'
      and (f.state in ('open', 'disputed') or (f.state = 'due' and not period_is_settled(f.tenant_id, f.period)));
end
$$;

-- ---- Moves make fees ----

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
    if was.state = 'rented' and not stays then
        perform terminal_fee_arise(was, new_state, body, by_actor);
    elsif was.state = 'lost' and by_action = 'restock' then
        perform terminal_fee_found(was, by_actor);
    end if;
    return query select terminal_document(t), t.version from terminals t where t.id = of_terminal;
end
$$;

create or replace function terminal_swap(by_actor text, of_terminal text, body jsonb)
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
    perform terminal_fee_arise(was, new_state, body, by_actor);
    return query select terminal_document(t), t.version from terminals t where t.id = of_terminal;
end
$$;

-- ---- What is done with a fee ----

-- Where the operator finds out later: for a device that the resource has had.
create function terminal_fee_charge(by_actor text, body jsonb) returns table (document json, version bigint)
    language plpgsql
as $$
declare
    device terminals;
    holder text;
    made terminal_fees;
begin
    select t.* into device from terminals t where t.id = body ->> 'terminal_id' for no key update;
    holder := (select l.tenant_id from terminal_loans l
               where l.terminal_id = device.id and l.resource_id = body ->> 'resource_id' limit 1);
    if device.id is null or holder is null then
        perform refuse('reference_unknown', 'terminal_id and resource_id must name a terminal and a resource that has had it.');
    end if;
    made := terminal_fee_make(device, holder, body ->> 'resource_id', body ->> 'cause', body -> 'amount', null,
                              body ->> 'reason', by_actor);
    return query select terminal_fee_document(f, 'operator'), f.version from terminal_fees f
                 where f.tenant_id = made.tenant_id and f.id = made.id;
end
$$;

-- The fee, locked, where somebody may act on it; no row when there is none.
create function terminal_fee_lock(for_tenant text, of_fee text, seen_version bigint, states text[]) returns terminal_fees
    language plpgsql
as $$
declare
    fee terminal_fees;
begin
    select f.* into fee from terminal_fees f
    where f.id = of_fee and (for_tenant is null or f.tenant_id = for_tenant) for no key update;
    if fee.id is null then
        return null;
    elsif seen_version <> fee.version then
        perform refuse('precondition_failed', null);
    elsif fee.state <> all (states) then
        perform refuse('state_conflict', format('The fee is %s, which does not allow this; see its actions.', fee.state));
    end if;
    return fee;
end
$$;

create function terminal_fee_dispute(for_tenant text, by_side text, of_fee text, seen_version bigint, by_actor text,
                                     body jsonb) returns table (document json, version bigint)
    language plpgsql
as $$
declare
    fee terminal_fees := terminal_fee_lock(for_tenant, of_fee, seen_version, '{open}');
begin
    if fee.disputable_until < platform_today() then
        perform refuse('state_conflict', format('The fee could be disputed until %s.', fee.disputable_until));
    end if;
    return query
        update terminal_fees f
        set state = 'disputed', dispute = body ->> 'reason', disputed_by = by_actor, disputed_at = clock_timestamp(),
            version = f.version + 1, updated_at = clock_timestamp()
        where f.tenant_id = fee.tenant_id and f.id = fee.id
        returning terminal_fee_document(f, by_side), f.version;
end
$$;

-- What is charged in the end, from nothing up to what was asked. It falls due at once.
create function terminal_fee_decide(of_fee text, seen_version bigint, by_actor text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    fee terminal_fees := terminal_fee_lock(null, of_fee, seen_version, '{open,disputed}');
    charged numeric := (body #>> '{amount,amount}')::numeric;
begin
    if fee.id is null then
        return;
    elsif body #>> '{amount,currency}' <> fee.currency or charged > fee.asked or scale(trim_scale(charged)) > 2 then
        perform refuse('value_refused', format('amount must be from 0 to the %s %s that were asked, with two decimal places at most.',
                                               round(fee.asked, 2), fee.currency));
    end if;
    update terminal_fees f
    set amount = charged, decision = body ->> 'reason', decided_by = by_actor, decided_at = clock_timestamp(),
        state = case when charged = 0 then 'waived' else f.state end, version = f.version + (charged = 0)::integer,
        updated_at = clock_timestamp()
    where f.tenant_id = fee.tenant_id and f.id = fee.id;
    if charged > 0 then
        perform terminal_fee_fall_due(fee, platform_today());
    end if;
    return query select terminal_fee_document(f, 'operator'), f.version from terminal_fees f
                 where f.tenant_id = fee.tenant_id and f.id = fee.id;
end
$$;

-- What nobody disputed falls due on the day after, some at a time; how many.
create function terminal_fees_fall_due(at_most integer) returns integer
    language plpgsql
as $$
declare
    fee terminal_fees;
    fallen integer := 0;
begin
    for fee in
        select f.* from terminal_fees f
        where f.state = 'open' and f.disputable_until < platform_today()
        order by f.disputable_until, f.id limit at_most for no key update skip locked
    loop
        perform terminal_fee_fall_due(fee, fee.disputable_until + 1);
        fallen := fallen + 1;
    end loop;
    return fallen;
end
$$;

-- ---- What was not given back in time is lost ----

-- One device: its deposit goes towards its value, and its rent ends.
create function terminal_count_as_lost(of_terminal text, by_actor text) returns void
    language plpgsql
as $$
declare
    holders text[] := lock_terminals(array[of_terminal], null);
    device terminals;
    renter resources;
    held terminal_deposits;
    worth jsonb;
    claim jsonb := '{}';
begin
    select t.* into device from terminals t
    where t.id = of_terminal and t.state = 'rented' and exists (
        select from terminal_loans l
        where l.terminal_id = t.id and l.ends_at is null and l.lost_on < platform_today());
    if not found or came_elsewhere(array[of_terminal], holders) then
        return;
    end if;
    select r.* into renter from resources r where r.tenant_id = device.holder_tenant_id and r.id = device.resource_id;
    select d.* into held from terminal_deposits d
    where d.tenant_id = renter.tenant_id and d.resource_id = renter.id order by d.number desc limit 1;
    worth := terminal_valuation(device, platform_today());
    if held.balance > 0 and held.currency = worth ->> 'currency' and (worth ->> 'value')::numeric > 0 then
        claim := jsonb_build_object('claim', jsonb_build_object(
            'amount', least(held.balance, (worth ->> 'value')::numeric)::text, 'currency', held.currency,
            'reason', 'not given back'));
    end if;
    perform terminal_act(by_actor, of_terminal, 'lose', null, claim || jsonb_build_object(
        'note', format('not given back; due on %s', device.due_on)));
    -- It ends, and there is nothing to fetch.
    while (select r.state from resources r where r.tenant_id = renter.tenant_id and r.id = renter.id)
          not in ('terminated', 'rejected') loop
        perform resource_act(renter.tenant_id, 'operator', by_actor, renter.id, 'terminate', null,
                             jsonb_build_object('reason', 'terminal_lost'), null);
    end loop;
end
$$;

-- Some at a time; how many. One that cannot be lost holds up no other: it is tried again.
create function terminals_count_as_lost(at_most integer) returns integer
    language plpgsql
as $$
declare
    device text;
    lost integer := 0;
begin
    for device in
        select l.terminal_id from terminal_loans l
        where l.ends_at is null and l.lost_on < platform_today()
        order by l.lost_on, l.terminal_id limit at_most
    loop
        begin
            perform terminal_count_as_lost(device, coalesce(setting('actor'), session_user));
            lost := lost + 1;
        exception
            when sqlstate 'BC422' then
                raise log 'the terminal % was not given back, and cannot be lost: %', device, sqlerrm;
        end;
    end loop;
    return lost;
end
$$;
grant insert on terminal_movements, terminal_deposits to bccd_jobs;
grant update on terminals to bccd_jobs;

-- ---- On the bill ----

-- What a tenant is charged in a month for devices beside their rent: `quantity` days, or one, at `unit_amount`; `working` is
-- the first step of the line's explanation.
create function terminal_charges(of_tenant text, of_month text)
    returns table (place bigint, resource_id text, code text, asset_tag text, quantity bigint, unit_amount numeric,
                   first_day date, last_day date, working jsonb)
    language sql stable
as $$
    with month as (
        select p.time_zone, (m.starts_at at time zone p.time_zone)::date as first_day,
               (least(m.ends_at - interval '1 microsecond', now()) at time zone p.time_zone)::date as last_day
        from platform p
        cross join lateral (select period_start(of_month, p.time_zone) as starts_at,
                                   period_end(of_month, p.time_zone) as ends_at) m
    ), charge as (
        select d.resource_id, 'overdue' as code, d.asset_tag, count(*) as quantity, d.overdue_day_rate as unit_amount,
               min(d.day) as first_day, max(d.day) as last_day, d.loan::text as id,
               jsonb_build_object('step', 'overdue', 'asset_tag', d.asset_tag, 'due_on', d.due_on, 'days', count(*)) as working
        from month m cross join overdue_days(of_tenant, m.first_day, m.last_day) d
        group by d.resource_id, d.loan, d.terminal_id, d.asset_tag, d.due_on, d.overdue_day_rate
        union all
        select f.resource_id, f.cause, f.facts ->> 'asset_tag', 1, f.amount::numeric, greatest(f.due_on, m.first_day),
               greatest(f.due_on, m.first_day), f.id,
               jsonb_build_object('step', f.cause, 'fee_id', f.id, 'asset_tag', f.facts ->> 'asset_tag', 'reason', f.reason,
                                  'asked', trim_scale(f.asked)::text)
               || coalesce(nullif(f.facts -> 'valuation', 'null'), '{}')
               || case when f.decided_at is null then '{}' else jsonb_build_object('decision', f.decision) end
        from month m join terminal_fees f on f.tenant_id = of_tenant and f.period = of_month
    )
    select row_number() over (order by c.resource_id, c.code, c.first_day, c.id), c.resource_id, c.code, c.asset_tag,
           c.quantity, c.unit_amount, c.first_day, c.last_day, c.working
    from charge c
$$;

alter table invoice_lines drop constraint invoice_lines_kind_check;
alter table invoice_lines add constraint invoice_lines_kind_check
    check (kind in ('one_off', 'recurring', 'usage', 'fee', 'service_credit'));
