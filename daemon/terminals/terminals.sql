-- The operator's inventory of terminals. Moves are functions of the schema (0018_terminal_moves.sql). Book values
-- and days overdue change with the calendar alone: `changes` keeps an ETag from saying that nothing did.

-- statement: list_terminals
select t.id as cursor, terminal_document(t) as document
from terminals t
where (:tenant::text is null or t.holder_tenant_id = :tenant)
  and (:state::text is null or t.state = any (string_to_array(:state, ',')))
  and (:model::text is null or t.model = :model)
  and (:asset_tag::text is null or t.asset_tag = :asset_tag)
  and (:serial::text is null or t.serial = :serial)
  and (:external_id::text is null or t.external_id = :external_id)
  and (:location::text is null or t.location = :location)
  and (:category::text is null or t.model in (select m.name from terminal_models m where m.category = :category))
  and (:overdue::boolean is null
       or (t.state = 'rented' and coalesce(t.due_on < platform_today(), false)) = :overdue::boolean)
  and (:due_on_lt::date is null or t.due_on < :due_on_lt::date)
{{page t.id}}

-- statement: get_terminal
select terminal_document(t) as document, t.version, true as changes from terminals t where t.id = :terminal_id

-- fragment: terminal_columns(b)
b.asset_tag, b.serial, b.model, coalesce(b.condition, 'new'), b.location,
(b.purchase_price ->> 'amount')::numeric, b.purchase_price ->> 'currency', b.purchased_on,
b.external_id, coalesce(b.metadata, '{}')

-- fragment: receive_terminals(made)
insert into terminal_movements (terminal_id, number, action, to_state, condition, actor)
select m.id, 1, 'receive', m.state, m.condition, :actor from made m

-- statement: create_terminal keyed
with made as (
    insert into terminals (id, asset_tag, serial, model, condition, location, purchase_price,
                           purchase_currency, purchased_on, external_id, metadata)
    select :new_trm, {{terminal_columns b}}
    from json_to_record(:body::json) as b(
        asset_tag text, serial text, model text, condition text, location text,
        purchase_price json, purchased_on date, external_id text, metadata jsonb)
    returning id, state, condition, version, terminal_document(terminals) as document
), received as (
    {{receive_terminals made}}
)
select m.document, m.version, '/v1/terminals/' || m.id as location from made m

-- statement: update_terminal
with target as (
    select t.id, t.version from terminals t where t.id = :terminal_id for update
), changed as (
    update terminals t
    set asset_tag = coalesce(b.body ->> 'asset_tag', t.asset_tag),
        serial = coalesce(b.body ->> 'serial', t.serial),
        model = coalesce(b.body ->> 'model', t.model),
        condition = coalesce(b.body ->> 'condition', t.condition),
        location = coalesce(b.body ->> 'location', t.location),
        purchase_price = case when b.body ? 'purchase_price'
                              then (b.body #>> '{purchase_price,amount}')::numeric
                              else t.purchase_price end,
        purchase_currency = case when b.body ? 'purchase_price'
                                 then b.body #>> '{purchase_price,currency}'
                                 else t.purchase_currency end,
        purchased_on = case when b.body ? 'purchased_on' then (b.body ->> 'purchased_on')::date
                            else t.purchased_on end,
        external_id = case when b.body ? 'external_id' then b.body ->> 'external_id'
                           else t.external_id end,
        metadata = coalesce(b.body -> 'metadata', t.metadata),
        version = t.version + 1, updated_at = now()
    from target, (select :body::jsonb as body) b
    where t.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning t.id, t.version, terminal_document(t) as document
)
select case when c.id is null then 'stale' else 'ok' end as outcome, c.document, c.version
from target left join changed c on c.id = target.id

-- statement: act_on_terminal keyed
select a.document, a.version
from terminal_act(:actor, :terminal_id, :action, :if_match::bigint, :body::jsonb) a

-- statement: swap_terminal keyed
select a.document, a.version from terminal_swap(:actor, :terminal_id, :body::jsonb) a

-- statement: reserve_any_terminal keyed
select a.document, a.version from terminal_reserve_any(:actor, :body::jsonb) a

-- statement: list_deposits
select d.id as cursor, deposit_document(d) as document
from terminal_deposits d
where {{own d}} and (:resource_id::text is null or d.resource_id = :resource_id)
{{page d.id}}

-- statement: find_labels
select t.asset_tag, t.model
from json_array_elements_text(:body::json -> 'terminals') with ordinality as w(id, place)
left join terminals t on t.id = w.id
order by w.place

-- statement: list_terminal_history
select m.number as cursor, json_build_object(
    'number', m.number, 'action', m.action, 'from_state', m.from_state, 'to_state', m.to_state,
    'condition', m.condition, 'note', m.note, 'signed_by', m.signed_by,
    'other_terminal_id', m.other_terminal_id, 'tenant_id', m.holder_tenant_id,
    'resource_id', m.resource_id, 'actor', m.actor, 'at', instant_text(m.at)) as document
from (select t.id from terminals t where t.id = :terminal_id) t
left join terminal_movements m on m.terminal_id = t.id
{{page_by_number m.number}}

-- statement: import_terminals
-- All rows or none: gives the fields that would stand twice, or whose model is retired, and writes only
-- when there is none. Models and locations are registered before, once for all rows.
with sent as (
    select b.row, b.id, b.asset_tag, b.serial, b.model, b.condition, b.location, b.purchase_price,
           b.purchased_on, b.external_id, '{}'::jsonb as metadata
    from json_to_recordset(:rows::json) as b(
        row integer, id text, asset_tag text, serial text, model text, condition text,
        location text, purchase_price json, purchased_on date, external_id text)
), unique_field as (
    select s.row, f.field, f.value
    from sent s cross join lateral (
        values ('asset_tag', s.asset_tag), ('serial', s.serial), ('external_id', s.external_id)
    ) as f(field, value)
    where f.value is not null
), twice as (
    select u.row, u.field
    from (
        select u.row, u.field,
               row_number() over (partition by u.field, u.value order by u.row) as place
        from unique_field u) u
    where u.place > 1
    union
    select s.row, 'asset_tag' from sent s join terminals t on t.asset_tag = s.asset_tag
    union
    select s.row, 'serial' from sent s join terminals t on t.serial = s.serial
    union
    select s.row, 'external_id' from sent s join terminals t on t.external_id = s.external_id
), wrong as (
    select t.row, t.field, 'conflict_unique' as code from twice t
    union all
    select s.row, 'model', 'state_conflict'
    from sent s join terminal_models m on m.name = s.model
    where m.state = 'retired'
), registered as (
    select register_terminal_names(array(select s.model from sent s), array(select s.location from sent s))
    where not :dry_run::boolean and not exists (select from wrong)
), made as (
    insert into terminals (id, asset_tag, serial, model, condition, location, purchase_price,
                           purchase_currency, purchased_on, external_id, metadata)
    select b.id, {{terminal_columns b}}
    from sent b cross join registered
    returning id, state, condition
), received as (
    {{receive_terminals made}}
)
select w.row, w.field, w.code from wrong w order by w.row, w.field limit :errors_limit::integer

-- statement: export_terminals
select t.asset_tag, t.serial, t.model, t.condition, t.state, coalesce(t.location, '') as location,
       number_text(t.purchase_price) as purchase_price, t.purchase_currency, t.purchased_on,
       t.external_id, t.holder_tenant_id as tenant_id, t.resource_id, t.due_on,
       terminal_value_today(t) as book_value
from terminals t
where (:state::text is null or t.state = any (string_to_array(:state, ',')))
  and (:model::text is null or t.model = :model)
order by t.asset_tag
limit :rows_limit::integer
