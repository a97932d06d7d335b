-- What tenants rent. Actions are functions of the schema (0007_resource_actions.sql), which says why.

-- The document as it is kept (0015_resource_documents.sql), or made where it is not, or holds no more.
-- fragment: kept_document(r, d)
case when d.holds_until > clock_timestamp() then d.document else resource_document(r, :actor_side) end

-- fragment: kept_documents(r, d)
left join resource_documents d on d.tenant_id = r.tenant_id and d.resource_id = r.id and d.side = :actor_side

-- statement: list_resources
select r.id as cursor,
       case when :expand::text is null then {{kept_document r, d}} else {{resource_with_tenant r, d}} end as document
from resources r
{{kept_documents r, d}}
where {{own r}}
  and (:kind::text is null or r.kind = any (string_to_array(:kind, ',')))
  and (:state::text is null or r.state = any (string_to_array(:state, ',')))
  and (:offering_id::text is null or r.offering_id = :offering_id)
  and (:external_id::text is null or r.external_id = :external_id)
  and (:rented_until_lte::date is null
       or r.rented_until <= :rented_until_lte::date and r.state not in ('terminating', 'terminated', 'rejected'))
  and (:created_at_gte::timestamptz is null or r.created_at >= :created_at_gte::timestamptz)
  and (:created_at_lt::timestamptz is null or r.created_at < :created_at_lt::timestamptz)
{{page r.id}}

-- fragment: resource_with_tenant(r, d)
(({{kept_document r, d}})::jsonb || jsonb_build_object('tenant', (
    select jsonb_build_object('id', t.id, 'code', t.code, 'name', t.name)
    from tenants t where t.id = r.tenant_id)))::json

-- statement: get_kept_resource
-- Seats, devices, and a plan that begins change it without its version.
select d.document, d.version, true as changes
from resource_documents d
where d.resource_id = :resource_id and d.side = :actor_side and {{own d}} and d.holds_until > clock_timestamp()

-- statement: get_resource
-- Where none is kept.
select resource_document(r, :actor_side) as document, r.version, true as changes
from resources r
where r.id = :resource_id and {{own r}}

-- statement: get_expanded_resource
-- Without a version: the tenant's part changes without it.
select {{resource_with_tenant r, d}} as document
from resources r
{{kept_documents r, d}}
where r.id = :resource_id and {{own r}}

-- statement: get_resource_tenant
select r.tenant_id from resources r where r.id = :resource_id and {{own r}}

-- statement: create_resource keyed
-- :order is the body without the password, :secret the password sealed.
select c.document, c.version, '/v1/resources/' || :resource_id as location
from resource_rent(:resource_id, :tenant, :actor_side, :actor, :order::jsonb, decode(:secret, 'hex')) c

-- statement: update_resource
with target as (
    select r.tenant_id, r.id, r.version
    from resources r where r.id = :resource_id and {{own r}}
    for update
), changed as (
    update resources r
    set name = coalesce(b.body ->> 'name', r.name),
        site = coalesce(b.body ->> 'site', r.site),
        external_id = case when b.body ? 'external_id' then b.body ->> 'external_id'
                           else r.external_id end,
        metadata = coalesce(b.body -> 'metadata', r.metadata),
        version = r.version + 1, updated_at = now()
    from target, (select :body::jsonb as body) b
    where r.tenant_id = target.tenant_id and r.id = target.id
      and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning r.tenant_id, r.id, r.version, resource_document(r, :actor_side) as document
)
select case when c.id is null then 'stale' else 'ok' end as outcome, c.document, c.version
from target left join changed c on c.id = target.id

-- statement: act_on_resource keyed
select a.document, a.version
from resource_act(:tenant, :actor_side, :actor, :resource_id, :action, :if_match::bigint,
                  :order::jsonb, decode(:secret, 'hex')) a

-- The resource that the path names, for lists of what is below it.
-- fragment: resource_named()
(select r.tenant_id, r.id from resources r where r.id = :resource_id and {{own r}})

-- statement: list_resource_history
select h.number as cursor, json_build_object(
    'number', h.number, 'action', h.action, 'from_state', h.from_state, 'to_state', h.to_state,
    'at', instant_text(h.at), 'effective_at', instant_text(h.effective_at), 'actor', h.actor,
    'reason', h.reason) as document
from {{resource_named}} r
left join resource_transitions h on h.tenant_id = r.tenant_id and h.resource_id = r.id
{{page_by_number h.number}}

-- statement: expire_resources
select resources_expire(:batch::integer) as done
