-- Seats of software, assigned to people over time.

-- statement: list_seats
select s.id as cursor, seat_document(s) as document
from {{resource_named}} r
left join software_seats s on s.tenant_id = r.tenant_id and s.resource_id = r.id
  and (:released::boolean is null or (s.released_at is not null) = :released::boolean)
{{page s.id}}

-- statement: get_seat
select seat_document(s) as document, s.version
from software_seats s
where s.id = :seat_id and s.resource_id = :resource_id and {{own s}}

-- statement: assign_seat keyed
select a.document, a.version,
       '/v1/resources/' || :resource_id || '/seats/' || :new_sea as location
from seat_assign(:tenant, :resource_id, :new_sea, :body::jsonb) a

-- statement: release_seat
-- One released before stays as it was.
with target as (
    select s.tenant_id, s.id, s.version
    from software_seats s
    where s.id = :seat_id and s.resource_id = :resource_id and {{own s}}
    for update
), changed as (
    update software_seats s
    set released_at = coalesce(s.released_at, clock_timestamp()), version = s.version + (s.released_at is null)::integer
    from target
    where s.tenant_id = target.tenant_id and s.id = target.id
      and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning s.id, s.version, seat_document(s) as document
)
select case when c.id is null then 'stale' else 'ok' end as outcome, c.document, c.version
from target left join changed c on c.id = target.id
