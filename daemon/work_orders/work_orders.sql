-- Work on site. What a work order does is functions of the schema (0028_work_orders.sql).

-- statement: list_work_orders
select w.id as cursor, work_order_document(w, :actor_side) as document
from work_orders w
where {{own w}}
  and (:state::text is null or w.state = any (string_to_array(:state, ',')))
  and (:kind::text is null or w.kind = :kind)
  and (:assignee_id::text is null or w.assignee_id = :assignee_id)
  and (:order_id::text is null or w.order_id = :order_id)
  and (:resource_id::text is null or exists (
      select from work_order_resources x
      where x.tenant_id = w.tenant_id and x.work_order_id = w.id and x.resource_id = :resource_id))
{{page w.id}}

-- statement: get_work_order
-- The states of its resources, its documents and what is late change without its version.
select work_order_document(w, :actor_side) as document, w.version, true as changes
from work_orders w
where w.id = :work_order_id and {{own w}}

-- statement: create_work_order keyed
select c.document, c.version, '/v1/work-orders/' || :new_wor as location
from work_order_create(:new_wor, :tenant, :actor, :body::jsonb) c

-- statement: update_work_order
select u.document, u.version
from work_order_update(:work_order_id, :if_match::bigint, :body::jsonb) u

-- statement: act_on_work_order keyed
select a.document, a.version
from work_order_act(:actor, :work_order_id, :action, :if_match::bigint, coalesce(:body::jsonb, '{}')) a

-- statement: list_work_order_history
select e.number as cursor, json_build_object(
    'number', e.number, 'event', e.event, 'state', e.state, 'detail', e.detail, 'actor', e.actor,
    'at', instant_text(e.at)) as document
from (select w.tenant_id, w.id from work_orders w where w.id = :work_order_id and {{own w}}) w
left join work_order_events e on e.tenant_id = w.tenant_id and e.work_order_id = w.id
{{page_by_number e.number}}

-- statement: watch_work_orders
select work_orders_watch(:batch::integer) as done

-- ---- Documents ----

-- statement: add_document keyed
with made as (
    insert into documents as d (id, tenant_id, work_order_id, kind, name, content_type, bytes, sha256, content,
                                created_by)
    select :new_doc, w.tenant_id, w.id, :kind, :name, :content_type, :bytes::integer, :sha256,
           decode(:content, 'hex'), :actor
    from work_orders w
    where w.id = :work_order_id
    returning d.id, document_document(d) as document
)
select m.document, '/v1/documents/' || m.id || '/content' as location from made m

-- statement: get_document
select d.content_type, d.sha256, encode(d.content, 'hex') as content
from documents d
where d.id = :document_id and {{own d}}

-- ---- Service levels and the business calendar ----

-- fragment: service_level_document(s)
json_build_object(
    'kind', s.kind, 'response_minutes', s.response_minutes, 'completion_minutes', s.completion_minutes,
    'warn_percent', s.warn_percent, 'updated_at', instant_text(s.updated_at))

-- statement: list_service_levels
select json_build_object('data', json_agg({{service_level_document s}} order by s.kind)) as document
from service_levels s

-- statement: update_service_level
update service_levels s
set response_minutes = coalesce((b.body ->> 'response_minutes')::integer, s.response_minutes),
    completion_minutes = coalesce((b.body ->> 'completion_minutes')::integer, s.completion_minutes),
    warn_percent = coalesce((b.body ->> 'warn_percent')::integer, s.warn_percent),
    version = s.version + 1, updated_at = now()
from (select :body::jsonb as body) b
where s.kind = :kind
returning {{service_level_document s}} as document

-- fragment: business_day(d)
json_build_object('day', d.day, 'works', d.works, 'name', d.name)

-- statement: get_business_days
select json_build_object('days', coalesce(json_agg({{business_day b}} order by b.day), '[]')) as document
from business_days b
where extract(year from b.day) = :year::integer

-- statement: put_business_days
with wanted as (
    select b.day, b.works, b.name
    from jsonb_to_recordset(:body::jsonb -> 'days') as b(day date, works boolean, name text)
), wrong as (
    select min(w.day) as day from wanted w
    where extract(year from w.day) <> :year::integer
       or exists (select from wanted o where o.day = w.day having count(*) > 1)
), gone as (
    delete from business_days b
    where extract(year from b.day) = :year::integer and (select w.day from wrong w) is null
      and not exists (select from wanted n where n.day = b.day)
    returning b.day
), made as (
    insert into business_days as b (day, works, name)
    select n.day, n.works, n.name from wanted n where (select w.day from wrong w) is null
    on conflict (day) do update set works = excluded.works, name = excluded.name
    returning b.day, b.works, b.name
)
select case when w.day is null then 'ok' else 'value_refused' end as outcome, '/days' as pointer,
       format('%s is not in the year, or stands twice.', w.day) as detail,
       json_build_object('days', (select coalesce(json_agg({{business_day m}} order by m.day), '[]') from made m)) as document
from wrong w
