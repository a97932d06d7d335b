"""What becomes of work on site, and what it brings about."""

from model import resources, terminals
from model.state import ENDED, IN_USE, WorkOrder

FROM = {
    "draft": ("cancel", "schedule"), "scheduled": ("accept", "cancel", "pause", "schedule"),
    "accepted": ("cancel", "pause", "schedule", "start"), "in_progress": ("complete", "pause", "stop"),
}
FROM_PAUSED = {"scheduled": ("cancel", "continue", "schedule"),
             "accepted": ("cancel", "continue", "schedule"), "in_progress": ("continue",)}
ACTIONS = ("schedule", "accept", "start", "pause", "continue", "complete", "stop", "cancel")


# ---- Made by an order ----

def visits(part, order):
    """The visits that it wants: kind and resources."""
    found = {}
    for item in order.items:
        for identifier in item.resources if item.action != "change" and item.state != "failed" else ():
            resource = part.resources[identifier]
            if resource.kind == "software" or resource.state not in ("approved", "terminating"):
                continue
            kind = "remove" if resource.state == "terminating" else (
                "deliver" if resource.kind == "terminal" else "install")
            found.setdefault((kind, resource.kind == "broadband" and resource.id), []).append(
                resource.id)
    return [(kind, sorted(about)) for (kind, _), about in found.items()]


def learn(part, order, found, actor):
    """The work orders that an order made, by the list of them: each visit that it wants, once."""
    wanted = sorted((kind, about) for of, kind, about in part.expected_work if of is order)
    shown = sorted((each["kind"], sorted(one["id"] for one in each["resources"])) for each in found)
    assert wanted == shown, f"{order.id} wants {wanted} and made {shown}"
    part.expected_work = [each for each in part.expected_work if each[0] is not order]
    for each in found:
        part.work_orders[each["id"]] = WorkOrder(
            each["id"], each["kind"], sorted(one["id"] for one in each["resources"]), actor)


# ---- What is done with it ----

def transit(work, what, state, actor):
    work.state = state
    work.version += 1
    work.events.append((what, state, actor))


def follow(part, resource, actor):
    """What nobody has begun is not needed any more when its resources are there, or gone."""
    if resource.state not in (*IN_USE, *ENDED):
        return
    for work in sorted(part.work_orders.values(), key=lambda each: each.id):
        if resource.id in work.resources and work.state in ("draft", "scheduled", "accepted") and all(
                part.resources[each].state in (*IN_USE, *ENDED) for each in work.resources):
            transit(work, "cancel", "cancelled", actor)


def refusal(part, work, action, body):
    if action not in (FROM_PAUSED if work.paused else FROM).get(work.state, ()):
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


def act(part, work, action, actor, body):
    about = [part.resources[each] for each in work.resources]
    said = {"reason": work.id}
    if action == "complete":
        for device, receiver in hand_outs(part, work, body):
            terminals.check_out(part, device, receiver, actor)
        for each in body.get("returns", ()):
            [device] = [one for one in part.terminals.values() if one.tag == each["code"]]
            terminals.check_in(part, device, actor, each["condition"])
    work.paused = action == "pause" or work.paused and action != "continue"
    transit(work, action, {
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
