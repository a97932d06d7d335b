"""Operations on work on site, which orders made."""

from model import work as rules
from model.actions import WRONG, action, chance, pick
from model.walker import Call

WEIGHTS = {"schedule": 4, "accept": 8, "start": 8, "complete": 9, "stop": 1.5, "pause": 1,
           "continue": 8, "cancel": 0.5}
CLOSED = ("closed_complete", "closed_incomplete", "cancelled")


def body_of(walker, work, name):
    if name == "schedule":
        return {"window_starts_at": "2036-12-01T09:00:00+08:00",
                "window_ends_at": "2036-12-01T12:00:00+08:00"}
    body = {"reason": walker.unique(name)}
    about = [walker.part.resources[each] for each in work.resources]
    if name == "complete" and work.kind == "deliver":
        scans = scans_of(walker, about)
        return body | ({"scans": scans} if scans else {})
    if name == "complete" and work.kind == "remove":
        held = [device for each in about for device in walker.part.held_by(each, "rented")]
        returns = [{"code": device.tag, "condition": pick(walker, ("good", "damaged"))}
                   for device in held if not chance(walker, WRONG)]
        return body | ({"returns": returns} if returns else {})
    return body


def scans_of(walker, about):
    """Devices for all that wait for one: those reserved for them, and others of the client's own."""
    part = walker.part
    waiting = [each for each in about if each.state == "provisioning"
               and not part.held_by(each, "rented")]
    reserved = [device.tag for each in waiting for device in part.held_by(each, "reserved")]
    stock = [each.tag for each in part.terminals.values() if each.state == "in_stock"]
    walker.random.shuffle(stock)
    tags = [*reserved, *stock][:len(waiting)]
    if chance(walker, WRONG):
        tags = tags[1:]
    walker.random.shuffle(tags)
    return tags


@action(26)
def work_on_site(walker):
    part = walker.part
    closed = chance(walker, 0.03)
    work = pick(walker, [each for each in part.work_orders.values()
                         if (each.state in CLOSED) == closed])
    if work is None:
        return None
    good = (rules.FROM_PAUSED if work.paused else rules.FROM).get(work.state, ())
    names = [name for name in rules.ACTIONS if name in good or chance(walker, WRONG / 2)]
    name = walker.random.choices(names, [WEIGHTS[each] for each in names])[0] if names else None
    if name is None:
        return None
    body = body_of(walker, work, name)

    def effect(answer):
        rules.act(part, work, name, part.operator.actor, body)
        assert answer.etag == f'"{work.version}"', repr(answer)
    return Call(part.operator, "POST", f"/v1/work-orders/{work.id}/{name}", body,
                rules.refusal(part, work, name, body), effect)
