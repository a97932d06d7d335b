-- Credits for missed service levels, which flow into the bill by rule.
--
-- What a settled month was credited never changes: its bill is checked against what stands in service_credits, and
-- what is found out later is credited on the next bill.
set local role bccd_owner;

alter table invoice_lines drop constraint invoice_lines_kind_check;
alter table invoice_lines add constraint invoice_lines_kind_check
    check (kind in ('one_off', 'recurring', 'usage', 'service_credit'));
alter table invoice_lines alter column price drop not null;
alter table invoice_lines add constraint invoice_lines_price check ((kind = 'service_credit') = (price is null));

-- ---- Rules ----

create domain service_measure as text collate "C" check (value in ('installation', 'interruption'));

-- Each change is a row, so that a month can always be credited by the rules of its time.
create table service_credit_rules (
    id text collate "C" not null check (id like 'scr\_%'),
    version bigint not null default 1,
    name text not null check (length(name) between 1 and 200),
    state text collate "C" not null default 'active' check (state in ('active', 'retired')),
    kind text collate "C" not null check (kind in ('software', 'broadband', 'terminal')),
    offering_id text collate "C" references offerings, -- null: all of the kind
    measure service_measure not null,
    tiers jsonb not null check (jsonb_typeof(tiers) = 'array' and jsonb_array_length(tiers) between 1 and 20),
    notice_hours integer not null check (notice_hours between 0 and 8760),
    place integer not null check (place between 1 and 10000), -- of rules for the same, the lowest applies
    valid_from text collate "C" not null check (valid_from ~ '^2[0-9]{3}-(0[1-9]|1[0-2])$'), -- the first month of this version
    created_by text collate "C" not null,
    created_at timestamptz not null default clock_timestamp(),
    primary key (id, version)
);
comment on table service_credit_rules is 'domain: billing; which share of a month is credited for which lack of service; a row a version';
call protect_platform_table('service_credit_rules');
call audit_table('service_credit_rules');
grant select, insert on service_credit_rules to bccd_operator;
-- A tenant's preview credits by them, too.
create policy tenant on service_credit_rules for select to bccd_tenant using (true);
grant select on service_credit_rules to bccd_tenant, bccd_jobs;

create function service_credit_rule_document(r service_credit_rules) returns json
    language sql stable
as $$
    select json_build_object(
        'id', r.id, 'name', r.name, 'state', r.state, 'kind', r.kind, 'offering_id', r.offering_id, 'measure', r.measure,
        'tiers', r.tiers, 'notice_hours', r.notice_hours, 'place', r.place, 'valid_from', r.valid_from, 'version', r.version,
        'created_at', (select instant_text(f.created_at) from service_credit_rules f where f.id = r.id and f.version = 1),
        'updated_at', instant_text(r.created_at))
$$;

-- A month is not settled while a rule for it is written: whoever settles it sees the rule, or the rule comes too late
-- for it.
create function service_credit_rule_write(rule service_credit_rules) returns table (document json, version bigint)
    language plpgsql
as $$
declare
    zone text := (select p.time_zone from platform p);
begin
    if exists (
        select from (
            select (t.tier ->> 'over_minutes')::integer as over_minutes, (t.tier ->> 'percent')::numeric as percent,
                   lag((t.tier ->> 'over_minutes')::integer) over (order by t.place) as minutes_before,
                   lag((t.tier ->> 'percent')::numeric) over (order by t.place) as percent_before
            from jsonb_array_elements(rule.tiers) with ordinality as t(tier, place)) t
        where t.percent <> round(t.percent, 2) or t.percent not between 1 and 100
           or t.over_minutes <= t.minutes_before or t.percent <= t.percent_before) then
        perform refuse('value_refused', 'tiers must ascend in minutes and in percent, which is 1 to 100 with at most two decimals.');
    elsif rule.offering_id is not null
          and not exists (select from offerings o where o.id = rule.offering_id and o.kind = rule.kind) then
        perform refuse('reference_unknown', 'offering_id must name an offering of the kind.');
    elsif rule.valid_from not between period_after(period_of(now()), -24) and period_after(period_of(now()), 24) then
        perform refuse('value_refused', 'valid_from must be at most 24 months away.');
    end if;
    perform lock_usage_periods(least(period_start(rule.valid_from, zone), now()), now());
    rule.created_at := clock_timestamp();
    insert into service_credit_rules select rule.* on conflict do nothing;
    if not found then -- somebody else has changed it at the same time
        perform refuse('precondition_failed', null);
    end if;
    return query select service_credit_rule_document(r), r.version from service_credit_rules r
                 where r.id = rule.id and r.version = rule.version;
end
$$;

create function service_credit_rule_create(new_id text, by_actor text, body jsonb)
    returns table (document json, version bigint)
    language sql
as $$
    select w.document, w.version
    from service_credit_rule_write((
        new_id, 1, body ->> 'name', 'active', body ->> 'kind', body ->> 'offering_id', body ->> 'measure', body -> 'tiers',
        coalesce((body ->> 'notice_hours')::integer, 72), coalesce((body ->> 'place')::integer, 100),
        coalesce(body ->> 'valid_from', period_of(now())), by_actor, null)::service_credit_rules) w
$$;

-- A change counts from the present month on, where it does not say from when.
create function service_credit_rule_update(of_rule text, seen_version bigint, by_actor text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    rule service_credit_rules;
begin
    select r.* into rule from service_credit_rules r where r.id = of_rule order by r.version desc limit 1;
    if not found then
        return;
    elsif seen_version <> rule.version then
        perform refuse('precondition_failed', null);
    end if;
    rule.version := rule.version + 1;
    rule.name := coalesce(body ->> 'name', rule.name);
    rule.state := coalesce(body ->> 'state', rule.state);
    rule.tiers := coalesce(body -> 'tiers', rule.tiers);
    rule.notice_hours := coalesce((body ->> 'notice_hours')::integer, rule.notice_hours);
    rule.place := coalesce((body ->> 'place')::integer, rule.place);
    rule.valid_from := coalesce(body ->> 'valid_from', period_of(now()));
    rule.created_by := by_actor;
    return query select w.document, w.version from service_credit_rule_write(rule) w;
end
$$;

-- The rule that a resource's month is credited by: that of its offering before that of its kind, each in the last
-- version that was written for the month before it was settled.
create function service_credit_rule_of(of_kind text, of_offering text, of_measure text, month text, settled_at timestamptz)
    returns setof service_credit_rules
    language sql stable
as $$
    select r.* from service_credit_rules r
    where r.kind = of_kind and r.measure = of_measure and r.state = 'active'
      and (r.offering_id is null or r.offering_id = of_offering)
      and r.version = (select max(v.version) from service_credit_rules v
                       where v.id = r.id and v.valid_from <= month and v.created_at < settled_at)
    order by r.offering_id is null, r.place, r.id
    limit 1
$$;

-- ---- What was credited ----

create table service_credits (
    tenant_id text collate "C" not null,
    number bigint generated always as identity unique,
    invoice_id text collate "C" not null,
    line integer not null,
    resource_id text collate "C" not null,
    period text collate "C" not null, -- the month whose service was missed
    measure service_measure not null,
    rule_id text collate "C" not null,
    rule_version bigint not null,
    minutes bigint not null check (minutes > 0),
    percent exact not null check (percent > 0 and percent <= 100), -- of the month; with what the other measure left
    facts jsonb not null, -- all that the amount was computed from, but the bill's own lines
    primary key (tenant_id, invoice_id, line),
    foreign key (tenant_id, invoice_id, line) references invoice_lines (tenant_id, invoice_id, line) on delete cascade,
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    foreign key (rule_id, rule_version) references service_credit_rules (id, version)
);
comment on table service_credits is 'domain: billing; what each month of a resource was credited, and on which line';
create index service_credits_resource on service_credits (tenant_id, resource_id, period);
call protect_tenant_table('service_credits');
grant select on service_credits to bccd_tenant, bccd_operator;
grant select, insert on service_credits to bccd_jobs;
create trigger immutable before insert or update or delete on service_credits for each row
    execute function refuse_line_of_final();

-- ---- What was missed ----

-- When a resource was active.
create function active_time(of_tenant text, of_resource text) returns tstzmultirange
    language sql stable
as $$
    select coalesce(range_agg(tstzrange(a.starts_at, a.ends_at)), '{}')
    from (select t.to_state, t.effective_at as starts_at, lead(t.effective_at) over (order by t.number) as ends_at
          from resource_transitions t
          where t.tenant_id = of_tenant and t.resource_id = of_resource) a
    where a.to_state = 'active' and (a.ends_at is null or a.starts_at < a.ends_at)
$$;

-- Maintenance of a resource that was announced in time.
create function announced_maintenance(of_tenant text, of_resource text, notice_hours integer, during tstzrange)
    returns table (id text, at tstzrange)
    language sql stable
as $$
    select m.id, tstzrange(m.starts_at, m.ends_at) * during
    from maintenance_resources w join maintenances m on m.id = w.maintenance_id
    where w.tenant_id = of_tenant and w.resource_id = of_resource and m.state in ('announced', 'done')
      and m.announced_at <= m.starts_at - make_interval(hours => notice_hours)
      and tstzrange(m.starts_at, m.ends_at) && during
$$;

-- Interruptions by their tickets, once the operator has acknowledged them; one that has not ended lasts.
create function ticket_interruptions(of_tenant text, of_resource text, during tstzrange)
    returns table (id text, at tstzrange)
    language sql stable
as $$
    select t.id, tstzrange(t.interrupted_from, t.interrupted_until) * during
    from tickets t
    where t.tenant_id = of_tenant and t.resource_id = of_resource and t.interrupted_from is not null
      and t.state <> 'open' and tstzrange(t.interrupted_from, t.interrupted_until) && during
$$;

-- The time without service: whatever any ticket says, once, while the resource was active, less what was announced.
create function interrupted_time(of_tenant text, of_resource text, notice_hours integer, during tstzrange)
    returns tstzmultirange
    language sql stable
as $$
    select (select coalesce(range_agg(t.at), '{}') from ticket_interruptions(of_tenant, of_resource, during) t)
           * active_time(of_tenant, of_resource)
           - (select coalesce(range_agg(m.at), '{}') from announced_maintenance(of_tenant, of_resource, notice_hours, during) m)
$$;

-- Whole minutes.
create function time_minutes(measured tstzmultirange) returns bigint
    language sql immutable
as $$
    select coalesce(floor(sum(extract(epoch from upper(r) - lower(r))) / 60), 0)::bigint from unnest(measured) r
$$;

create function range_document(at tstzrange) returns jsonb
    language sql immutable
    return jsonb_build_object('from', instant_text(lower(at)), 'until', instant_text(upper(at)));

-- What an explanation shows of a rule, as it was applied.
create function service_credit_facts(rule service_credit_rules, month text, minutes bigint) returns jsonb
    language sql stable
    return jsonb_build_object(
        'period', month, 'measure', rule.measure, 'minutes', minutes,
        'rule', jsonb_build_object('id', rule.id, 'version', rule.version, 'name', rule.name, 'tiers', rule.tiers,
                                   'notice_hours', rule.notice_hours));

-- Of what was counted, the first 200 each. Null: nothing was missed.
create function interruption_facts(of_tenant text, of_resource text, rule service_credit_rules, month text, during tstzrange)
    returns jsonb
    language plpgsql stable
as $$
declare
    missed tstzmultirange := interrupted_time(of_tenant, of_resource, rule.notice_hours, during);
    minutes bigint := time_minutes(missed);
begin
    if minutes = 0 then
        return null;
    end if;
    return service_credit_facts(rule, month, minutes) || jsonb_build_object(
        'intervals', (select jsonb_agg(range_document(r.at) order by r.at)
                      from (select r.at from unnest(missed) as r(at) order by r.at limit 200) r),
        'tickets', (select jsonb_agg(range_document(t.at) || jsonb_build_object('id', t.id) order by t.id)
                    from (select i.id, i.at from ticket_interruptions(of_tenant, of_resource, during) i
                          order by i.id limit 200) t),
        'maintenances', (
            select coalesce(jsonb_agg(range_document(m.at) || jsonb_build_object('id', m.id) order by m.id), '[]')
            from (select a.id, a.at from announced_maintenance(of_tenant, of_resource, rule.notice_hours, during) a
                  order by a.id limit 200) m));
end
$$;

-- The work that made a resource active in a month, later than it was promised.
create function late_installations(of_tenant text, during tstzrange)
    returns table (resource_id text, work_order_id text, due_at timestamptz, done_at timestamptz, minutes bigint)
    language sql stable
as $$
    select distinct on (x.resource_id) x.resource_id, w.id, w.completion_due_at, w.done_at,
           business_minutes(w.completion_due_at, w.done_at)
    from work_orders w
    join work_order_resources x on x.tenant_id = w.tenant_id and x.work_order_id = w.id
    join resource_transitions t on t.tenant_id = x.tenant_id and t.resource_id = x.resource_id
        and t.to_state = 'active' and t.from_state = 'provisioning' and t.reason = w.id
    where w.tenant_id = of_tenant and w.kind in ('install', 'deliver') and w.state = 'closed_complete'
      and during @> w.done_at and w.done_at > w.completion_due_at
    order by x.resource_id, w.done_at
$$;

-- ---- What is to be credited ----

-- On the bill of a month that is not settled: of the month itself. The base is the bill's own lines.
create function own_service_credits(of_tenant text, month text, during tstzrange)
    returns table (resource_id text, credit jsonb)
    language sql stable
as $$
    select r.id, f.facts
    from (select distinct t.resource_id from tickets t
          where t.tenant_id = of_tenant and tstzrange(t.interrupted_from, t.interrupted_until) && during
            and t.interrupted_from is not null and t.state <> 'open') t
    join resources r on r.tenant_id = of_tenant and r.id = t.resource_id
    cross join lateral service_credit_rule_of(r.kind, r.offering_id, 'interruption', month, 'infinity') rule
    cross join lateral interruption_facts(of_tenant, r.id, rule, month, during) as f(facts)
    where f.facts is not null
    union all
    select r.id, service_credit_facts(rule, month, l.minutes) || jsonb_build_object(
               'work_order_id', l.work_order_id, 'due_at', instant_text(l.due_at), 'done_at', instant_text(l.done_at))
    from late_installations(of_tenant, during) l
    join resources r on r.tenant_id = of_tenant and r.id = l.resource_id
    cross join lateral service_credit_rule_of(r.kind, r.offering_id, 'installation', month, 'infinity') rule
    where l.minutes > 0
$$;

-- What of a final invoice's lines credits are a share of: what is charged for time, less what was taken back of it.
create function creditable_lines(of_tenant text, of_invoice text, of_resource text)
    returns table (plan_id text, plan_version integer, tax_category text, tax_rate numeric, base jsonb)
    language sql stable
as $$
    select (array_agg(l.plan_id order by l.line))[1], (array_agg(l.plan_version order by l.line))[1], l.tax_category,
           l.tax_rate, jsonb_agg(jsonb_build_object('line', l.line, 'charge_code', l.charge_code,
                                                    'net', round(l.net + taken.net, 2)::text) order by l.line)
    from invoice_lines l
    left join meters m on m.id = l.meter_id
    cross join lateral (
        select coalesce(sum(c.net), 0) as net
        from invoices n join invoice_lines c on c.tenant_id = n.tenant_id and c.invoice_id = n.id
        where n.tenant_id = l.tenant_id and n.credits = l.invoice_id and c.credits_line = l.line) taken
    where l.tenant_id = of_tenant and l.invoice_id = of_invoice and l.resource_id = of_resource
      and l.correction_of is null and (l.kind = 'recurring' or m.source = 'derived')
    group by l.tax_category, l.tax_rate
$$;

-- Settled months in which a resource was interrupted, of which something has changed since they ended.
create function reopened_months(of_tenant text, before_month text)
    returns table (invoice_id text, number text, month text, during tstzrange, settled_at timestamptz, resource_id text)
    language sql stable
as $$
    select distinct i.id, i.number, i.period, d.during, i.finalized_at, t.resource_id
    from invoices i
    cross join lateral (select tstzrange(i.period_starts_at, i.period_ends_at) as during) d
    join tickets t on t.tenant_id = i.tenant_id and t.interrupted_from is not null and t.state <> 'open'
        and tstzrange(t.interrupted_from, t.interrupted_until) && d.during
    where i.tenant_id = of_tenant and i.kind = 'period' and i.state = 'finalized' and i.period < before_month
      and (t.updated_at >= i.period_ends_at
           or exists (select from maintenance_resources w join maintenances m on m.id = w.maintenance_id
                      where w.tenant_id = t.tenant_id and w.resource_id = t.resource_id
                        and tstzrange(m.starts_at, m.ends_at) && d.during and m.updated_at >= i.period_ends_at))
$$;

-- On the bill of a month that is not settled: of settled months, the whole of what they come to now, with what they
-- were credited before. When something was installed cannot change after its month was settled.
create function late_service_credits(of_tenant text, before_month text)
    returns table (resource_id text, plan_id text, plan_version integer, tax_category text, tax_rate numeric, credit jsonb)
    language sql stable
as $$
    select r.id, b.plan_id, b.plan_version, b.tax_category, b.tax_rate, f.facts || jsonb_build_object(
               'invoice', m.number, 'base', b.base, 'room', number_text(100 - installed.percent),
               'before', round(before.net, 2)::text)
    from reopened_months(of_tenant, before_month) m
    join resources r on r.tenant_id = of_tenant and r.id = m.resource_id
    cross join lateral service_credit_rule_of(r.kind, r.offering_id, 'interruption', m.month, m.settled_at) rule
    cross join lateral interruption_facts(of_tenant, r.id, rule, m.month, m.during) as f(facts)
    cross join lateral creditable_lines(of_tenant, m.invoice_id, r.id) b
    cross join lateral (
        select coalesce(max(c.percent), 0) as percent from service_credits c
        where c.tenant_id = of_tenant and c.invoice_id = m.invoice_id and c.resource_id = r.id
          and c.measure = 'installation') installed
    cross join lateral (
        select coalesce(-sum(l.net), 0) as net
        from service_credits c
        join invoices i on i.tenant_id = c.tenant_id and i.id = c.invoice_id and i.state = 'finalized'
        join invoice_lines l on l.tenant_id = c.tenant_id and l.invoice_id = c.invoice_id and l.line = c.line
        where c.tenant_id = of_tenant and c.resource_id = r.id and c.period = m.month and c.measure = 'interruption'
          and l.tax_category = b.tax_category and l.tax_rate = b.tax_rate) before
    where f.facts is not null
$$;

-- Of a settled month, what stands on its bill: one row where it is a share of the bill's own lines, else one a line.
create function billed_service_credits(of_tenant text, month text)
    returns table (resource_id text, plan_id text, plan_version integer, tax_category text, tax_rate numeric, credit jsonb)
    language sql stable
as $$
    select distinct on (c.resource_id, c.period, c.measure, case when c.period < month then c.line end)
           c.resource_id, l.plan_id, l.plan_version, l.tax_category, l.tax_rate, c.facts
    from invoices i
    join service_credits c on c.tenant_id = i.tenant_id and c.invoice_id = i.id
    join invoice_lines l on l.tenant_id = c.tenant_id and l.invoice_id = c.invoice_id and l.line = c.line
    where i.tenant_id = of_tenant and i.period = month and i.kind = 'period' and i.state = 'finalized'
$$;

-- In the order of the lines: those of the month itself, which are computed first, then those of earlier ones.
create function service_credits_due(of_tenant text, of_month text)
    returns table (place bigint, resource_id text, plan_id text, plan_version integer, tax_category text,
                   tax_rate numeric, month text, measure text, credit jsonb)
    language plpgsql stable
as $$
declare
    zone text := (select p.time_zone from platform p);
    settled boolean := period_is_settled(of_tenant, of_month);
begin
    return query
    select row_number() over (order by c.credit ->> 'period' < of_month, c.credit ->> 'period', c.resource_id,
                                       c.credit ->> 'measure', c.tax_category, c.tax_rate),
           c.resource_id, c.plan_id, c.plan_version, c.tax_category, c.tax_rate, c.credit ->> 'period',
           c.credit ->> 'measure', c.credit
    from (
        select b.resource_id, b.plan_id, b.plan_version, b.tax_category, b.tax_rate, b.credit
        from billed_service_credits(of_tenant, of_month) b where settled
        union all
        select o.resource_id, null, null, null, null, o.credit
        from own_service_credits(of_tenant, of_month, tstzrange(
            period_start(of_month, zone), least(period_end(of_month, zone), greatest(now(), period_start(of_month, zone))))) o
        where not settled
        union all
        select l.resource_id, l.plan_id, l.plan_version, l.tax_category, l.tax_rate, l.credit
        from late_service_credits(of_tenant, of_month) l where not settled) c;
end
$$;
