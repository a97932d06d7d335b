"""What actions on resources make of them, and why they are refused."""

from model import orders, work
from model.state import ENDED

EVERYWHERE = {
    "approve": {"requested": "approved"},
    "reject": {"requested": "rejected", "approved": "rejected"},
    "provision": {"approved": "provisioning"},
    "activate": {"provisioning": "active"},
    "fail": {"provisioning": "failed"},
    "retry": {"failed": "provisioning"},
    "suspend": {"active": "suspended", "suspended": "suspended"},
    "resume": {"suspended": "active"},
    "change": {state: state for state in ("requested", "approved", "provisioning", "active",
                                          "suspended")},
    "renew": {state: state for state in ("approved", "provisioning", "active", "suspended")},
}
INSTALLED = ("provisioning", "active", "suspended", "failed")
TERMINATE = {
    "software": {state: "terminated" for state in ("requested", "approved", *INSTALLED)},
    "broadband": {"requested": "terminated", "approved": "terminated", "terminating": "terminated",
                  **{state: "terminating" for state in INSTALLED}},
    "terminal": {"requested": "terminated", "approved": "terminating", "terminating": "terminated",
                 **{state: "terminating" for state in INSTALLED}},
}
ACTIONS = (*EVERYWHERE, "terminate", "move")
OF_TENANTS = ("suspend", "resume", "change", "renew", "terminate")


def next_state(resource, action):
    """None where the action does not start from its state."""
    if action == "terminate":
        return TERMINATE[resource.kind].get(resource.state)
    if action == "move":
        return EVERYWHERE["change"].get(resource.state) if resource.kind == "broadband" else None
    return EVERYWHERE[action].get(resource.state)


# ---- Why not ----

def refusal(part, resource, action, side, body):
    """The code that it is refused with, or None."""
    if side == "tenant" and action not in OF_TENANTS:
        return "forbidden"
    to_state = next_state(resource, action)
    if to_state is None or (side == "tenant" and resource.state == "terminating") or (
            action == "retry" and not resource.failure["retryable"]):
        return "state_conflict"
    hold = body.get("hold", side)
    if action in ("suspend", "resume"):
        if side == "tenant" and hold != "tenant":
            return "forbidden"
        if (hold in resource.holds) == (action == "suspend"):
            return "state_conflict"
    if action == "change":
        return refusal_of_change(part, resource, side, body)
    if action == "renew" and side == "tenant":
        return refusal_of_renewal(resource, body["rented_until"])
    if to_state in ENDED and part.held_by(resource):
        return "terminal_not_returned"
    return None


def refusal_of_renewal(resource, until):
    """A tenant makes a term longer, where there is one."""
    longer = resource.rented_until is not None and (until is None or until > resource.rented_until)
    return None if longer else "term_refused"


def refusal_of_change(part, resource, side, body):
    if any(kind in body and kind != resource.kind for kind in ("software", "broadband")):
        return "change_refused"
    if "software" in body and body["software"]["seats"] < len(resource.assigned()):
        return "seats_in_use"
    line = body.get("broadband", {})
    if side == "tenant" and set(line) - {"password", "tier_id"}:
        return "forbidden"
    wanted = line.get("static_address")
    if wanted is not None and part.pool.addresses[wanted] not in ("free", "rested", resource.id):
        return "address_unavailable"
    tier = line.get("tier_id")
    if tier is not None and side == "tenant" and not part.common.tiers[tier]:
        return "forbidden"
    return None


def place_taken(part, resource, action, body):
    """The places that it takes one of, or None."""
    point = body.get("access_point_id") if action == "move" else (
        body.get("broadband", {}).get("access_point_id"))
    return None if point is None or point == resource.line.point else part.common.points[point]


# ---- What it makes ----

def act(part, resource, action, actor, body, side="operator", asker=None):
    """`asker` is whoever asked, where the resource's history names somebody else."""
    to_state, before = next_state(resource, action), resource.state
    hold = body.get("hold", side)
    if action == "suspend":
        resource.holds.add(hold)
        resource.placed.append(hold)
    elif action == "resume":
        resource.holds.remove(hold)
        resource.lifted.append(hold)
        to_state = "active" if not resource.holds else "suspended"
    elif action == "change":
        change(part, resource, body)
    elif action == "move":
        set_point(part, resource, body["access_point_id"])
    elif action == "renew":
        resource.rented_until = body["rented_until"]
    elif action == "fail":
        resource.failure = {"code": body["code"], "retryable": body["retryable"]}
    resource.version += 1
    resource.history[resource.version] = (action, before, to_state, actor, body.get("reason", ""))
    resource.askers[resource.version] = asker or actor
    resource.state = to_state
    if to_state != "failed":
        resource.failure = None
    if to_state in ("terminating", *ENDED) and before != "terminating":
        end(resource)
    if to_state in ENDED:
        release(part, resource)
    if to_state != before:
        work.follow(part, resource, asker or actor)
        orders.follow(part, resource, asker or actor)


def end(resource):
    resource.next_plan = None
    resource.lifted += sorted(resource.holds)
    resource.holds.clear()
    for seat in resource.assigned():
        seat.version = 2
    if resource.line is not None:
        resource.line.next_tier = None


def release(part, resource):
    line = resource.line
    if line is None:
        return
    if line.point is not None:
        part.common.points[line.point].give()
    drop_addresses(part, line, list(line.addresses))
    part.logins.discard((resource.tenant.id, line.name))


def change(part, resource, body):
    ahead = "effective_at" in body
    if "plan_id" in body:
        if ahead:
            resource.next_plan = body["plan_id"]
        else:
            resource.plan, resource.next_plan = body["plan_id"], None
    if "software" in body:
        resource.quantity = body["software"]["seats"]
    line = body.get("broadband", {})
    if "access_point_id" in line:
        set_point(part, resource, line["access_point_id"])
    if "static_address" in line:
        set_static(part, resource, line["static_address"])
    if "tier_id" in line:
        if ahead:
            resource.line.next_tier = line["tier_id"]
        else:
            resource.line.tier, resource.line.next_tier = line["tier_id"], None


# ---- Lines ----

def set_point(part, resource, point):
    line = resource.line
    if point == line.point:
        return
    if line.point is not None:
        part.common.points[line.point].give()
    drop_addresses(part, line, [identifier for identifier, (pool, _) in line.addresses.items()
                                if pool.point is not None and pool.point == line.point])
    line.point = point


def drop_addresses(part, line, identifiers):
    for identifier in identifiers:
        pool, address = line.addresses.pop(identifier)
        line.past[identifier] = (pool, address)
        if pool.stock is None:
            pool.addresses[address] = "rested"
        elif not pool.rests:
            pool.stock.give()


def set_static(part, resource, wanted):
    line = resource.line
    if wanted == line.static:
        return
    drop_addresses(part, line, [identifier for identifier, (_, address) in line.addresses.items()
                                if address == line.static and line.static is not None])
    line.static = wanted
    # The assignment's id is learnt from the answer (learn_addresses).


def learn_addresses(part, resource, shown):
    """The addresses of a line by an answer, where an id of one is not known yet."""
    for each in shown["broadband"]["addresses"]:
        if each["id"] not in resource.line.addresses and each["address"] == resource.line.static:
            resource.line.addresses[each["id"]] = (part.pool, each["address"])
            part.pool.addresses[each["address"]] = resource.id


def give_address(resource, pool, identifier, address):
    resource.version += 1
    resource.line.addresses[identifier] = (pool, address)
    if pool.stock is None:
        pool.addresses[address] = resource.id


def take_address(part, resource, identifier):
    if resource.line.addresses[identifier][1] == resource.line.static:
        resource.line.static = None
    drop_addresses(part, resource.line, [identifier])
    resource.version += 1
