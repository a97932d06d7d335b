-- Orders and the rules of their approval. What an order does is functions of the schema (0025_orders.sql and
-- 0026_order_fulfilment.sql).

-- statement: list_orders
select o.id as cursor, order_document(o) as document
from orders o
where {{own o}}
  and (:state::text is null or o.state = any (string_to_array(:state, ',')))
  and (:external_id::text is null or o.external_id = :external_id)
  and (:created_at_gte::timestamptz is null or o.created_at >= :created_at_gte::timestamptz)
  and (:created_at_lt::timestamptz is null or o.created_at < :created_at_lt::timestamptz)
{{page o.id}}

-- statement: get_order
-- The states of its resources and items change without its version.
select order_document(o) as document, o.version, true as changes
from orders o
where o.id = :order_id and {{own o}}

-- statement: create_order keyed
select c.document, c.version, '/v1/orders/' || :new_ord as location
from order_create(:new_ord, :tenant, :actor_side, :actor, :body::jsonb, :resource_ids::jsonb) c

-- statement: update_order
select u.document, u.version
from order_update(:tenant, :actor_side, :actor, :order_id, :if_match::bigint, :body::jsonb, :resource_ids::jsonb) u

-- The charges of an order, or of a cart that is none yet. Of an order without any there is one row without a charge,
-- so that no row says that there is no order.
-- statement: list_order_charges
select o.version, o.state, o.quote::text as quote, c.item, c.count, c.part, c.sign, c.charge, c.active_days, c.period_days,
       c.quantity, null as already, null as events, null as groups, null as creditable, null as credit, c.tax_category, c.tax_rate
from (select o.tenant_id, o.version, o.state, o.quote,
             (select jsonb_agg(i.request order by i.number) from order_items i
              where i.tenant_id = o.tenant_id and i.order_id = o.id) as items
      from orders o where o.id = :order_id and {{own o}}) o
left join lateral order_charges(o.tenant_id, o.items) c on o.quote is null

-- statement: check_cart
select refuse('reference_unknown', 'tenant must name the tenant that orders.')
where not exists (select from tenants t where t.id = :tenant)
union all
select order_check_item(:tenant, :actor_side, (i.place - 1)::integer, i.item)
from jsonb_array_elements(:items::jsonb) with ordinality as i(item, place)
union all
select order_check_offerings(:tenant, :items::jsonb)

-- statement: list_cart_charges
select c.item, c.count, c.part, c.sign, c.charge, c.active_days, c.period_days, c.quantity, null as already,
       null as events, null as groups, null as creditable, null as credit, c.tax_category, c.tax_rate
from order_charges(:tenant, :items::jsonb) c

-- statement: place_order keyed
-- :seen_version is that of the order that was quoted.
select p.document, p.version
from order_place(:tenant, :actor_side, :actor, :actor_role, :order_id, :seen_version::bigint, :quote::jsonb) p

-- statement: decide_order keyed
select d.document, d.version
from order_decide(:tenant, :actor_side, :actor, :actor_role, :order_id, :decision, :if_match::bigint,
                  coalesce(:body::jsonb, '{}')) d

-- statement: cancel_order keyed
select c.document, c.version
from order_cancel(:tenant, :actor_side, :actor, :order_id, :if_match::bigint, coalesce(:body::jsonb, '{}')) c

-- statement: list_order_history
select e.number as cursor, json_build_object(
    'number', e.number, 'event', e.event, 'item', e.item, 'state', e.state, 'detail', e.detail, 'actor', e.actor,
    'at', instant_text(e.at)) as document
from (select o.tenant_id, o.id from orders o where o.id = :order_id and {{own o}}) o
left join order_events e on e.tenant_id = o.tenant_id and e.order_id = o.id
{{page_by_number e.number}}

-- statement: expire_orders
select orders_expire(:batch::integer) as done

-- ---- Rules of approval ----

-- fragment: approval_rule_document(a)
json_build_object(
    'id', a.id, 'name', a.name, 'state', a.state, 'actions', a.actions, 'requester_roles', a.requester_roles,
    'minimum_amount', money(a.minimum_amount, 'CNY'), 'steps', a.steps, 'expiry_hours', a.expiry_hours,
    'place', a.place, 'created_at', instant_text(a.created_at), 'updated_at', instant_text(a.updated_at))

-- statement: list_approval_rules
select a.id as cursor, {{approval_rule_document a}} as document
from approval_rules a
where (:state::text is null or a.state = :state)
{{page a.id}}

-- statement: get_approval_rule
select {{approval_rule_document a}} as document, a.version
from approval_rules a
where a.id = :approval_rule_id

-- statement: create_approval_rule keyed
with made as (
    insert into approval_rules (id, name, actions, requester_roles, minimum_amount, steps, expiry_hours, place)
    select :new_apr, b.name, nullif(b.actions, 'null'), nullif(b.requester_roles, 'null'),
           (b.minimum_amount ->> 'amount')::numeric, b.steps, coalesce(b.expiry_hours, 168), coalesce(b.place, 100)
    from json_to_record(:body::json) as b(name text, actions jsonb, requester_roles jsonb, minimum_amount jsonb,
                                          steps jsonb, expiry_hours integer, place integer)
    returning id, name, state, actions, requester_roles, minimum_amount, steps, expiry_hours, place, version,
              created_at, updated_at
)
select {{approval_rule_document a}} as document, a.version, '/v1/approval-rules/' || a.id as location
from made a

-- statement: update_approval_rule
with target as (
    select a.id, a.version from approval_rules a where a.id = :approval_rule_id for update
), changed as (
    update approval_rules a
    set name = coalesce(b.body ->> 'name', a.name),
        state = coalesce(b.body ->> 'state', a.state),
        actions = case when b.body ? 'actions' then nullif(b.body -> 'actions', 'null') else a.actions end,
        requester_roles = case when b.body ? 'requester_roles' then nullif(b.body -> 'requester_roles', 'null')
                               else a.requester_roles end,
        minimum_amount = case when b.body ? 'minimum_amount' then (b.body #>> '{minimum_amount,amount}')::numeric
                              else a.minimum_amount end,
        steps = coalesce(b.body -> 'steps', a.steps),
        expiry_hours = coalesce((b.body ->> 'expiry_hours')::integer, a.expiry_hours),
        place = coalesce((b.body ->> 'place')::integer, a.place),
        version = a.version + 1, updated_at = now()
    from target, (select :body::jsonb as body) b
    where a.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning a.id, a.name, a.state, a.actions, a.requester_roles, a.minimum_amount, a.steps, a.expiry_hours, a.place,
              a.version, a.created_at, a.updated_at
)
select case when a.id is null then 'stale' else 'ok' end as outcome, {{approval_rule_document a}} as document, a.version
from target left join changed a on a.id = target.id
