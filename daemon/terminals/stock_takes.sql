-- Stock-takes. What they do is in functions of the schema (0019_stock_takes.sql). What is missing changes with
-- the terminals, without a version: see `changes`.

-- statement: list_stock_takes
select s.id as cursor, stock_take_document(s) as document
from stock_takes s
where (:location::text is null or s.location = :location)
  and (:state::text is null or s.state = :state)
{{page s.id}}

-- statement: get_stock_take
select stock_take_document(s) as document, s.version, true as changes from stock_takes s where s.id = :stock_take_id

-- statement: create_stock_take keyed
select c.document, c.version, '/v1/stock-takes/' || :new_stk as location
from stock_take_create(:new_stk, :actor, :body::jsonb) c

-- statement: scan_stock_take keyed
select c.document, c.version from stock_take_scan(:actor, :stock_take_id, :body::jsonb) c

-- statement: close_stock_take keyed
select c.document, c.version from stock_take_close(:actor, :stock_take_id, coalesce(:body::jsonb, '{}')) c

-- statement: cancel_stock_take keyed
select c.document, c.version from stock_take_cancel(:stock_take_id) c

-- statement: list_stock_take_differences
-- Scans are numbered behind all that is expected.
select d.number as cursor, d.document
from (select s.id from stock_takes s where s.id = :stock_take_id) s
left join (
    select o.id, m.number::bigint, json_build_object(
        'number', m.number, 'kind', 'missing', 'code', null, 'terminal_id', t.id, 'asset_tag', t.asset_tag,
        'model', t.model, 'state', null, 'location', null, 'tenant_id', null, 'resource_id', null,
        'at', null) as document
    from stock_takes o cross join lateral stock_take_missing(o) m join terminals t on t.id = m.terminal_id
    where o.id = :stock_take_id
    union all
    select c.stock_take_id, e.expected + c.number, json_build_object(
        'number', e.expected + c.number, 'kind', c.kind, 'code', c.code, 'terminal_id', t.id,
        'asset_tag', t.asset_tag, 'model', t.model, 'state', c.state,
        'location', case when t.id is not null then coalesce(c.location, '') end, 'tenant_id', c.tenant_id,
        'resource_id', c.resource_id, 'at', instant_text(c.at))
    from stock_take_scans c
    left join terminals t on t.id = c.terminal_id
    cross join (select count(*) as expected from stock_take_terminals x where x.stock_take_id = :stock_take_id) e
    where c.stock_take_id = :stock_take_id and c.kind in ('unexpected', 'unknown')) d on d.id = s.id
{{page_by_number d.number}}
