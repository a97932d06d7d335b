-- Offerings, plans and their versions.

-- fragment: offering_document(o)
json_build_object(
    'id', o.id, 'code', o.code, 'kind', o.kind, 'name', o.name, 'name_en', o.name_en,
    'tax_category', o.tax_category, 'state', o.state, 'metadata', o.metadata,
    'created_at', instant_text(o.created_at), 'updated_at', instant_text(o.updated_at))

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
select o.id as cursor, {{offering_document o}} as document
from offerings o
where (:kind::text is null or o.kind = :kind)
  and (:state::text is null or o.state = :state)
  and (:code::text is null or o.code = :code)
{{page o.id}}

-- statement: get_offering
select {{offering_document o}} as document, o.version
from offerings o
where o.id = :offering_id

-- statement: create_offering keyed
with made as (
    insert into offerings (id, code, kind, name, name_en, tax_category, metadata)
    select :new_off, b.code, b.kind, b.name, coalesce(b.name_en, ''), b.tax_category,
           coalesce(b.metadata, '{}')
    from json_to_record(:body::json) as b(
        code text, kind text, name text, name_en text, tax_category text, metadata jsonb)
    returning id, code, kind, name, name_en, tax_category, state, metadata, version, created_at,
              updated_at
)
select {{offering_document o}} as document, o.version, '/v1/offerings/' || o.id as location
from made o

-- statement: update_offering
with target as (
    select o.id, o.version from offerings o where o.id = :offering_id for update
), changed as (
    update offerings o
    set name = coalesce(b.body ->> 'name', o.name),
        name_en = coalesce(b.body ->> 'name_en', o.name_en),
        state = coalesce(b.body ->> 'state', o.state),
        metadata = coalesce(b.body -> 'metadata', o.metadata),
        version = o.version + 1, updated_at = now()
    from target, (select :body::jsonb as body) b
    where o.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning o.id, o.code, o.kind, o.name, o.name_en, o.tax_category, o.state, o.metadata,
              o.version, o.created_at, o.updated_at
)
select case when o.id is null then 'stale' else 'ok' end as outcome,
       {{offering_document o}} as document, o.version
from target left join changed o on o.id = target.id

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
-- summed, and what the platform counts by itself it counts for one kind of resource.
-- fragment: unfit_meter(kind)
select min(c.meter) as meter
from body, jsonb_to_recordset(body.charges) as c(meter text, price jsonb)
where c.meter is not null and not exists (
    select from meters m
    where m.code = c.meter
      and (c.price ->> 'model' <> 'percentage' or (m.source = 'events' and m.aggregation = 'sum'))
      and (m.source = 'events' or coalesce(m.resource_kind, 'broadband') = coalesce(kind, m.resource_kind, 'broadband')))

-- fragment: unfit_detail(u)
format('There is no meter %s, or it counts for another kind of resource, or it does not sum events, as a percentage wants; see GET /v1/meters.', u.meter)

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
