"""Operations on orders."""

from model import orders, resources, work
from model.actions import WRONG, action, chance, pick, someone
from model.state import Order
from model.walker import Call

OPEN_ORDERS = 12
DECIDES = ("draft", "pending_approval")


# ---- The cart ----

def rent_of(walker, kind):
    offer = walker.part.common.offers[kind]
    item = {"action": f"rent_{kind}", "offering_id": offer["offering"],
            "plan_id": pick(walker, offer["plans"]), "name": walker.unique("item")}
    if kind == "software":
        item["software"] = {"seats": walker.random.randint(1, 4)}
    elif kind == "broadband":
        logins = sorted(name for _, name in walker.part.logins)
        line = pick(walker, logins) if logins and chance(walker, WRONG) else walker.unique("line")
        item["broadband"] = {"line": line, "access_technology": "gpon",
                             "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000}
    elif chance(walker, 0.5):
        item["count"] = walker.random.randint(2, 3)
    return item


def about(walker, resource):
    """A change of a resource, or its return."""
    if chance(walker, 0.4):
        return {"action": "return", "resource_id": resource.id}
    item = {"action": "change", "resource_id": resource.id}
    if resource.kind == "software" and chance(walker, 0.6):
        item["software"] = {"seats": walker.random.randint(1, 5)}
    if resource.kind != "software" or "software" not in item:
        item["plan_id"] = pick(walker, walker.part.common.offers[resource.kind]["plans"])
    return item


def cart(walker, tenant):
    items = [rent_of(walker, pick(walker, ("software", "broadband", "terminal")))
             for _ in range(walker.random.randint(0, 2))]
    mine = [each for each in walker.part.of() if each.tenant is tenant]
    walker.random.shuffle(mine)
    items += [about(walker, each) for each in mine[:walker.random.randint(0, 2)]]
    walker.random.shuffle(items)
    return items


def refusal_of_cart(walker, items, side):
    for item in items:
        if "resource_id" in item:
            resource = walker.part.resources[item["resource_id"]]
            name = "terminate" if item["action"] == "return" else "change"
            if resources.next_state(resource, name) is None or (
                    side == "tenant" and resource.state == "terminating"):
                return "state_conflict"
    return None


def open_orders(walker, *states):
    return [each for each in walker.part.orders.values() if each.state in states]


@action(7)
def draft_order(walker):
    part = walker.part
    if len(open_orders(walker, *DECIDES, "in_progress", "cancelling")) >= OPEN_ORDERS:
        return None
    tenant = pick(walker, part.tenants)
    items = cart(walker, tenant)
    if not items:
        return None
    speaker = someone(walker, tenant, 0.7)
    body = {"items": items} | ({"tenant": tenant.id} if speaker.side == "operator" else {})

    def effect(answer):
        made = Order(answer.json["id"], tenant, speaker.actor, items)
        part.orders[made.id] = made
    return Call(speaker, "POST", "/v1/orders", body, refusal_of_cart(walker, items, speaker.side),
                effect)


@action(1.5)
def refill_order(walker):
    order = pick(walker, open_orders(walker, "draft", "in_progress"))
    items = cart(walker, order.tenant) if order is not None else None
    if not items:
        return None
    speaker, path = someone(walker, order.tenant), f"/v1/orders/{order.id}"
    stale = chance(walker, 0.2)
    refusal = "precondition_failed" if stale else (
        "state_conflict" if order.state != "draft" else refusal_of_cart(walker, items, speaker.side))

    def effect(answer):
        order.version += 1
        order.refill(items)
    return Call(speaker, "PATCH", path, {"items": items}, refusal, effect,
                f'"{order.version - (1 if stale else 0)}"',
                settled=lambda answer: answer.code == "precondition_failed" and
                walker.get(speaker, path).etag == f'"{order.version + 1}"')


# ---- What is done with one ----

def fulfil(walker, order, actor, answer):
    """What begins makes resources, and visits whose ids are asked for."""
    part = walker.part
    orders.begin(part, order, actor, answer.json)
    found = walker.get(part.operator, f"/v1/work-orders?order_id={order.id}&limit=100").json["data"]
    work.learn(part, order, found, actor)


def needs_approval(order):
    """By the one rule that the test has made."""
    return any(item.action == "rent_broadband" for item in order.items)


@action(7)
def place_order(walker):
    states = DECIDES if not chance(walker, WRONG) else ("in_progress", "completed", "cancelled")
    order = pick(walker, open_orders(walker, *states))
    if order is None or order.state == "pending_approval":
        return None
    speaker = someone(walker, order.tenant, 0.7)

    def effect(answer):
        order.placed_by, order.placed_side = speaker.actor, speaker.side
        waits = needs_approval(order)
        orders.transit(order, "place", "pending_approval" if waits else "in_progress", speaker.actor)
        if not waits:
            fulfil(walker, order, speaker.actor, answer)
    return Call(speaker, "POST", f"/v1/orders/{order.id}/place", {},
                "state_conflict" if order.state != "draft" else None, effect)


@action(6)
def decide_order(walker):
    part = walker.part
    order = pick(walker, open_orders(walker, "pending_approval") if not chance(walker, WRONG)
                 else part.orders.values())
    if order is None:
        return None
    name = "approve" if chance(walker, 0.8) else "reject"
    speaker = pick(walker, (part.operator, part.chief, part.chief, order.tenant.speaker))
    refusal = None
    if order.state != "pending_approval":
        refusal = "state_conflict"
    elif speaker.side == "tenant" or name == "approve" and speaker.actor in (
            order.placed_by, order.created_by):
        refusal = "forbidden"

    def effect(answer):
        if name == "reject":
            for item in order.items:
                item.state = "cancelled"
            orders.transit(order, "reject", "rejected", speaker.actor)
        else:
            orders.transit(order, "approve", "in_progress", speaker.actor)
            fulfil(walker, order, speaker.actor, answer)
    return Call(speaker, "POST", f"/v1/orders/{order.id}/{name}", {"reason": "预算"}, refusal, effect)


@action(2.5)
def cancel_order(walker):
    part = walker.part
    order = pick(walker, open_orders(walker, *DECIDES, "in_progress") if not chance(walker, WRONG)
                 else part.orders.values())
    if order is None:
        return None
    speaker, body = someone(walker, order.tenant), {}
    if chance(walker, 0.5):
        body["include_completed"] = chance(walker, 0.7)
    if chance(walker, 0.5):
        body["reason"] = walker.unique("cancel")
    if chance(walker, 0.3):
        body["item"] = walker.random.randint(1, 4)
    refusal = None
    if order.state not in (*DECIDES, "in_progress") or "item" in body and order.state != "in_progress":
        refusal = "state_conflict"
    elif body.get("item", 1) > len(order.items):
        refusal = "reference_unknown"
    return Call(speaker, "POST", f"/v1/orders/{order.id}/cancel", body, refusal,
                lambda answer: orders.cancel(part, order, speaker.actor, speaker.side, body))


@action(1)
def place_what_is_foreign(walker):
    order = pick(walker, open_orders(walker, "draft"))
    others = [each for each in walker.part.tenants if order and each is not order.tenant]
    return Call(pick(walker, others).speaker, "POST", f"/v1/orders/{order.id}/place", {},
                "not_found") if others else None
