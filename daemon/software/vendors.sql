-- Vendors' brokers, their plans behind ours, and what is under way with them.

-- ---- Brokers ----

-- fragment: broker_document(b)
json_build_object(
    'id', b.id, 'name', b.name, 'url', b.url, 'username', b.username, 'has_password', b.password is not null,
    'authority', b.authority, 'request_seconds', b.request_seconds, 'poll_seconds', b.poll_seconds,
    'deadline_seconds', b.deadline_seconds, 'state', b.state,
    'catalog', json_build_object(
        'read_at', instant_text(b.catalog_read_at), 'problem', b.catalog_problem, 'services', coalesce(b.catalog, '[]')),
    'created_at', instant_text(b.created_at), 'updated_at', instant_text(b.updated_at))

-- statement: list_vendor_brokers
select b.id as cursor, {{broker_document b}} as document
from vendor_brokers b
where (:state::text is null or b.state = any (string_to_array(:state, ',')))
{{page b.id}}

-- statement: get_vendor_broker
select {{broker_document b}} as document, b.version, b.catalog_read_at::text as changes
from vendor_brokers b where b.id = :vendor_broker_id

-- statement: create_vendor_broker keyed
-- :order is the body without the password, :secret the password sealed.
with made as (
    insert into vendor_brokers (id, name, url, username, password, authority, request_seconds, poll_seconds, deadline_seconds)
    select :broker_id, b.name, b.url, coalesce(b.username, ''), decode(:secret, 'hex'), b.authority,
           coalesce(b.request_seconds, 60), coalesce(b.poll_seconds, 10), coalesce(b.deadline_seconds, 3600)
    from json_to_record(:order::json) as b(
        name text, url text, username text, authority text, request_seconds integer, poll_seconds integer, deadline_seconds integer)
    returning id, name, url, username, password, authority, request_seconds, poll_seconds, deadline_seconds, state, catalog,
              catalog_read_at, catalog_problem, version, created_at, updated_at
)
select {{broker_document m}} as document, m.version, '/v1/vendor-brokers/' || m.id as location from made m

-- statement: update_vendor_broker
with target as (
    select b.id, b.version from vendor_brokers b where b.id = :vendor_broker_id for no key update
), changed as (
    update vendor_brokers b
    set name = coalesce(o.body ->> 'name', b.name), url = coalesce(o.body ->> 'url', b.url),
        username = coalesce(o.body ->> 'username', b.username),
        password = case when :secret_sent::boolean then decode(:secret, 'hex') else b.password end,
        authority = case when o.body ? 'authority' then o.body ->> 'authority' else b.authority end,
        request_seconds = coalesce((o.body ->> 'request_seconds')::integer, b.request_seconds),
        poll_seconds = coalesce((o.body ->> 'poll_seconds')::integer, b.poll_seconds),
        deadline_seconds = coalesce((o.body ->> 'deadline_seconds')::integer, b.deadline_seconds),
        state = coalesce(o.body ->> 'state', b.state),
        catalog_due = now(), version = b.version + 1, updated_at = now()
    from target, (select :order::jsonb as body) o
    where b.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning b.id, b.version, {{broker_document b}} as document
)
select case when c.id is null then 'stale' else 'ok' end as outcome, c.document, c.version
from target left join changed c on c.id = target.id

-- statement: refresh_vendor_broker
with changed as (
    update vendor_brokers b set catalog_due = now() where b.id = :vendor_broker_id
    returning b.version, {{broker_document b}} as document
)
select c.document, c.version from changed c, (select pg_notify('bccd_courier', '')) n

-- ---- Plans ----

-- statement: list_vendor_plans
select p.plan_id as cursor, vendor_plan_document(p) as document
from (select b.id from vendor_brokers b where b.id = :vendor_broker_id) b
left join vendor_plans p on p.broker_id = b.id
{{page p.plan_id}}

-- statement: get_vendor_plan
select vendor_plan_document(p) as document, p.version
from vendor_plans p where p.broker_id = :vendor_broker_id and p.plan_id = :plan_id

-- statement: put_vendor_plan
select a.document, a.version from vendor_plan_put(:vendor_broker_id, :plan_id, :body::jsonb) a

-- statement: delete_vendor_plan
with target as (
    select p.plan_id, p.version from vendor_plans p
    where p.broker_id = :vendor_broker_id and p.plan_id = :plan_id for update
), gone as (
    delete from vendor_plans p using target
    where p.plan_id = target.plan_id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning p.plan_id
)
select case when g.plan_id is null then 'stale' else 'ok' end as outcome from target left join gone g on true

-- ---- Operations ----

-- statement: list_vendor_operations
select o.id as cursor, vendor_operation_document(o, :actor_side) as document
from vendor_operations o
where {{own o}}
  and (:resource_id::text is null or o.resource_id = :resource_id)
  and (:state::text is null or o.state = any (string_to_array(:state, ',')))
  and (:attention::boolean is null or vendor_needs_attention(o) = :attention::boolean)
{{page o.id}}

-- statement: get_vendor_operation
select vendor_operation_document(o, :actor_side) as document, o.version, o.claims::text as changes
from vendor_operations o where o.id = :vendor_operation_id and {{own o}}

-- statement: act_on_vendor_operation keyed
select a.document, a.version
from vendor_operation_act(:tenant, :actor, :vendor_operation_id, :action, :if_match::bigint, :body::jsonb) a

-- ---- For the courier ----

-- What is due, each under a lease that outlasts its request. One that was taken up before and not answered may have
-- reached the vendor: its taker is gone.
-- statement: claim_vendor_calls
with due as (
    select o.tenant_id, o.id from vendor_operations o
    where o.ended_at is null and o.not_before <= now()
    order by o.not_before, o.id
    limit :limit::integer
    for update skip locked
), taken as (
    update vendor_operations o
    set claims = o.claims + 1, sent = o.sent or o.claims > o.answered,
        lost_until = case when o.claims > o.answered and o.call <> 'deprovision' and not o.polling
                          then greatest(o.lost_until, now() + make_interval(secs => 2 * b.request_seconds)) else o.lost_until end,
        not_before = now() + make_interval(secs => b.request_seconds + :slack::integer)
    from due, vendor_instances i, vendor_brokers b
    where o.tenant_id = due.tenant_id and o.id = due.id
      and i.tenant_id = o.tenant_id and i.resource_id = o.resource_id and i.number = o.instance and b.id = i.broker_id
    returning o.tenant_id, o.resource_id, o.id, o.claims, o.kind, o.state, o.call, o.polling, o.vendor_operation, o.wanted, o.actor,
              i.instance_id, i.service_id, i.vendor_plan_id, i.parameters, b.id as broker_id, b.url, b.username,
              b.password, b.authority, b.request_seconds, b.poll_seconds
)
select t.id, t.claims, case when t.polling then 'last_operation' else t.call end as call, t.instance_id::text as instance_id, t.service_id,
       t.vendor_plan_id, t.vendor_operation, t.actor, t.broker_id, t.url, t.username, encode(t.password, 'hex') as password,
       t.authority, t.request_seconds::bigint as request_seconds, t.poll_seconds::bigint as poll_seconds,
       case when t.polling or t.call = 'deprovision' then null else (
           jsonb_build_object(
               'service_id', t.service_id, 'plan_id', v.plan_id, 'parameters', v.parameters,
               'context', jsonb_build_object('platform', 'bccd', 'tenant_id', n.id, 'tenant_code', n.code, 'tenant_name', n.name,
                                             'resource_id', r.id, 'instance_name', r.name))
           || case t.call when 'provision' then jsonb_build_object('organization_guid', n.id, 'space_guid', r.id)
              else jsonb_build_object('previous_values', jsonb_build_object('plan_id', v.previous_plan_id)) end)::text end as body
from taken t
join resources r on r.tenant_id = t.tenant_id and r.id = t.resource_id
join tenants n on n.id = t.tenant_id
cross join lateral (
    select case when t.call = 'update' and t.state = 'running' then t.wanted ->> 'vendor_plan_id' else t.vendor_plan_id end as plan_id,
           case when t.call = 'update' and t.state = 'running' then t.wanted -> 'parameters' else t.parameters end as parameters,
           case when t.state = 'running' then t.vendor_plan_id else t.wanted ->> 'vendor_plan_id' end as previous_plan_id) v

-- statement: answer_vendor_call
select vendor_answer(:id, :fence::bigint, :outcome, :answer::jsonb, :poll_seconds::integer, :request_seconds::integer)

-- What could not be taken over is tried again with the next call.
-- statement: note_vendor_trouble
update vendor_operations o
set problem_code = 'vendor_unapplied', problem_detail = left(:detail, 500), attempts = o.attempts + 1
where o.id = :id and o.claims = :fence::bigint and o.ended_at is null

-- statement: claim_vendor_catalogs
with due as (
    select b.id from vendor_brokers b
    where b.state = 'active' and b.catalog_due <= now()
    order by b.catalog_due limit :limit::integer
    for update skip locked
)
update vendor_brokers b
set catalog_due = now() + make_interval(secs => b.request_seconds + :slack::integer)
from due where b.id = due.id
returning b.id, b.url, b.username, encode(b.password, 'hex') as password, b.authority, b.request_seconds::bigint as request_seconds

-- Read again in an hour, or in a minute where it failed.
-- statement: note_vendor_catalog
update vendor_brokers b
set catalog = coalesce(:services::jsonb, b.catalog),
    catalog_read_at = case when :services::text is null then b.catalog_read_at else now() end,
    catalog_problem = left(:problem, 500),
    catalog_due = now() + case when :services::text is null then interval '1 minute' else interval '1 hour' end
where b.id = :id
