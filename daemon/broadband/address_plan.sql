-- The address plan. What adds, takes and gives back is a function of the schema (0021_address_plan.sql).

-- statement: list_address_pools
select p.id as cursor, pool_document(p) as document
from address_pools p
where (:family::smallint is null or p.family = :family::smallint)
  and (:state::text is null or p.state = :state)
  and (:code::text is null or p.code = :code)
{{page p.id}}

-- statement: get_address_pool
select pool_document(p) as document, p.version from address_pools p where p.id = :address_pool_id

-- statement: create_address_pool keyed
with made as (
    insert into address_pools (id, code, name, family, purpose, quarantine_hours, access_point_id)
    select :new_apl, b.code, b.name, b.family, b.purpose, coalesce(b.quarantine_hours, 168), b.access_point_id
    from json_to_record(:body::json) as b(
        code text, name text, family smallint, purpose text, quarantine_hours integer, access_point_id text)
    returning id, version, pool_document(address_pools) as document
)
select m.document, m.version, '/v1/address-pools/' || m.id as location from made m

-- statement: update_address_pool
with target as (
    select p.id, p.version from address_pools p where p.id = :address_pool_id for no key update
), changed as (
    update address_pools p
    set name = coalesce(b.body ->> 'name', p.name),
        quarantine_hours = coalesce((b.body ->> 'quarantine_hours')::integer, p.quarantine_hours),
        version = p.version + 1, updated_at = now()
    from target, (select :body::jsonb as body) b
    where p.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning p.id, p.version, pool_document(p) as document
)
select case when c.id is null then 'stale' else 'ok' end as outcome, c.document, c.version
from target left join changed c on c.id = target.id

-- statement: set_address_pool_state
-- :wanted is active or retired.
with target as (
    select p.id, p.state from address_pools p where p.id = :address_pool_id for no key update
), changed as (
    update address_pools p
    set state = :wanted, version = p.version + 1, updated_at = now()
    from target
    where p.id = target.id and target.state <> :wanted
    returning p.id, p.version, pool_document(p) as document
)
select case when c.id is null then 'state_conflict' else 'ok' end as outcome,
       format('It is %s already.', target.state) as detail, c.document, c.version
from target left join changed c on c.id = target.id

-- statement: list_address_prefixes
select x.id as cursor, prefix_document(x) as document
from (select p.id from address_pools p where p.id = :address_pool_id) p
left join address_prefixes x on x.pool_id = p.id
{{page x.id}}

-- statement: get_address_prefix
select prefix_document(x) as document, x.version
from address_prefixes x where x.id = :address_prefix_id and x.pool_id = :address_pool_id

-- statement: add_address_prefix keyed
select a.document, a.version,
       '/v1/address-pools/' || :address_pool_id || '/prefixes/' || :new_apx as location
from prefix_add(:new_apx, :address_pool_id, :body::jsonb) a

-- statement: withdraw_address_prefix
select w.document, w.version
from prefix_withdraw(:address_pool_id, :address_prefix_id, :if_match::bigint) w

-- statement: list_address_assignments
-- :address is who asks; the one asked for is :named.
select a.id as cursor, assignment_document(a) as document
from address_assignments a
where {{own a}}
  and (:named::text is null or a.address >>= :named::inet)
  and (:resource_id::text is null or a.resource_id = :resource_id)
  and (:at::timestamptz is null
       or a.assigned_at <= :at::timestamptz and (a.ended_at is null or a.ended_at > :at::timestamptz))
{{page a.id}}

-- statement: list_resource_addresses
select a.id as cursor, assignment_document(a) as document
from {{resource_named}} r
left join address_assignments a on a.tenant_id = r.tenant_id and a.resource_id = r.id
  and (:ended::boolean is null or (a.ended_at is not null) = :ended::boolean)
{{page a.id}}

-- statement: get_resource_address
select assignment_document(a) as document, a.version
from address_assignments a
where a.id = :address_id and a.resource_id = :resource_id and {{own a}}

-- statement: add_resource_address keyed
select a.document, a.version, a.location from line_address_add(:tenant, :resource_id, :body::jsonb) a

-- statement: drop_resource_address
select a.document, a.version
from line_address_drop(:tenant, :resource_id, :address_id, :if_match::bigint) a
