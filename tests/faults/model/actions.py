"""The table of what is tried. An operation is a function of the walker that gives a Call, or None where
there is nothing that it could be tried on; its weight says how often it is."""

TABLE = []
WRONG = 0.12  # of actions that are chosen without looking whether they can be taken


class Action:
    def __init__(self, name, weight, make):
        self.name, self.weight, self.make = name, weight, make


def action(weight):
    def note(make):
        TABLE.append(Action(make.__name__, weight, make))
        return make
    return note


def pick(walker, entries):
    entries = list(entries)
    return walker.random.choice(entries) if entries else None


def someone(walker, tenant, by_tenant=0.5):
    """The tenant, or the operator."""
    return tenant.speaker if walker.random.random() < by_tenant else walker.part.operator


def chance(walker, of):
    return walker.random.random() < of
