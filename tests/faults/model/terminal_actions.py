"""Operations on devices: of a client's own model, which it alone moves, and of the common one, of which
all take."""

from model import terminals
from model.actions import WRONG, action, chance, pick
from model.state import Terminal
from model.walker import Call

OWN = 14  # devices of its own model that a client has in use
WEIGHTS = {"reserve": 3, "release": 2, "check-out": 5, "check-in": 2, "repair": 1, "restock": 5,
           "lose": 0.7, "retire": 0.2, "extend": 1}


def in_use(walker):
    return [each for each in walker.part.terminals.values() if each.state != "retired"]


def wants_device(walker):
    """A resource that one may go to; now and then one that takes none."""
    part = walker.part
    found = [each for each in part.of("terminal", ended=chance(walker, WRONG))
             if chance(walker, WRONG) or each.state in terminals.TAKES
             and not part.held_by(each, "rented")]
    return pick(walker, found)


@action(1)
def add_terminal(walker):
    part = walker.part
    if len(in_use(walker)) >= OWN:
        return None
    tag = walker.unique("PC")

    def effect(answer):
        made = Terminal(answer.json["id"], tag, part.model, part.operator.actor)
        part.terminals[made.id] = made
    return Call(part.operator, "POST", "/v1/terminals",
                {"asset_tag": tag, "serial": walker.unique("SN"), "model": part.model}, None, effect)


@action(0.5)
def import_terminals(walker):
    """It takes no key: the tags say whether it was done."""
    part = walker.part
    if len(in_use(walker)) + 4 >= OWN:
        return None
    tags = [walker.unique("CSV") for _ in range(3)]
    broken = chance(walker, WRONG)
    rows = [f"{tag},{'' if broken and tag == tags[1] else 'S' + tag},{part.model}" for tag in tags]

    def effect(answer):
        for tag in tags:
            [shown] = walker.get(part.operator, f"/v1/terminals?asset_tag={tag}").json["data"]
            part.terminals[shown["id"]] = Terminal(shown["id"], tag, part.model, part.operator.actor)
    return Call(part.operator, "POST", "/v1/terminals/import",
                "\r\n".join(["asset_tag,serial,model", *rows, ""]).encode(),
                "validation_failed" if broken else None, effect, content_type="text/csv",
                settled=lambda answer: answer.code in ("conflict_unique", "validation_failed"))


@action(10)
def reserve_of_model(walker):
    part, common = walker.part, walker.part.common

    def is_bad(resource):
        return resource.state not in terminals.TAKES or part.held_by(resource, "reserved")

    resource = pick(walker, [each for each in part.of("terminal", ended=True)
                             if not is_bad(each) or chance(walker, WRONG / 6)])
    if resource is None:
        return None
    bad = is_bad(resource)

    def effect(answer):
        device = common.terminals[answer.json["id"]].taken(
            int(answer.etag.strip('"')),
            ("reserve", "in_stock", "reserved", answer.json["condition"], resource.id,
             part.operator.actor, None), resource.id)
        part.terminals[device.id] = device
    body = {"resource_id": resource.id, "model": common.model}
    return Call(part.operator, "POST", "/v1/terminals/reserve-any", body,
                "state_conflict" if bad else None, effect, stock=None if bad else common.terminal_stock)


def body_of(walker, device, name):
    body = {"note": walker.unique(name)}
    if name in ("reserve", "check-out"):
        reserved = walker.part.resources.get(device.resource)
        to = wants_device(walker) if reserved is None or chance(walker, WRONG) else reserved
        if to is None:
            return None
        body["resource_id"] = to.id
    if name == "check-in":
        body["condition"] = pick(walker, ("good", "fair", "damaged"))
    if name in ("check-in", "lose") and device.state == "rented" and chance(walker, 0.3):
        body["claim"] = {"amount": pick(walker, ("30", "100", "101")), "currency": "CNY",
                         "reason": "划痕"}
    if name == "extend":
        body["due_on"] = "2037-12-31"
    return body


@action(28)
def move_terminal(walker):
    part = walker.part
    device = pick(walker, part.terminals.values() if chance(walker, 0.05) else in_use(walker))
    if device is None:
        return None
    names = [name for name in terminals.FROM
             if device.state in terminals.FROM[name] or chance(walker, WRONG / 3)]
    name = walker.random.choices(names, [WEIGHTS[each] for each in names])[0] if names else None
    body = body_of(walker, device, name) if name is not None else None
    if body is None:
        return None
    version = device.version

    def effect(answer):
        terminals.act(part, device, name, part.operator.actor, body)
        assert answer.etag == f'"{version + 1}"', repr(answer)
    return Call(part.operator, "POST", f"/v1/terminals/{device.id}/{name}", body,
                terminals.refusal(part, device, name, body), effect)


@action(5)
def swap_terminal(walker):
    part = walker.part
    device = pick(walker, [each for each in in_use(walker)
                           if each.state == "rented" or chance(walker, WRONG)])
    replacement = pick(walker, [each for each in in_use(walker)
                                if each.state == "in_stock" or chance(walker, WRONG)])
    if device is None or replacement is None:
        return None
    body = {"replacement_id": replacement.id, "outcome": pick(walker, ("stock", "repair", "lost"))}
    if chance(walker, 0.5):
        body["condition"] = pick(walker, ("fair", "damaged"))
    return Call(part.operator, "POST", f"/v1/terminals/{device.id}/swap", body,
                terminals.refusal_of_swap(part, device, replacement),
                lambda answer: terminals.swap(part, device, replacement, part.operator.actor, body))

