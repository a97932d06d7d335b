-- Parks and the enterprises in them.

-- fragment: park_document(p)
json_build_object(
    'id', p.id, 'code', p.code, 'name', p.name, 'name_en', p.name_en, 'metadata', p.metadata,
    'created_at', instant_text(p.created_at), 'updated_at', instant_text(p.updated_at))

-- fragment: tenant_document(t)
json_build_object(
    'id', t.id, 'park_id', t.park_id, 'code', t.code, 'name', t.name, 'name_en', t.name_en,
    'size', t.size, 'tax_number', t.tax_number, 'billing_address', t.billing_address,
    'billing_email', t.billing_email, 'currency', t.currency, 'state', t.state,
    'external_id', t.external_id, 'metadata', t.metadata,
    'created_at', instant_text(t.created_at), 'updated_at', instant_text(t.updated_at))

-- statement: list_parks
select p.id as cursor, {{park_document p}} as document
from parks p
where (:code::text is null or p.code = :code)
{{page p.id}}

-- statement: get_park
select {{park_document p}} as document, p.version
from parks p
where p.id = :park_id

-- statement: create_park keyed
with made as (
    insert into parks (id, code, name, name_en, metadata)
    select :new_prk, b.code, b.name, coalesce(b.name_en, ''), coalesce(b.metadata, '{}')
    from json_to_record(:body::json) as b(code text, name text, name_en text, metadata jsonb)
    returning id, code, name, name_en, metadata, version, created_at, updated_at
)
select {{park_document p}} as document, p.version, '/v1/parks/' || p.id as location
from made p

-- statement: update_park
with target as (
    select p.id, p.version from parks p where p.id = :park_id for update
), changed as (
    update parks p
    set code = coalesce(b.body ->> 'code', p.code),
        name = coalesce(b.body ->> 'name', p.name),
        name_en = coalesce(b.body ->> 'name_en', p.name_en),
        metadata = coalesce(b.body -> 'metadata', p.metadata),
        version = p.version + 1, updated_at = now()
    from target, (select :body::jsonb as body) b
    where p.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning p.id, p.code, p.name, p.name_en, p.metadata, p.version, p.created_at, p.updated_at
)
select case when p.id is null then 'stale' else 'ok' end as outcome,
       {{park_document p}} as document, p.version
from target left join changed p on p.id = target.id

-- statement: list_tenants
select t.id as cursor, {{tenant_document t}} as document
from tenants t
where (:tenant::text is null or t.id = :tenant)
  and (:park_id::text is null or t.park_id = :park_id)
  and (:state::text is null or t.state = any (string_to_array(:state, ',')))
  and (:external_id::text is null or t.external_id = :external_id)
  and (:created_at_gte::timestamptz is null or t.created_at >= :created_at_gte::timestamptz)
  and (:created_at_lt::timestamptz is null or t.created_at < :created_at_lt::timestamptz)
{{page t.id}}

-- statement: get_tenant
select {{tenant_document t}} as document, t.version
from tenants t
where t.id = :tenant_id and (:tenant::text is null or t.id = :tenant)

-- statement: create_tenant keyed
with made as (
    insert into tenants (id, park_id, code, name, name_en, size, tax_number, billing_address,
                         billing_email, external_id, metadata)
    select :new_ten, b.park_id, b.code, b.name, coalesce(b.name_en, ''), b.size, b.tax_number,
           coalesce(b.billing_address, ''), b.billing_email, b.external_id,
           coalesce(b.metadata, '{}')
    from json_to_record(:body::json) as b(
        park_id text, code text, name text, name_en text, size text, tax_number text, billing_address text,
        billing_email text, external_id text, metadata jsonb)
    returning id, park_id, code, name, name_en, size, tax_number, billing_address, billing_email,
              currency, state, external_id, metadata, version, created_at, updated_at
)
select {{tenant_document t}} as document, t.version, '/v1/tenants/' || t.id as location
from made t

-- statement: update_tenant
-- A field that is sent is set, also to null; one that is not sent stays. The code never changes: logins and
-- accounts of the books bear it.
with target as (
    select t.id, t.version
    from tenants t
    where t.id = :tenant_id and (:tenant::text is null or t.id = :tenant)
    for update
), changed as (
    update tenants t
    set park_id = coalesce(b.body ->> 'park_id', t.park_id),
        name = coalesce(b.body ->> 'name', t.name),
        name_en = coalesce(b.body ->> 'name_en', t.name_en),
        size = case when b.body ? 'size' then b.body ->> 'size' else t.size end,
        tax_number = case when b.body ? 'tax_number' then b.body ->> 'tax_number' else t.tax_number end,
        billing_address = coalesce(b.body ->> 'billing_address', t.billing_address),
        billing_email = case when b.body ? 'billing_email' then b.body ->> 'billing_email'
                             else t.billing_email end,
        external_id = case when b.body ? 'external_id' then b.body ->> 'external_id'
                           else t.external_id end,
        metadata = coalesce(b.body -> 'metadata', t.metadata),
        version = t.version + 1, updated_at = now()
    from target, (select :body::jsonb as body) b
    where t.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning t.id, t.park_id, t.code, t.name, t.name_en, t.size, t.tax_number, t.billing_address,
              t.billing_email, t.currency, t.state, t.external_id, t.metadata, t.version,
              t.created_at, t.updated_at
)
select case when t.id is null then 'stale' else 'ok' end as outcome,
       {{tenant_document t}} as document, t.version
from target left join changed t on t.id = target.id

-- statement: set_tenant_state
-- :from_states says from where the action may start; :to_state where it leads.
with target as (
    select t.id, t.state, t.version from tenants t where t.id = :tenant_id for update
), changed as (
    update tenants t
    set state = :to_state, version = t.version + 1, updated_at = now()
    from target
    where t.id = target.id and target.state = any (string_to_array(:from_states, ','))
    returning t.id, t.park_id, t.code, t.name, t.name_en, t.size, t.tax_number, t.billing_address,
              t.billing_email, t.currency, t.state, t.external_id, t.metadata, t.version,
              t.created_at, t.updated_at
)
select case when t.id is null then 'state_conflict' else 'ok' end as outcome,
       case when t.id is null then
           format('The tenant is %s; this action takes one that is %s.', target.state,
                  replace(:from_states, ',', ' or ')) end as detail,
       {{tenant_document t}} as document, t.version
from target left join changed t on t.id = target.id

-- ---- Certificates ----

-- fragment: certificate_document(c)
json_build_object(
    'id', c.id, 'tenant_id', c.tenant_id, 'code', c.code, 'name', c.name, 'valid_from', c.valid_from,
    'valid_until', c.valid_until, 'created_at', instant_text(c.created_at))

-- The tenant that the path names.
-- fragment: tenant_named()
(select t.id from tenants t where t.id = :tenant_id and (:tenant::text is null or t.id = :tenant))

-- statement: list_tenant_certificates
select c.id as cursor, {{certificate_document c}} as document
from {{tenant_named}} t
left join tenant_certificates c on c.tenant_id = t.id
{{page c.id}}

-- statement: get_tenant_certificate
select {{certificate_document c}} as document, c.version
from tenant_certificates c
where {{own c}} and c.tenant_id = :tenant_id and c.id = :certificate_id

-- statement: add_tenant_certificate keyed
with made as (
    insert into tenant_certificates (id, tenant_id, code, name, valid_from, valid_until)
    select :new_crt, t.id, b.code, b.name, b.valid_from, b.valid_until
    from {{tenant_named}} t,
         json_to_record(:body::json) as b(code text, name text, valid_from date, valid_until date)
    returning id, tenant_id, code, name, valid_from, valid_until, version, created_at
)
select {{certificate_document c}} as document, c.version,
       '/v1/tenants/' || c.tenant_id || '/certificates/' || c.id as location
from made c

-- statement: remove_tenant_certificate
with target as (
    select c.tenant_id, c.id, c.version from tenant_certificates c
    where {{own c}} and c.tenant_id = :tenant_id and c.id = :certificate_id
), removed as (
    delete from tenant_certificates c
    using target t
    where c.tenant_id = t.tenant_id and c.id = t.id and (:if_match::bigint is null or t.version = :if_match::bigint)
    returning c.id
)
select case when r.id is null then 'stale' else 'ok' end as outcome
from target t left join removed r on r.id = t.id
