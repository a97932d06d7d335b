-- Money: periods, tax rates, billing runs, invoices and their lines, and the ledger.
set local role bccd_owner;

-- The operator's zone, of periods and bills: one row, written by the daemon's first start.
create table platform (
    one boolean primary key default true check (one),
    time_zone text not null,
    issuer_name text not null,
    issuer_name_zh text not null
);
comment on table platform is 'domain: billing; who bills, and in which time zone';
grant select on platform to bccd_tenant, bccd_operator, bccd_jobs;
alter table platform enable row level security;
alter table platform force row level security;
create policy everybody on platform for select to bccd_tenant, bccd_operator, bccd_lookup using (true);
create policy jobs on platform to bccd_jobs using (true);
grant insert, update on platform to bccd_jobs;

-- A month without a row is open, unless a later one is closed.
create table periods (
    period text collate "C" primary key check (period ~ '^2[0-9]{3}-(0[1-9]|1[0-2])$'),
    state text collate "C" not null default 'open' check (state in ('open', 'closed')),
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    gate jsonb, -- the terms of the close, each with both sides and whether they agree
    closed_at timestamptz,
    closed_by text collate "C",
    version bigint not null default 1,
    check ((state = 'closed') = (closed_at is not null))
);
comment on table periods is 'domain: billing; calendar months in the operator''s zone; immutable once closed';
grant select on periods to bccd_tenant, bccd_operator, bccd_jobs;
grant insert, update on periods to bccd_jobs;
call protect_platform_table('periods');
create policy tenant on periods to bccd_tenant using (true);
call audit_table('periods');

-- Months are closed in order, so one before a closed month is closed too, with or without a row.
create function period_is_closed(named text) returns boolean
    language sql stable
    return exists (select from periods p where p.period >= named and p.state = 'closed');

create table tax_rates (
    category text collate "C" not null
        check (category in ('information_service', 'broadband_access', 'movable_leasing')),
    valid_from date not null,
    rate exact not null check (rate >= 0 and rate <= 1),
    source text not null default '',
    primary key (category, valid_from)
);
comment on table tax_rates is 'domain: billing; value added tax by category; a row holds until the next one of its category';
grant select on tax_rates to bccd_tenant, bccd_operator, bccd_jobs;
grant insert on tax_rates to bccd_operator;
insert into tax_rates (category, valid_from, rate, source) values
    ('information_service', '2016-05-01', 0.06, 'other services and intangibles'),
    ('broadband_access', '2016-05-01', 0.06, 'value-added telecommunications'),
    ('broadband_access', '2026-01-01', 0.09, 'MoF and STA announcement 2026 No. 9: basic telecommunications'),
    ('movable_leasing', '2019-04-01', 0.13, 'leasing of tangible movable property');

call protect_platform_table('tax_rates');
create policy tenant on tax_rates to bccd_tenant using (true);
call audit_table('tax_rates');

create table billing_runs (
    id text collate "C" primary key check (id like 'run\_%'),
    period text collate "C" not null,
    operation_id text collate "C" not null,
    finalize boolean not null,
    tenant_id text collate "C" references tenants, -- one account alone; null: all
    state text collate "C" not null default 'queued'
        check (state in ('queued', 'running', 'succeeded', 'failed')),
    accounts integer not null default 0,
    invoices integer not null default 0,
    failures jsonb not null default '[]', -- [{"tenant_id", "code", "detail"}]
    created_by text collate "C" not null,
    created_at timestamptz not null default now(),
    ended_at timestamptz
);
comment on table billing_runs is 'domain: billing; attempts to bill a month';
create index billing_runs_period on billing_runs (period, id);
grant select, insert on billing_runs to bccd_operator;
grant select, update on billing_runs to bccd_jobs;
call protect_platform_table('billing_runs');
call audit_table('billing_runs');

create table invoice_series (
    series text collate "C" primary key,
    last bigint not null default 0
);
comment on table invoice_series is 'domain: billing; the last number given, a series; advanced in the finalizing transaction';
grant select, insert, update on invoice_series to bccd_operator, bccd_jobs;
call protect_platform_table('invoice_series');

create table invoices (
    tenant_id text collate "C" not null references tenants,
    id text collate "C" not null unique,
    period text collate "C" not null, -- of a credit note: that in which it was written
    kind text collate "C" not null default 'period' check (kind in ('period', 'credit_note')),
    state text collate "C" not null default 'draft' check (state in ('draft', 'finalized')),
    number text collate "C" unique, -- "BCC-2026-000001", given when it is finalized
    currency currency_code not null,
    net exact not null default 0,
    tax exact not null default 0,
    total exact not null default 0,
    buyer jsonb not null, -- names, tax number and address, as they were
    period_starts_at timestamptz not null,
    period_ends_at timestamptz not null,
    time_zone text not null,
    finalized_at timestamptz,
    due_on date,
    run_id text collate "C" references billing_runs,
    credits text collate "C", -- of a credit note: the invoice whose lines it takes back
    reason text not null default '' check (length(reason) <= 1000),
    external_id text collate "C",
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, external_id),
    foreign key (tenant_id, credits) references invoices (tenant_id, id),
    check (id like case kind when 'period' then 'inv\_%' else 'crn\_%' end),
    check ((kind = 'credit_note') = (credits is not null)),
    check (total = net + tax),
    check ((state = 'finalized') = (number is not null and finalized_at is not null))
);
comment on table invoices is 'domain: billing; one for a billing account and cycle, and credit notes; never changed once finalized';
create unique index invoices_of_period on invoices (tenant_id, period) where kind = 'period';
create index invoices_credits on invoices (tenant_id, credits) where credits is not null;
create index invoices_period on invoices (period, id);

create table invoice_lines (
    tenant_id text collate "C" not null,
    invoice_id text collate "C" not null,
    line integer not null check (line > 0),
    kind text collate "C" not null check (kind in ('recurring', 'usage')),
    correction_of text collate "C", -- the settled month that a late quantity, or a credit, belongs to
    credits_line integer, -- of a credit note: the line of the invoice that it takes back
    resource_id text collate "C" not null,
    offering_id text collate "C" not null references offerings,
    plan_id text collate "C" not null,
    plan_version integer not null,
    charge_code text collate "C" not null,
    description text not null,
    description_en text not null,
    meter_id text collate "C" references meters,
    service_starts_at timestamptz not null,
    service_ends_at timestamptz not null,
    quantity exact not null, -- what was metered, or the share of the period
    unit text not null,
    billed_quantity exact not null, -- after conversion, rounding and free units
    unit_amount exact, -- the price's own unit amount where it has one
    amount exact not null, -- exact
    net exact not null check (net = round(net, 2)),
    tax_category text collate "C" not null,
    tax_rate exact not null,
    tax exact not null check (tax = round(tax, 2)),
    price jsonb not null,
    steps jsonb not null,
    primary key (tenant_id, invoice_id, line),
    foreign key (tenant_id, invoice_id) references invoices (tenant_id, id) on delete cascade,
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    foreign key (plan_id, plan_version) references plan_versions (plan_id, number)
);
comment on table invoice_lines is 'domain: billing; each rounded once, with the exact amount beside it';

grant select on invoices, invoice_lines to bccd_tenant;
grant select, insert, update on invoices, invoice_lines to bccd_operator; -- credit notes
grant select, insert, update, delete on invoices, invoice_lines to bccd_jobs;
call protect_tenant_table('invoices');
call protect_tenant_table('invoice_lines');
-- A tenant sees no drafts.
create policy finalized on invoices as restrictive to bccd_tenant using (state = 'finalized');
call audit_table('invoices');

-- The ledger: balanced entries, posted with what they belong to. Debits are positive.
create table ledger_entries (
    tenant_id text collate "C" not null references tenants,
    number bigint generated always as identity unique,
    period text collate "C" not null,
    posted_on date not null,
    kind text collate "C" not null check (kind in ('invoice', 'credit_note')),
    invoice_id text collate "C" not null,
    description text not null,
    primary key (tenant_id, number),
    unique (tenant_id, invoice_id, kind),
    foreign key (tenant_id, invoice_id) references invoices (tenant_id, id)
);
comment on table ledger_entries is 'domain: ledger; journal entries, each balanced';
create index ledger_entries_period on ledger_entries (period, number);

create table ledger_postings (
    tenant_id text collate "C" not null,
    entry bigint not null,
    posting integer not null check (posting > 0),
    account text collate "C" not null check (account ~ '^[a-z]+(:[a-z0-9_-]+)*$'),
    currency currency_code not null,
    amount exact not null check (amount = round(amount, 2)),
    primary key (tenant_id, entry, posting),
    foreign key (tenant_id, entry) references ledger_entries (tenant_id, number)
);
comment on table ledger_postings is 'domain: ledger; the sides of an entry; their sum is zero';

create function ledger_balanced() returns trigger
    language plpgsql
as $$
begin
    if exists (select from ledger_postings where tenant_id = new.tenant_id and entry = new.entry
               group by currency having sum(amount) <> 0) then
        raise exception using errcode = '23514', constraint = 'ledger_balanced',
            message = format('ledger entry %s is not balanced', new.entry);
    end if;
    return null;
end
$$;
create constraint trigger balanced after insert on ledger_postings
    deferrable initially deferred for each row execute function ledger_balanced();

grant select, insert on ledger_entries, ledger_postings to bccd_operator, bccd_jobs;
call protect_tenant_table('ledger_entries');
call protect_tenant_table('ledger_postings');

-- What is final stays: every role is refused, the owner included.
create function refuse_change_of_final() returns trigger
    language plpgsql
as $$
begin
    raise exception using errcode = 'BC422', message = 'immutable',
        detail = format('%s: what is finalized or closed never changes.', tg_table_name);
end
$$;
-- The name under which another system knows an invoice comes later, and is not what was billed.
create trigger immutable before update on invoices for each row
    when (old.state = 'finalized'
          and to_jsonb(old) - array['external_id', 'version'] <> to_jsonb(new) - array['external_id', 'version'])
    execute function refuse_change_of_final();
create trigger undeletable before delete on invoices for each row
    when (old.state = 'finalized') execute function refuse_change_of_final();
create trigger immutable before update or delete on periods for each row
    when (old.state = 'closed') execute function refuse_change_of_final();
create trigger immutable before update or delete on ledger_entries for each row
    execute function refuse_change_of_final();
create trigger immutable before update or delete on ledger_postings for each row
    execute function refuse_change_of_final();

create function refuse_line_of_final() returns trigger
    language plpgsql
as $$
begin
    if exists (select from invoices i
               where i.state = 'finalized'
                 and (i.tenant_id = old.tenant_id and i.id = old.invoice_id
                      or i.tenant_id = new.tenant_id and i.id = new.invoice_id)) then
        raise exception using errcode = 'BC422', message = 'immutable',
            detail = 'A finalized invoice''s lines never change.';
    end if;
    return coalesce(new, old);
end
$$;
create trigger immutable before insert or update or delete on invoice_lines for each row
    execute function refuse_line_of_final();

-- A tenant's month is settled from its final invoice on, and everybody's from the close.
create function period_is_settled(of_tenant text, named text) returns boolean
    language sql stable
    return period_is_closed(named)
        or exists (select from invoices i
                   where i.tenant_id = of_tenant and i.period = named and i.kind = 'period'
                     and i.state = 'finalized');

-- The month, in the operator's zone, that a point in time lies in.
create function period_of(at timestamptz) returns text
    language sql stable
    return (select to_char(at at time zone p.time_zone, 'YYYY-MM') from platform p);

-- The month in which a tenant's usage of `at` counts: its own until that is settled, else the first one after it
-- that is not. The writer holds lock_period_shared meanwhile.
create function counting_period(of_tenant text, at timestamptz) returns text
    language plpgsql stable
as $$
declare
    named text := period_of(at);
begin
    while period_is_settled(of_tenant, named) loop
        named := period_after(named, 1);
    end loop;
    return named;
end
$$;

-- Into a settled month nothing is written: one look a statement, for each month of what it inserted.
create function refuse_settled_period() returns trigger
    language plpgsql
as $$
declare
    settled text := (
        select min(i.period)
        from (select distinct tenant_id, period from inserted) i
        where period_is_settled(i.tenant_id, i.period));
begin
    if settled is not null then
        raise exception using errcode = 'BC422', message = 'period_settled',
            detail = format('The period %s is settled; nothing is written into it.', settled);
    end if;
    return null;
end
$$;

create function refuse_closed_period() returns trigger
    language plpgsql
as $$
begin
    if period_is_closed(new.period) then
        raise exception using errcode = 'BC422', message = 'period_closed',
            detail = format('The period %s is closed; nothing is written into it.', new.period);
    end if;
    return new;
end
$$;

-- What counts from a time in a settled month would change what was billed.
create function refuse_settled_transition() returns trigger
    language plpgsql
as $$
begin
    perform lock_usage_periods(new.effective_at, greatest(new.effective_at, now()));
    if exists (select from periods p
               where p.state = 'closed' and p.period >= period_of(new.effective_at))
       or exists (select from invoices i
                  where i.tenant_id = new.tenant_id and i.kind = 'period' and i.state = 'finalized'
                    and i.period >= period_of(new.effective_at)) then
        raise exception using errcode = 'BC422', message = 'period_settled',
            detail = format('The period %s, or one after it, is settled; let it count from a later time.',
                            period_of(new.effective_at));
    end if;
    return new;
end
$$;
create trigger settled_period before insert on resource_transitions for each row
    execute function refuse_settled_transition();
create trigger open_period before insert or update of state, period on invoices for each row
    execute function refuse_closed_period();
create trigger open_period before insert on ledger_entries for each row
    execute function refuse_closed_period();
create trigger settled_period after insert on usage_deltas referencing new table as inserted
    for each statement execute function refuse_settled_period();
create trigger settled_period after insert on events referencing new table as inserted
    for each statement execute function refuse_settled_period();

-- The next number of a series: "BCC-2026-000001". It is taken in the transaction that finalizes and given back with
-- it, so there are no gaps.
create function next_number(of_series text) returns text
    language sql volatile
    begin atomic
        insert into invoice_series as s (series, last) values (of_series, 1)
        on conflict (series) do update set last = s.last + 1
        returning s.series || '-' || lpad(s.last::text, 6, '0');
    end;

-- What becomes final is posted in the same transaction: receivable against revenue by kind of resource, and output
-- tax. The amounts of a credit note are negative.
create function post_final_invoice() returns trigger
    language plpgsql
as $$
declare
    posted bigint;
begin
    insert into ledger_entries (tenant_id, period, posted_on, kind, invoice_id, description)
    values (new.tenant_id, new.period,
            case new.kind when 'period' then (new.period_ends_at at time zone new.time_zone)::date - 1
                          else (new.finalized_at at time zone new.time_zone)::date end,
            case new.kind when 'period' then 'invoice' else 'credit_note' end, new.id, new.number)
    returning number into posted;
    insert into ledger_postings (tenant_id, entry, posting, account, currency, amount)
    select new.tenant_id, posted, row_number() over (order by side.place, side.account),
           side.account, new.currency, side.amount
    from (
        select 1 as place, 'assets:receivable:' || t.code as account, new.total as amount
        from tenants t where t.id = new.tenant_id
        union all
        select 2, 'revenue:' || o.kind, -sum(l.net)
        from invoice_lines l join offerings o on o.id = l.offering_id
        where l.tenant_id = new.tenant_id and l.invoice_id = new.id
        group by o.kind
        union all
        select 3, 'liabilities:vat-output', -new.tax where new.tax <> 0
    ) side;
    return null;
end
$$;
create trigger posted after update on invoices for each row
    when (old.state = 'draft' and new.state = 'finalized') execute function post_final_invoice();

-- ---- Credit notes ----

-- Writes a credit note over a final invoice: over the lines that the body names, each with the net that is taken
-- back, or over all that is left of it. It counts in the month in which it is written. Tax is that of the original:
-- what takes back the rest of a line takes back the rest of its tax. Refuses with BC422; no row: no such invoice.
create function credit_invoice(new_id text, body jsonb) returns setof invoices
    language plpgsql
as $$
declare
    target invoices;
    noted invoices;
    zone text := (select p.time_zone from platform p);
    wrong text;
begin
    select i.tenant_id, i.id, i.period, i.kind, i.state, i.number, i.currency, i.buyer into
        target.tenant_id, target.id, target.period, target.kind, target.state, target.number, target.currency,
        target.buyer
    from invoices i where i.id = body ->> 'invoice_id' for update;
    if not found then
        return;
    end if;
    if target.kind <> 'period' or target.state <> 'finalized' then
        raise exception using errcode = 'BC422', message = 'state_conflict',
            detail = 'A credit note is written over a finalized invoice.';
    end if;
    perform lock_usage_periods(now(), now());
    noted.period := counting_period(target.tenant_id, now());
    insert into invoices (tenant_id, id, period, kind, currency, buyer, period_starts_at, period_ends_at, time_zone,
                          credits, reason)
    values (target.tenant_id, new_id, noted.period, 'credit_note', target.currency, target.buyer,
            period_start(noted.period, zone), period_end(noted.period, zone), zone, target.id, body ->> 'reason');
    with standing as (
        select l.line, l.net + coalesce(sum(c.net), 0) as net, l.tax + coalesce(sum(c.tax), 0) as tax
        from invoice_lines l
        left join invoices n on n.tenant_id = l.tenant_id and n.credits = l.invoice_id and n.state = 'finalized'
        left join invoice_lines c on c.tenant_id = n.tenant_id and c.invoice_id = n.id and c.credits_line = l.line
        where l.tenant_id = target.tenant_id and l.invoice_id = target.id
        group by l.line, l.net, l.tax
    ), asked as (
        select w.line, w.net, w.place
        from rows from (jsonb_to_recordset(body -> 'lines') as (line integer, net numeric))
             with ordinality as w(line, net, place)
        where body ? 'lines'
        union all
        select s.line, s.net, null from standing s where not body ? 'lines' and s.net <> 0
    ), wanted as (
        select a.line, a.net, a.place, s.net as left_net, s.tax as left_tax,
               case when s.line is null then 'the invoice has no such line'
                    when a.net <> round(a.net, 2) then 'net has more than two decimals'
                    when a.net * sign(s.net) <= 0 or abs(a.net) > abs(s.net)
                        then format('%s is left of it', round(s.net, 2))
                    when count(*) over (partition by a.line) > 1 then 'the line is named twice' end as wrong
        from asked a left join standing s on s.line = a.line
    ), written as (
        insert into invoice_lines (
            tenant_id, invoice_id, line, kind, correction_of, credits_line, resource_id, offering_id, plan_id,
            plan_version, charge_code, description, description_en, meter_id, service_starts_at, service_ends_at,
            quantity, unit, billed_quantity, amount, net, tax_category, tax_rate, tax, price, steps)
        select l.tenant_id, new_id, row_number() over (order by l.line), l.kind, target.period, l.line, l.resource_id,
               l.offering_id, l.plan_id, l.plan_version, l.charge_code, '冲减 · ' || l.description,
               'Credit · ' || l.description_en, l.meter_id, l.service_starts_at, l.service_ends_at, 0, l.unit, 0,
               -w.net, -w.net, l.tax_category, l.tax_rate,
               -case when w.net = w.left_net then w.left_tax
                     else sign(w.net) * least(abs(round(w.net * l.tax_rate, 2)), abs(w.left_tax)) end,
               l.price, jsonb_build_array(jsonb_build_object(
                   'step', 'credit', 'invoice', target.number, 'line', l.line, 'amount', (-w.net)::text))
        from wanted w
        join invoice_lines l on l.tenant_id = target.tenant_id and l.invoice_id = target.id and l.line = w.line
        where not exists (select from wanted x where x.wrong is not null)
    )
    select min(format('/lines/%s: %s.', w.place - 1, w.wrong)) filter (where w.wrong is not null) into wrong
    from wanted w;
    if wrong is null and not exists (
        select from invoice_lines l where l.tenant_id = target.tenant_id and l.invoice_id = new_id) then
        wrong := 'All of the invoice has been taken back.';
    end if;
    if wrong is not null then
        raise exception using errcode = 'BC422', message = 'credit_refused', detail = wrong;
    end if;
    return query
    update invoices i
    set net = s.net, tax = s.tax, total = s.net + s.tax, state = 'finalized', finalized_at = clock_timestamp(),
        number = next_number('BCC-CN-' || left(noted.period, 4))
    from (select sum(l.net) as net, sum(l.tax) as tax
          from invoice_lines l where l.tenant_id = target.tenant_id and l.invoice_id = new_id) s
    where i.tenant_id = target.tenant_id and i.id = new_id
    returning i.tenant_id, i.id, i.period, i.kind, i.state, i.number, i.currency, i.net, i.tax, i.total, i.buyer,
              i.period_starts_at, i.period_ends_at, i.time_zone, i.finalized_at, i.due_on, i.run_id, i.credits,
              i.reason, i.external_id, i.version, i.created_at;
end
$$;
