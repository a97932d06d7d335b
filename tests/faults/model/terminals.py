"""How devices move."""

from model.state import DEPOSIT

FROM = {
    "reserve": ("in_stock",), "release": ("reserved",), "check-out": ("in_stock", "reserved"),
    "check-in": ("rented",), "repair": ("in_stock",), "restock": ("in_repair", "lost"),
    "lose": ("rented", "in_stock", "in_repair"), "retire": ("in_stock", "in_repair", "lost"),
    "extend": ("rented",),
}
TO = {"reserve": "reserved", "release": "in_stock", "check-out": "rented", "check-in": "in_stock",
      "repair": "in_repair", "restock": "in_stock", "lose": "lost", "retire": "retired",
      "extend": "rented"}
TAKES = ("approved", "provisioning", "active")  # states of a resource that takes a device


def refusal(part, device, action, body):
    if device.state not in FROM[action]:
        return "state_conflict"
    if action in ("reserve", "check-out"):
        resource = part.resources[body["resource_id"]]
        other = "reserved" if action == "reserve" else "rented"
        if resource.state not in TAKES or device.resource not in (None, resource.id) or any(
                each is not device for each in part.held_by(resource, other)):
            return "state_conflict"
    claim = int(body.get("claim", {"amount": 0})["amount"])
    if action in ("check-in", "lose") and claim:
        held = part.resources[device.resource].deposit if device.state == "rented" else 0
        return "deposit_exceeded" if claim > held else None
    return None


def refusal_of_swap(part, device, replacement):
    if device.state != "rented":
        return "state_conflict"
    if replacement is device:
        return "reference_unknown"
    good = replacement.state == "in_stock" or (
        replacement.state == "reserved" and replacement.resource == device.resource)
    return None if good else "state_conflict"


def put(part, device, action, state, resource, actor, condition=None, other=None):
    """`resource` is None where nobody has it afterwards."""
    before, number = device.state, device.version + 1
    concerned = resource.id if resource is not None else device.resource
    device.note(number, (action, before, state, condition or device.condition, concerned, actor, other),
                resource.id if resource is not None else None)
    if state == "in_stock" and device.model == part.common.model:
        part.common.terminals[device.id].learn(part.terminals.pop(device.id))
        part.common.terminal_stock.give()


def make_room(part, device, resource, actor):
    for other in part.held_by(resource, "reserved"):
        if other is not device:
            put(part, other, "release", "in_stock", None, actor, other=device.id)


def act(part, device, action, actor, body):
    if action == "check-out":
        check_out(part, device, part.resources[body["resource_id"]], actor, body.get("condition"))
    elif action == "check-in":
        check_in(part, device, actor, body["condition"], body.get("claim"))
    elif action == "lose":
        settle(part, device, body.get("claim"))
        put(part, device, "lose", "lost", None, actor)
    else:
        stays = action == "extend"
        resource = part.resources[body.get("resource_id", device.resource)] if (
            stays or action == "reserve") else None
        put(part, device, action, TO[action], resource, actor, body.get("condition"))


def check_out(part, device, resource, actor, condition=None):
    make_room(part, device, resource, actor)
    put(part, device, "check-out", "rented", resource, actor, condition)
    if device.model == part.common.model and resource.deposit == 0:
        resource.deposits.append(("hold", DEPOSIT))


def check_in(part, device, actor, condition, claim=None):
    settle(part, device, claim)
    put(part, device, "check-in", "in_repair" if condition == "damaged" else "in_stock", None, actor,
        condition)


def settle(part, device, claim):
    """What is held for a rented device goes back, less what is claimed."""
    if device.state != "rented":
        return
    resource = part.resources[device.resource]
    held, claimed = resource.deposit, int((claim or {"amount": 0})["amount"])
    resource.deposits += [(kind, amount) for kind, amount in (
        ("claim", claimed), ("release", held - claimed)) if amount > 0]


def swap(part, device, replacement, actor, body):
    resource = part.resources[device.resource]
    make_room(part, replacement, resource, actor)
    damaged = body.get("condition") == "damaged"
    state = {"lost": "lost", "repair": "in_repair"}.get(body["outcome"],
                                                       "in_repair" if damaged else "in_stock")
    put(part, device, "swap", state, None, actor, body.get("condition"), replacement.id)
    put(part, replacement, "swap", "rented", resource, actor, None, device.id)
