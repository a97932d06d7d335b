"""What becomes of orders and of work on site, by what is done with them and with their resources."""

from model import resources, terminals
from model.state import ENDED, IN_USE, Resource, WorkOrder

OPEN = ("in_progress", "cancelling")
OF_WORK = {
    "draft": ("cancel", "schedule"), "scheduled": ("accept", "cancel", "pause", "schedule"),
    "accepted": ("cancel", "pause", "schedule", "start"), "in_progress": ("complete", "pause", "stop"),
}
OF_PAUSED = {"scheduled": ("cancel", "continue", "schedule"),
             "accepted": ("cancel", "continue", "schedule"), "in_progress": ("continue",)}
WORK_ACTIONS = ("schedule", "accept", "start", "pause", "continue", "complete", "stop", "cancel")


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
            item_transit(order, item, {"completed": "complete", "cancelled": "cancel"}[ended], ended, actor)
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
    for work in work_of(part, order):
        part.expected_work.append((order, *work))
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


def work_of(part, order):
    """The visits that it wants: kind and resources."""
    visits = {}
    for item in order.items:
        for identifier in item.resources if item.action != "change" and item.state != "failed" else ():
            resource = part.resources[identifier]
            if resource.kind == "software" or resource.state not in ("approved", "terminating"):
                continue
            kind = "remove" if resource.state == "terminating" else (
                "deliver" if resource.kind == "terminal" else "install")
            visits.setdefault((kind, resource.kind == "broadband" and resource.id), []).append(
                resource.id)
    return [(kind, sorted(about)) for (kind, _), about in visits.items()]


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


# ---- Work on site ----

def work_transit(work, what, state, actor):
    work.state = state
    work.version += 1
    work.events.append((what, state, actor))


def follow_work(part, resource, actor):
    """What nobody has begun is not needed any more when its resources are there, or gone."""
    if resource.state not in (*IN_USE, *ENDED):
        return
    for work in sorted(part.work_orders.values(), key=lambda each: each.id):
        if resource.id in work.resources and work.state in ("draft", "scheduled", "accepted") and all(
                part.resources[each].state in (*IN_USE, *ENDED) for each in work.resources):
            work_transit(work, "cancel", "cancelled", actor)


def refusal_of_work(part, work, action, body):
    if action not in (OF_PAUSED if work.paused else OF_WORK).get(work.state, ()):
        return "state_conflict"
    about = [part.resources[each] for each in work.resources]
    if action == "start" and work.kind != "remove":
        failed = [each for each in about if each.state == "failed"]
        return "state_conflict" if any(not each.failure["retryable"] for each in failed) else None
    if action != "complete":
        return None
    if work.kind == "remove":
        back = {each["code"] for each in body.get("returns", ())}
        left = [device for each in about if each.state == "terminating"
                for device in part.held_by(each) if device.tag not in back]
        return "terminal_not_returned" if left else None
    chosen = {receiver.id for _, receiver in hand_outs(part, work, body)}
    waiting = [each for each in about if each.kind == "terminal" and each.state == "provisioning"
               and not part.held_by(each, "rented")]
    return "terminal_missing" if any(each.id not in chosen for each in waiting) else None


def hand_outs(part, work, body):
    """Which device goes to which resource: to that which it is reserved for, else to one that has
    nothing, else to one for which another one is reserved."""
    open_ones = [each for each in (part.resources[identifier] for identifier in work.resources)
                 if each.kind == "terminal" and each.state == "provisioning"
                 and not part.held_by(each, "rented")]
    chosen = []
    for tag in body.get("scans", ()):
        [device] = [each for each in part.terminals.values() if each.tag == tag]
        open_ones.sort(key=lambda each, device=device: (
            device.resource != each.id, bool(part.held_by(each, "reserved")), each.id))
        chosen.append((device, open_ones.pop(0)))
    return chosen


def act_on_work(part, work, action, actor, body):
    about = [part.resources[each] for each in work.resources]
    said = {"reason": work.id}
    if action == "complete":
        for device, receiver in hand_outs(part, work, body):
            terminals.check_out(part, device, receiver, actor)
        for each in body.get("returns", ()):
            [device] = [one for one in part.terminals.values() if one.tag == each["code"]]
            terminals.check_in(part, device, actor, each["condition"])
    work.paused = action == "pause" or work.paused and action != "continue"
    work_transit(work, action, {
        "schedule": "scheduled" if work.state == "draft" else work.state, "accept": "accepted",
        "start": "in_progress", "complete": "closed_complete", "stop": "closed_incomplete",
        "cancel": "cancelled"}.get(action, work.state), actor)
    installs = work.kind != "remove"
    for resource in about:
        if action == "start" and installs and resource.state in ("approved", "failed"):
            resources.act(part, resource, "provision" if resource.state == "approved" else "retry",
                          actor, said)
        elif action == "stop" and installs and resource.state == "provisioning":
            resources.act(part, resource, "fail", actor,
                          {"code": "work-incomplete", "retryable": True, **said})
        elif action == "complete" and resource.state == ("provisioning" if installs else "terminating"):
            resources.act(part, resource, "activate" if installs else "terminate", actor, said)


def learn_work(part, order, found, actor):
    """The work orders that an order made, by the list of them: each visit that it wants, once."""
    wanted = sorted((kind, about) for of, kind, about in part.expected_work if of is order)
    shown = sorted((each["kind"], sorted(one["id"] for one in each["resources"])) for each in found)
    assert wanted == shown, f"{order.id} wants {wanted} and made {shown}"
    part.expected_work = [each for each in part.expected_work if each[0] is not order]
    for each in found:
        part.work_orders[each["id"]] = WorkOrder(
            each["id"], each["kind"], sorted(one["id"] for one in each["resources"]), actor)
