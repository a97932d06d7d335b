-- Access points. A line takes its place there by a trigger (0020_access_points.sql).

-- statement: list_access_points
select a.id as cursor, access_point_document(a) as document
from access_points a
where (:park_id::text is null or a.park_id = :park_id)
  and (:state::text is null or a.state = :state)
  and (:code::text is null or a.code = :code)
{{page a.id}}

-- statement: get_access_point
select access_point_document(a) as document, a.version from access_points a where a.id = :access_point_id

-- statement: create_access_point keyed
with made as (
    insert into access_points (id, code, name, name_en, address, park_id, access_technology, capacity,
                               network_access_server_id, metadata)
    select :new_acp, b.code, b.name, coalesce(b.name_en, ''), coalesce(b.address, ''), b.park_id,
           b.access_technology, b.capacity, b.network_access_server_id, coalesce(b.metadata, '{}')
    from json_to_record(:body::json) as b(
        code text, name text, name_en text, address text, park_id text, access_technology text,
        capacity integer, network_access_server_id text, metadata jsonb)
    returning id, version, access_point_document(access_points) as document
)
select m.document, m.version, '/v1/access-points/' || m.id as location from made m

-- statement: update_access_point
with target as (
    select a.id, a.version, a.lines from access_points a where a.id = :access_point_id for no key update
), body as (
    select :body::jsonb as body
), changed as (
    update access_points a
    set name = coalesce(b.body ->> 'name', a.name), name_en = coalesce(b.body ->> 'name_en', a.name_en),
        address = coalesce(b.body ->> 'address', a.address),
        park_id = case when b.body ? 'park_id' then b.body ->> 'park_id' else a.park_id end,
        access_technology = coalesce(b.body ->> 'access_technology', a.access_technology),
        capacity = coalesce((b.body ->> 'capacity')::integer, a.capacity),
        network_access_server_id = case when b.body ? 'network_access_server_id'
                                        then b.body ->> 'network_access_server_id'
                                        else a.network_access_server_id end,
        metadata = coalesce(b.body -> 'metadata', a.metadata), version = a.version + 1, updated_at = now()
    from target, body b
    where a.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
      and coalesce((b.body ->> 'capacity')::integer >= target.lines, true)
    returning a.id, a.version, access_point_document(a) as document
)
select case when c.id is not null then 'ok'
            when :if_match::bigint is not null and target.version <> :if_match::bigint then 'stale'
            else 'state_conflict' end as outcome,
       format('%s lines have a place there; its capacity cannot be less.', target.lines) as detail,
       c.document, c.version
from target left join changed c on c.id = target.id

-- statement: set_access_point_state
-- :wanted is active or retired.
with target as (
    select a.id, a.state from access_points a where a.id = :access_point_id for no key update
), changed as (
    update access_points a
    set state = :wanted, version = a.version + 1, updated_at = now()
    from target
    where a.id = target.id and target.state <> :wanted
    returning a.id, a.version, access_point_document(a) as document
)
select case when c.id is null then 'state_conflict' else 'ok' end as outcome,
       format('It is %s already.', target.state) as detail, c.document, c.version
from target left join changed c on c.id = target.id
