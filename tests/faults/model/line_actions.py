"""Operations on the addresses of lines."""

from model import resources
from model.actions import WRONG, action, chance, pick
from model.walker import Call

ADDRESSES = 8  # of a line; less than it may have


def refusal_of(line, pool):
    """Of the next address of a pool."""
    if line.is_ending():
        return "state_conflict"
    if pool.point is not None and pool.point != line.line.point:
        return "address_unavailable"
    return None


def give(walker, line, pool, body, refusal):
    def effect(answer):
        given = answer.json
        if pool.stock is None:
            assert pool.addresses[given["address"]] in ("free", "rested"), answer
        resources.give_address(line, pool, given["id"], given["address"])
    return Call(walker.part.operator, "POST", f"/v1/resources/{line.id}/addresses", body, refusal,
                effect, stock=pool.stock if refusal is None else None)


def line_for_more(walker):
    return pick(walker, [each for each in walker.part.of("broadband", ended=True)
                         if len(each.line.addresses) < ADDRESSES
                         and (not each.is_ending() or chance(walker, WRONG / 6))])


@action(7)
def give_address_of_pool(walker):
    line = line_for_more(walker)
    if line is None:
        return None
    pool = pick(walker, walker.part.common.pools)
    return give(walker, line, pool, {"pool_id": pool.id}, refusal_of(line, pool))


@action(3)
def give_address_of_own_pool(walker):
    line, pool = line_for_more(walker), walker.part.pool
    if line is None:
        return None
    refusal = refusal_of(line, pool)
    left = [each for each in pool.addresses.values() if each in ("free", "rested")]
    if refusal is None and not left:
        refusal = "addresses_exhausted"
    return give(walker, line, pool, {"pool_id": pool.id}, refusal)


@action(3)
def give_this_address(walker):
    line, pool = line_for_more(walker), walker.part.pool
    if line is None:
        return None
    address = pick(walker, pool.addresses)
    refusal = refusal_of(line, pool)
    if refusal is None and pool.addresses[address] not in ("free", "rested"):
        refusal = "address_unavailable"
    return give(walker, line, pool, {"address": address}, refusal)


@action(8)
def take_address(walker):
    lines = [each for each in walker.part.of("broadband") if each.line.addresses or each.line.past]
    line = pick(walker, lines)
    if line is None:
        return None
    past = chance(walker, WRONG)
    assignment = pick(walker, line.line.past if past else line.line.addresses)
    if assignment is None:
        return None
    path, speaker = f"/v1/resources/{line.id}/addresses/{assignment}", walker.part.operator
    seen = 2 if chance(walker, WRONG / 2) and not past else 1

    def settled(answer):
        return answer.code == "precondition_failed" and \
            walker.get(speaker, path).json["ended_at"] is not None
    return Call(speaker, "DELETE", path, None, "precondition_failed" if past or seen == 2 else None,
                lambda answer: resources.take_address(walker.part, line, assignment), f'"{seen}"',
                settled=settled)
