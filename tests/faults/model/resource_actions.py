"""Operations on resources, seats of software among them."""

import datetime

from model import resources
from model.actions import WRONG, action, chance, pick, someone
from model.state import Resource, Seat
from model.walker import Call

LIVE = 24  # resources that a client has at a time
WEIGHTS = {"approve": 6, "reject": 0.5, "provision": 6, "activate": 7, "fail": 1.5, "retry": 4,
           "suspend": 2, "resume": 4, "change": 3, "renew": 1.5, "terminate": 1, "move": 2}
TERMS = [(datetime.date.today() + datetime.timedelta(days)).isoformat() for days in range(100, 1000, 150)]
HOLDS = ("billing", "abuse", "operator", "tenant")


# ---- Requests ----

def request(walker, kind, part, refusal=None, stock=None, learn=lambda resource: None):
    tenant = pick(walker, walker.part.tenants)
    speaker = someone(walker, tenant)
    offer = walker.part.common.offers[kind]
    name, plan = walker.unique(kind), pick(walker, offer["plans"])
    body = {"kind": kind, "offering_id": offer["offering"], "plan_id": plan, "name": name,
            kind: part, "reason": name}
    if speaker.side == "operator":
        body["tenant"] = tenant.id
    if kind == "broadband":
        if (tenant.id, part["line"]) in walker.part.logins:
            refusal = "conflict_unique"

    def effect(answer):
        made = Resource(answer.json["id"], kind, tenant, name, plan, speaker.actor, name,
                        part.get("seats", 1))
        walker.part.resources[made.id] = made
        learn(made)
    return Call(speaker, "POST", "/v1/resources", body, refusal, effect, stock=stock)


def is_full(walker):
    return len(walker.part.of()) >= LIVE


@action(5)
def request_software(walker):
    return None if is_full(walker) else request(walker, "software",
                                                {"seats": walker.random.randint(1, 4)})


@action(6)
def request_broadband(walker):
    if is_full(walker):
        return None
    common, logins = walker.part.common, walker.part.logins
    name = walker.unique("line")
    if chance(walker, WRONG) and logins:
        name = pick(walker, sorted(logins))[1]
    part = {"line": name, "access_technology": "gpon"}
    point = pick(walker, [None, *common.points])
    tier = pick(walker, [None, *common.tiers])
    if point is not None:
        part["access_point_id"] = point
    if tier is not None:
        part["tier_id"] = tier
    else:
        part |= {"maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000}

    def learn(made):
        made.open_line(name, point=point, tier=tier)
        logins.add((made.tenant.id, name))
    return request(walker, "broadband", part, None, common.points.get(point), learn)


@action(6)
def request_terminal(walker):
    return None if is_full(walker) else request(walker, "terminal",
                                                {"model": walker.part.common.model})


# ---- Actions ----

def body_of(walker, resource, name, side):
    """What is sent with an action."""
    body = {"reason": walker.unique(name)}
    if name in ("suspend", "resume"):
        hold = pick(walker, HOLDS if side == "operator" else (*HOLDS, *["tenant"] * 6))
        if name == "resume" and resource.holds and not chance(walker, WRONG):
            hold = pick(walker, sorted(resource.holds))
        if chance(walker, 0.7) or hold != side:
            body["hold"] = hold
    elif name == "fail":
        body |= {"code": "no-signal", "retryable": chance(walker, 0.7)}
    elif name == "move":
        body["access_point_id"] = pick(walker, [None, *walker.part.common.points])
    elif name == "renew":
        body["rented_until"] = pick(walker, [None, *TERMS])
    elif name == "change":
        body |= change_of(walker, resource, side)
    return body


def change_of(walker, resource, side):
    common = walker.part.common
    kind = resource.kind if not chance(walker, WRONG / 2) else pick(walker, ("software", "broadband"))
    if kind == "terminal" or chance(walker, 0.4):
        body = {"plan_id": pick(walker, common.offers[resource.kind]["plans"])}
        return body | ({"effective_at": common.ahead} if chance(walker, 0.4) else {})
    if kind == "software":
        return {"software": {"seats": walker.random.randint(1, 5)}}
    parts = ["tier_id"] if side == "tenant" and not chance(walker, WRONG) else [
        "tier_id", "access_point_id", "static_address"]
    part = pick(walker, parts)
    if part == "tier_id":
        body = {"broadband": {"tier_id": pick(walker, common.tiers)}}
        return body | ({"effective_at": common.ahead} if chance(walker, 0.4) else {})
    if part == "access_point_id":
        return {"broadband": {"access_point_id": pick(walker, [None, *common.points])}}
    return {"broadband": {"static_address": pick(walker, [None, *walker.part.pool.addresses])}}


def choose_action(walker, resource):
    names = [name for name in resources.ACTIONS if resources.next_state(resource, name) is not None
             or chance(walker, WRONG / 3)]
    return walker.random.choices(names, [WEIGHTS[name] for name in names])[0] if names else None


@action(40)
def act_on_resource(walker):
    part = walker.part
    resource = pick(walker, part.of(ended=chance(walker, 0.05)))
    name = choose_action(walker, resource) if resource is not None else None
    if name is None:
        return None
    by_tenant = name in resources.OF_TENANTS or chance(walker, WRONG / 2)
    speaker = someone(walker, resource.tenant, 0.5 if by_tenant else 0)
    body = body_of(walker, resource, name, speaker.side)
    refusal = resources.refusal(part, resource, name, speaker.side, body)
    seen = resource.version if chance(walker, 0.2) else None
    if chance(walker, WRONG / 3) and not (speaker.side == "tenant" and name not in resources.OF_TENANTS):
        seen, refusal = resource.version + 1, "precondition_failed"

    def effect(answer):
        version = resource.version
        resources.act(part, resource, name, speaker.actor, body, speaker.side)
        if "broadband" in body:
            resources.learn_addresses(part, resource, answer.json)
        check_version(answer, version + 1)
    return Call(speaker, "POST", f"/v1/resources/{resource.id}/{name}", body, refusal, effect,
                None if seen is None else f'"{seen}"',
                resources.place_taken(part, resource, name, body) if refusal is None else None)


def check_version(answer, version):
    assert answer.etag == f'"{version}"', f"version {version} expected: {answer.etag} {answer!r}"


@action(2)
def act_on_what_is_foreign(walker):
    """Of another tenant; or of none, with an id that nothing has."""
    resource = pick(walker, walker.part.of())
    others = [each for each in walker.part.tenants if resource and each is not resource.tenant]
    name = pick(walker, resources.OF_TENANTS)
    if resource is None or not others:
        return None
    speaker = pick(walker, others).speaker
    body = body_of(walker, resource, name, "tenant")
    return Call(speaker, "POST", f"/v1/resources/{resource.id}/{name}", body, "not_found")


@action(4)
def rename_resource(walker):
    resource = pick(walker, walker.part.of())
    if resource is None:
        return None
    stale = chance(walker, 0.25)
    name, seen = walker.unique("renamed"), resource.version - (1 if stale else 0)
    path = f"/v1/resources/{resource.id}"
    speaker = someone(walker, resource.tenant)

    def effect(answer):
        resource.version, resource.name = resource.version + 1, name

    def settled(answer):
        """It was renamed by the attempt that was not answered."""
        now = walker.get(speaker, path)
        return answer.code == "precondition_failed" and (now.json["name"], now.etag) == (
            name, f'"{resource.version + 1}"')
    return Call(speaker, "PATCH", path, {"name": name}, "precondition_failed" if stale else None,
                effect, f'"{seen}"', settled=settled)


# ---- Seats ----

def assign(walker, resource, path, speaker, refusal, email, **options):
    body = {"person": "李娜", "email": email}
    return Call(speaker, "POST", path, body, refusal, **options)


@action(8)
def assign_seat(walker):
    resource = pick(walker, walker.part.of("software", ended=chance(walker, 0.05)))
    if resource is None:
        return None
    email, taken = walker.unique("person") + "@example.com", resource.assigned()
    if taken and chance(walker, WRONG):
        email = pick(walker, taken).email
    refusal = None
    if resource.state not in ("approved", "provisioning", "active", "suspended"):
        refusal = "state_conflict"
    elif len(taken) >= resource.quantity:
        refusal = "seats_exhausted"
    elif any(seat.email == email for seat in taken):
        refusal = "conflict_unique"

    def effect(answer):
        seat = Seat(answer.json["id"], email)
        resource.seats[seat.id] = seat
    return assign(walker, resource, f"/v1/resources/{resource.id}/seats",
                  someone(walker, resource.tenant), refusal, email, effect=effect)


def release(walker, speaker, resource_id, seat, effect):
    """Once it is released, what was seen of it before is stale."""
    path = f"/v1/resources/{resource_id}/seats/{seat.id}"
    return Call(speaker, "DELETE", path, None, "precondition_failed" if seat.version > 1 else None,
                effect, '"1"', settled=lambda answer: answer.code == "precondition_failed"
                and walker.get(speaker, path).json["released_at"] is not None)


@action(5)
def release_seat(walker):
    resource = pick(walker, [each for each in walker.part.of("software", ended=chance(walker, 0.1))
                             if each.seats])
    if resource is None:
        return None
    seats = resource.seats.values() if chance(walker, WRONG) else resource.assigned()
    seat = pick(walker, seats)
    return None if seat is None else release(
        walker, someone(walker, resource.tenant), resource.id, seat,
        lambda answer: setattr(seat, "version", 2))


@action(6)
def assign_common_seat(walker):
    common = walker.part.common
    email = walker.unique("guest") + "@example.com"

    def effect(answer):
        walker.part.seats[answer.json["id"]] = Seat(answer.json["id"], email)
    return assign(walker, None, f"/v1/resources/{common.subscription}/seats",
                  walker.part.operator, None, email, effect=effect, stock=common.seat_stock)


@action(5)
def release_common_seat(walker):
    common = walker.part.common
    seat = pick(walker, [each for each in walker.part.seats.values() if each.version == 1])
    if seat is None:
        return None

    def effect(answer):
        seat.version = 2
        common.seat_stock.give()
    return release(walker, walker.part.operator, common.subscription, seat, effect)
