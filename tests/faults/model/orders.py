"""What becomes of orders, by what is done with them and with their resources."""

from model import resources, terminals, work
from model.state import ENDED, IN_USE, Resource

OPEN = ("in_progress", "cancelling")


# ---- The story of an order ----

def transit(order, what, state, actor):
    order.state = state
    order.version += 1
    order.events.append((what, None, state, actor))


def item_transit(order, item, what, state, actor, failure=None):
    item.state, item.failure = state, failure
    order.events.append((what, item.number, state, actor))


def follow(part, resource, actor):
    """A resource has another state: orders that wait for it look at it."""
    for order in sorted(part.orders.values(), key=lambda each: each.id):
        if order is not part.cancelling and any(
                resource.id in item.resources and item.state in OPEN for item in order.items):
            settle(part, order, actor)


def outcome(part, item):
    """Null while one of an item's resources is on its way."""
    states = [part.resources[each].state for each in item.resources if each in part.resources]
    if item.action == "return":
        return "completed" if set(states) == {"terminated"} else None
    if any(state not in (*IN_USE, *ENDED) for state in states):
        return None
    return "completed" if any(state in IN_USE for state in states) else "cancelled"


def settle(part, order, actor):
    for item in order.items:
        ended = outcome(part, item) if item.state in OPEN else None
        if ended is not None:
            what = {"completed": "complete", "cancelled": "cancel"}[ended]
            item_transit(order, item, what, ended, actor)
    states = [item.state for item in order.items]
    if order.state in OPEN and not any(state in ("waiting", *OPEN) for state in states):
        completed = states.count("completed")
        transit(order, "end", "completed" if completed == len(states) else
                "partially_completed" if completed else "cancelled", actor)


# ---- An order begins ----

def begin(part, order, actor, shown):
    """`shown` is the order as it was answered, with the ids of what it made."""
    for item in order.items:
        began = len(order.events)
        item_transit(order, item, "begin", "in_progress", actor)
        made = shown["items"][item.number - 1]
        code = begin_item(part, order, item, actor, made)
        if code is not None:  # what it had begun is undone, and no longer told
            del order.events[began:]
            item_transit(order, item, "fail", "failed", actor, code)
    part.expected_work += [(order, *visit) for visit in work.visits(part, order)]
    settle(part, order, actor)


def begin_item(part, order, item, actor, made):
    request = item.request
    if item.action.startswith("rent_"):
        return rent(part, order, item, actor, made)
    resource = part.resources[request["resource_id"]]
    action = "terminate" if item.action == "return" else "change"
    body = {name: value for name, value in request.items() if name not in ("action", "resource_id")}
    body["reason"] = order.id
    code = resources.refusal(part, resource, action, order.placed_side, body)
    if code is None:
        resources.act(part, resource, action, order.placed_by, body, order.placed_side, actor)
        if action == "change":
            item_transit(order, item, "complete", "completed", actor)
    return code


def rent(part, order, item, actor, made):
    request, kind = item.request, item.action[len("rent_"):]
    if kind == "broadband":
        login = (order.tenant.id, request["broadband"]["line"])
        if login in part.logins:
            return "conflict_unique"
        part.logins.add(login)
    count = request.get("count", 1)
    for place, shown in enumerate(made["resources"]):
        name = request["name"] if count == 1 else f"{request['name']} {place + 1}"
        resource = Resource(shown["id"], kind, order.tenant, name, request["plan_id"],
                            order.placed_by, order.id, request.get("software", {}).get("seats", 1),
                            actor)
        if kind == "broadband":
            resource.open_line(request["broadband"]["line"])
        part.resources[resource.id] = resource
        item.resources.append(resource.id)
        resources.act(part, resource, "approve", actor, {"reason": order.id})
    assert len(made["resources"]) == count, made
    return None


# ---- An order is cancelled ----

def cancel(part, order, actor, side, body):
    if order.state != "in_progress":
        for item in order.items:
            item.state = "cancelled"
        transit(order, "cancel", "cancelled", actor)
        return
    all_of_it = body.get("include_completed", False)
    if "item" not in body:
        transit(order, "cancel", "cancelling", actor)
    reason = " · ".join(filter(None, (order.id, body.get("reason"))))
    part.cancelling = order
    for item in order.items:
        if body.get("item") in (None, item.number) and item.action.startswith("rent_") and (
                item.state == "in_progress" or item.state == "completed" and all_of_it):
            item_transit(order, item, "cancel", "cancelling", actor)
            for identifier in sorted(item.resources):
                undo(part, part.resources[identifier], all_of_it, side, actor, {"reason": reason})
    part.cancelling = None
    settle(part, order, actor)


def undo(part, resource, all_of_it, side, actor, said):
    """What is in use already stays, unless all is to go."""
    if resource.state in ("terminating", *ENDED) or resource.state in IN_USE and not all_of_it:
        return
    early = resource.state in ("requested", "approved")
    if early and side == "operator":
        for device in part.held_by(resource, "reserved"):
            terminals.put(part, device, "release", "in_stock", None, actor)
    action = "reject" if early and not part.held_by(resource) else "terminate"
    resources.act(part, resource, action, actor, said)
