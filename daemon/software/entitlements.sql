-- Is somebody, or a key, entitled to use a software? Each statement finds what the question names as `asked`.

-- Of what is asked, the subscription that serves the person best; why it does not, as reason.
-- fragment: entitlement()
select case when k.revoked_at is not null then 'key_revoked'
            when k.valid_until <= clock_timestamp() then 'key_expired'
            when r.state = 'suspended' or t.state <> 'active' then 'suspended'
            when r.state <> 'active' then 'not_active'
            when s.id is null and :email::text is not null then 'no_seat' end as reason,
       r.id as resource_id, r.offering_id, o.code as offering_code, p.plan_id,
       trunc(coalesce(k.seats, q.quantity))::bigint as seats, s.id as seat_id, s.email, k.id as licence_key_id,
       instant_text(k.valid_until) as valid_until
from asked a
join resources r on r.tenant_id = a.tenant_id and r.id = a.resource_id and r.kind = 'software'
join tenants t on t.id = r.tenant_id
join offerings o on o.id = r.offering_id
left join licence_keys k on k.tenant_id = a.tenant_id and k.id = a.licence_key_id
left join plan_assignments p on p.tenant_id = r.tenant_id and p.resource_id = r.id
  and p.starts_at <= clock_timestamp() and (p.ends_at is null or p.ends_at > clock_timestamp())
left join resource_quantities q on q.tenant_id = r.tenant_id and q.resource_id = r.id
  and q.starts_at <= clock_timestamp() and (q.ends_at is null or q.ends_at > clock_timestamp())
left join software_seats s on s.tenant_id = r.tenant_id and s.resource_id = r.id and s.released_at is null
  and lower(s.email) = lower(a.email) and (k.seat_id is null or s.id = k.seat_id)
order by reason is null desc, s.id is not null desc, r.state = 'active' desc, r.id desc
limit 1

-- statement: find_entitlement_by_resource
with asked as (
    select r.tenant_id, r.id as resource_id, null::text as licence_key_id, :email::text as email
    from resources r where r.id = :resource_id and {{own r}})
{{entitlement}}

-- statement: find_entitlement_by_external_id
with asked as (
    select r.tenant_id, r.id as resource_id, null::text as licence_key_id, :email::text as email
    from resources r where r.external_id = :external_id and {{own r}})
{{entitlement}}

-- statement: find_entitlement_by_offering
with asked as (
    select r.tenant_id, r.id as resource_id, null::text as licence_key_id, :email::text as email
    from resources r join offerings o on o.id = r.offering_id and o.code = :offering where {{own r}})
{{entitlement}}

-- Without a person it is asked for the one whose seat has the key.
-- fragment: licence_keys_asked()
select k.tenant_id, k.resource_id, k.id as licence_key_id, coalesce(:email::text, h.email) as email
from licence_keys k
left join software_seats h on h.tenant_id = k.tenant_id and h.id = k.seat_id

-- statement: find_entitlement_by_key
with asked as (
    {{licence_keys_asked}} where k.id = :licence_key_id and {{own k}})
{{entitlement}}

-- statement: find_entitlement_by_key_text
-- Of the key itself only its digest is told.
with asked as (
    {{licence_keys_asked}} where k.digest = decode(:digest, 'hex') and {{own k}})
{{entitlement}}
