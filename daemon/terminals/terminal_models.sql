-- Models and locations of terminals. Changes are functions of the schema (0018_terminal_moves.sql), since a new
-- name goes to the terminals that say it. How many those are changes without a version: see `changes`.

-- statement: list_terminal_models
select m.id as cursor, terminal_model_document(m) as document
from terminal_models m
where (:name::text is null or m.name = :name)
  and (:category::text is null or m.category = :category)
  and (:state::text is null or m.state = :state)
{{page m.id}}

-- statement: get_terminal_model
select terminal_model_document(m) as document, m.version, true as changes
from terminal_models m where m.id = :terminal_model_id

-- statement: create_terminal_model keyed
with made as (
    insert into terminal_models (
        id, name, maker, category, purchase_price, purchase_currency, depreciation_months, residual_percent,
        lost_after_days, overdue_day_rate, overdue_currency, deposit, deposit_currency, dispute_days, metadata)
    select :new_mdl, b.name, coalesce(b.maker, ''), coalesce(b.category, 'other'),
           (b.purchase_price ->> 'amount')::numeric, b.purchase_price ->> 'currency', b.depreciation_months,
           coalesce(b.residual_percent, 0), coalesce(b.lost_after_days, 30),
           (b.overdue_day_rate ->> 'amount')::numeric, b.overdue_day_rate ->> 'currency',
           (b.deposit ->> 'amount')::numeric, b.deposit ->> 'currency', coalesce(b.dispute_days, 14),
           coalesce(b.metadata, '{}')
    from json_to_record(:body::json) as b(
        name text, maker text, category text, purchase_price json, depreciation_months integer,
        residual_percent integer, lost_after_days integer, overdue_day_rate json, deposit json, dispute_days integer,
        metadata jsonb)
    returning id, version, terminal_model_document(terminal_models) as document
)
select m.document, m.version, '/v1/terminal-models/' || m.id as location from made m

-- statement: update_terminal_model
select c.document, c.version
from terminal_model_change(:terminal_model_id, :if_match::bigint, :body::jsonb) c

-- statement: set_terminal_model_state keyed
select c.document, c.version from terminal_model_set_state(:terminal_model_id, :new_state) c

-- statement: list_terminal_locations
select l.id as cursor, terminal_location_document(l) as document
from terminal_locations l
where (:name::text is null or l.name = :name)
  and (:kind::text is null or l.kind = :kind)
{{page l.id}}

-- statement: get_terminal_location
select terminal_location_document(l) as document, l.version, true as changes
from terminal_locations l where l.id = :terminal_location_id

-- statement: create_terminal_location keyed
with made as (
    insert into terminal_locations (id, name, kind, address, note)
    select :new_loc, b.name, coalesce(b.kind, 'warehouse'), coalesce(b.address, ''), coalesce(b.note, '')
    from json_to_record(:body::json) as b(name text, kind text, address text, note text)
    returning id, version, terminal_location_document(terminal_locations) as document
)
select m.document, m.version, '/v1/terminal-locations/' || m.id as location from made m

-- statement: update_terminal_location
select c.document, c.version
from terminal_location_change(:terminal_location_id, :if_match::bigint, :body::jsonb) c
