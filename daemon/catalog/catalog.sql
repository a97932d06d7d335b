-- Families, offerings, plans and their versions. The rules of offerings are functions of the schema
-- (0041_catalog_rules.sql), and so is what there is of them (0043_waiting_list.sql).

-- fragment: version_document(v)
json_build_object(
    'number', v.number, 'state', v.state, 'charges', v.charges, 'note', v.note,
    'published_at', instant_text(v.published_at), 'created_at', instant_text(v.created_at))

-- fragment: plan_document(p)
json_build_object(
    'id', p.id, 'offering_id', p.offering_id, 'code', p.code, 'name', p.name,
    'name_en', p.name_en, 'currency', p.currency, 'state', p.state, 'metadata', p.metadata,
    'published_version', (select max(v.number) from plan_versions v
                          where v.plan_id = p.id and v.state = 'published'),
    'draft_version', (select max(v.number) from plan_versions v
                      where v.plan_id = p.id and v.state = 'draft'),
    'created_at', instant_text(p.created_at), 'updated_at', instant_text(p.updated_at))

-- statement: list_offerings
-- Who may order what, for the tenant that asks or that the operator names.
select o.id as cursor, offering_document(o) as document
from offerings o
where (:kind::text is null or o.kind = :kind)
  and (:state::text is null or o.state = :state)
  and (:code::text is null or o.code = :code)
  and (:family_id::text is null or o.family_id = :family_id)
  and (:orderable::boolean is not true or offering_is_orderable(o, :tenant))
{{page o.id}}

-- statement: get_offering
select offering_document(o) as document, o.version
from offerings o
where o.id = :offering_id

-- statement: create_offering keyed
select c.document, c.version, '/v1/offerings/' || :new_off as location
from offering_create(:new_off, :body::jsonb) c

-- statement: update_offering
select u.document, u.version from offering_update(:offering_id, :if_match::bigint, :body::jsonb) u

-- statement: get_offering_availability
select offering_availability(o, :tenant, :access_point_id, :actor_side) as document
from offerings o
where o.id = :offering_id

-- statement: list_resource_add_ons
select a.id as cursor, json_build_object('id', a.id, 'name', a.name, 'offering_id', a.offering_id, 'state', a.state) as document
from (select r.tenant_id, r.id from resources r where r.id = :resource_id and {{own r}}) r
left join (resource_add_ons w join resources a on a.tenant_id = w.tenant_id and a.id = w.resource_id)
  on w.tenant_id = r.tenant_id and w.base_resource_id = r.id
{{page a.id}}

-- ---- Families ----

-- fragment: family_document(f)
json_build_object(
    'id', f.id, 'code', f.code, 'name', f.name, 'name_en', f.name_en, 'description', f.description, 'place', f.place,
    'state', f.state, 'created_at', instant_text(f.created_at), 'updated_at', instant_text(f.updated_at))

-- fragment: family_columns(f)
f.id, f.code, f.name, f.name_en, f.description, f.place, f.state, f.version, f.created_at, f.updated_at

-- statement: list_offering_families
select f.id as cursor, {{family_document f}} as document
from offering_families f
where (:state::text is null or f.state = :state)
  and (:code::text is null or f.code = :code)
{{page f.id}}

-- statement: get_offering_family
select {{family_document f}} as document, f.version
from offering_families f
where f.id = :offering_family_id

-- statement: create_offering_family keyed
with made as (
    insert into offering_families as f (id, code, name, name_en, description, place)
    select :new_fam, b.code, b.name, coalesce(b.name_en, ''), coalesce(b.description, ''), coalesce(b.place, 100)
    from json_to_record(:body::json) as b(code text, name text, name_en text, description text, place integer)
    returning {{family_columns f}}
)
select {{family_document f}} as document, f.version, '/v1/offering-families/' || f.id as location
from made f

-- statement: update_offering_family
with target as (
    select f.id, f.version from offering_families f where f.id = :offering_family_id for update
), changed as (
    update offering_families f
    set name = coalesce(b.body ->> 'name', f.name),
        name_en = coalesce(b.body ->> 'name_en', f.name_en),
        description = coalesce(b.body ->> 'description', f.description),
        place = coalesce((b.body ->> 'place')::integer, f.place),
        version = f.version + 1, updated_at = now()
    from target, (select :body::jsonb as body) b
    where f.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning {{family_columns f}}
)
select case when f.id is null then 'stale' else 'ok' end as outcome, {{family_document f}} as document, f.version
from target left join changed f on f.id = target.id

-- statement: retire_offering_family
-- It takes no new offerings; those in it stay.
with target as (
    select f.id from offering_families f where f.id = :offering_family_id for update
), changed as (
    update offering_families f
    set state = 'retired', version = f.version + 1, updated_at = now()
    from target t
    where f.id = t.id and f.state = 'active'
    returning {{family_columns f}}
)
select case when f.id is null then 'state_conflict' else 'ok' end as outcome, 'The family is retired already.' as detail,
       {{family_document f}} as document, f.version
from target t left join changed f on f.id = t.id

-- statement: list_plans
select p.id as cursor, {{plan_document p}} as document
from plans p
where (:offering_id::text is null or p.offering_id = :offering_id)
  and (:state::text is null or p.state = :state)
  and (:code::text is null or p.code = :code)
{{page p.id}}

-- statement: get_plan
select {{plan_document p}} as document, p.version
from plans p
where p.id = :plan_id

-- The first meter of a body's charges that is not there, or does not fit: a percentage prices events that are
-- summed, a matrix has dimensions of what adds up, and what the platform counts by itself it counts for one kind of resource.
-- fragment: unfit_meter(kind)
select min(c.meter) as meter
from body, jsonb_to_recordset(body.charges) as c(meter text, price jsonb)
where c.meter is not null and not exists (
    select from meters m
    where m.code = c.meter
      and (c.price ->> 'model' <> 'percentage'
           or (m.source = 'events' and m.aggregation = 'sum' and m.divide_by is null
               and not exists (select from back_computations b where b.meter_id = m.id)))
      and (c.price ->> 'model' <> 'matrix'
           or (m.source = 'events' and m.aggregation in ('sum', 'count', 'time_weighted') and m.divide_by is null
               and (c.price -> 'dimensions') <@ to_jsonb(m.dimensions)))
      and (m.source = 'events' or coalesce(m.resource_kind, 'broadband') = coalesce(kind, m.resource_kind, 'broadband')))

-- fragment: unfit_detail(u)
format('There is no meter %s, or it counts for another kind of resource, or it does not sum the values of events as they came, as a percentage wants, or it has no such dimensions of what adds up (sum, count, time_weighted, not divided), as a matrix wants; see GET /v1/meters.', u.meter)

-- statement: create_plan keyed
-- A plan begins with the draft of its first version. Every meter that a charge names must be there.
with body as (
    select b.offering_id, b.code, b.name, b.name_en, b.metadata, b.charges, b.note
    from json_to_record(:body::json) as b(
        offering_id text, code text, name text, name_en text, metadata jsonb, charges jsonb,
        note text)
), unknown as (
    {{unfit_meter (select o.kind from offerings o where o.id = body.offering_id)}}
), made as (
    insert into plans (id, offering_id, code, name, name_en, metadata)
    select :new_pln, b.offering_id, b.code, b.name, coalesce(b.name_en, ''),
           coalesce(b.metadata, '{}')
    from body b, unknown u
    where u.meter is null
    returning id, offering_id, code, name, name_en, currency, state, metadata, version,
              created_at, updated_at
), first as (
    insert into plan_versions (plan_id, number, charges, note)
    select made.id, 1, b.charges, coalesce(b.note, '')
    from made, body b
    returning plan_id, number
)
select case when u.meter is not null then 'meter_unknown' else 'ok' end as outcome,
       '/charges' as pointer,
       {{unfit_detail u}} as detail,
       json_build_object(
           'id', p.id, 'offering_id', p.offering_id, 'code', p.code, 'name', p.name,
           'name_en', p.name_en, 'currency', p.currency, 'state', p.state, 'metadata', p.metadata,
           'published_version', null, 'draft_version', first.number,
           'created_at', instant_text(p.created_at), 'updated_at', instant_text(p.updated_at)) as document,
       p.version, '/v1/plans/' || p.id as location
from unknown u left join made p on true left join first on first.plan_id = p.id

-- statement: list_plan_versions
select v.number as cursor, {{version_document v}} as document
from (select p.id from plans p where p.id = :plan_id) p
left join plan_versions v on v.plan_id = p.id
{{page_by_number v.number}}

-- statement: get_plan_version
select {{version_document v}} as document
from plan_versions v
where v.plan_id = :plan_id and v.number = :number::integer

-- statement: put_draft
-- Makes the draft of the next version, or replaces the one that is there.
with body as (
    select b.charges, b.note from json_to_record(:body::json) as b(charges jsonb, note text)
), unknown as (
    {{unfit_meter (select o.kind from plans p join offerings o on o.id = p.offering_id where p.id = :plan_id)}}
), target as (
    select p.id,
           (select coalesce(max(v.number) filter (where v.state = 'draft'), max(v.number) + 1, 1)
            from plan_versions v where v.plan_id = p.id) as number
    from plans p where p.id = :plan_id for update
), made as (
    insert into plan_versions as v (plan_id, number, charges, note)
    select t.id, t.number, b.charges, coalesce(b.note, '')
    from target t, body b, unknown u
    where u.meter is null
    on conflict (plan_id, number) do update set charges = excluded.charges, note = excluded.note
    returning v.plan_id, v.number, v.state, v.charges, v.note, v.published_at, v.created_at
)
select case when u.meter is not null then 'meter_unknown' else 'ok' end as outcome,
       '/charges' as pointer,
       {{unfit_detail u}} as detail,
       {{version_document v}} as document
from target t cross join unknown u left join made v on v.plan_id = t.id

-- statement: publish_plan
with target as (
    select p.id, p.state from plans p where p.id = :plan_id for update
), draft as (
    update plan_versions v
    set state = 'published', published_at = now()
    from target t
    where v.plan_id = t.id and v.state = 'draft' and t.state = 'active'
    returning v.plan_id, v.number, v.state, v.charges, v.note, v.published_at, v.created_at
)
select case when v.plan_id is not null then 'ok' else 'state_conflict' end as outcome,
       case when t.state = 'retired' then 'The plan is retired; its versions stay as they are.'
            else 'The plan has no draft; put one first.' end as detail,
       {{version_document v}} as document
from target t left join draft v on v.plan_id = t.id

-- statement: retire_plan
-- A retired plan takes no new resources; those on it stay.
with target as (
    select p.id, p.state from plans p where p.id = :plan_id for update
), changed as (
    update plans p
    set state = 'retired', version = p.version + 1, updated_at = now()
    from target t
    where p.id = t.id and t.state = 'active'
    returning p.id, p.offering_id, p.code, p.name, p.name_en, p.currency, p.state, p.metadata,
              p.version, p.created_at, p.updated_at
)
select case when p.id is null then 'state_conflict' else 'ok' end as outcome,
       'The plan is retired already.' as detail, {{plan_document p}} as document, p.version
from target t left join changed p on p.id = t.id
