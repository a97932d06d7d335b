"""Keys that were answered before."""

from model.actions import action, pick
from model.walker import Call


@action(3)
def repeat_what_was_answered(walker):
    """Whatever has become of it since: it answers as it did, and does nothing."""
    entry = pick(walker, walker.answered)
    if entry is None:
        return None
    call, key, before = entry

    def effect(answer):
        assert answer.header("Idempotency-Replayed") == "true", repr(answer)
        assert (answer.status, answer.body, answer.etag) == (before.status, before.body, before.etag), (
            before, answer)
    return Call(call.speaker, "POST", call.path, call.body, None, effect, call.if_match, key=key)


@action(1.5)
def use_a_key_for_something_else(walker):
    entry = pick(walker, [each for each in walker.answered if "reason" in (each[0].body or ())])
    if entry is None:
        return None
    call, key, _ = entry
    return Call(call.speaker, "POST", call.path, {**call.body, "reason": walker.unique("other")},
                "idempotency_key_reused", None, call.if_match, key=key)
