"""What there should be. Each client has a part of its own (Part), in which one thing follows the other;
what all of them take from is Common."""

import threading

ENDED = ("terminated", "rejected")
IN_USE = ("active", "suspended")
DEPOSIT = 100


class Resource:
    def __init__(self, identifier, kind, tenant, name, plan, actor, reason="", seats=1, asker=None):
        self.id, self.kind, self.tenant, self.name, self.plan = identifier, kind, tenant, name, plan
        self.state, self.version, self.quantity = "requested", 1, seats
        self.next_plan = self.failure = self.line = self.rented_until = None
        self.holds = set()
        self.seats = {}  # by id
        self.placed, self.lifted = [], []  # kinds of holds, each time
        self.deposits = []
        # By the version that each made: action, state before, state after, actor, reason.
        self.history = {1: ("create", None, "requested", actor, reason)}
        self.askers = {1: asker or actor}  # in whose request that was: whoever approved an order

    @property
    def deposit(self):
        return sum(amount if kind == "hold" else -amount for kind, amount in self.deposits)

    def open_line(self, name, **fields):
        self.line = Line(name, **fields)

    def assigned(self):
        return [seat for seat in self.seats.values() if seat.version == 1]

    def has_ended(self):
        return self.state in ENDED

    def is_ending(self):
        return self.state in ("terminating", *ENDED)


class Seat:
    def __init__(self, identifier, email):
        self.id, self.email, self.version = identifier, email, 1  # 2: released


class Line:
    """The part of a resource that is a broadband line."""

    def __init__(self, name, point=None, tier=None):
        self.name, self.point, self.tier = name, point, tier
        self.next_tier = self.static = None
        self.addresses = {}  # that it has: pool and address by the assignment's id
        self.past = {}


class Terminal:
    """Each movement makes a version. Of a device of the common model each client that has it keeps what
    it has seen: the next one may learn that it has it before the last one that it has not."""

    def __init__(self, identifier, tag, model, actor=None):
        self.id, self.tag, self.model = identifier, tag, model
        # action, state before, state after, condition, who has or had it, actor, other terminal
        self.history, self.holders = {}, {}
        if actor is not None:
            self.note(1, ("receive", None, "in_stock", "new", None, actor, None), None)

    def note(self, version, movement, holder):
        self.history[version], self.holders[version] = movement, holder

    def taken(self, version, movement, holder):
        """As whoever takes it from the stock sees it."""
        seen = Terminal(self.id, self.tag, self.model)
        seen.note(version, movement, holder)
        return seen

    def learn(self, other):
        self.history.update(other.history)
        self.holders.update(other.holders)

    @property
    def version(self):
        return max(self.history)

    @property
    def state(self):
        return self.history[self.version][2]

    @property
    def condition(self):
        return self.history[self.version][3]

    @property
    def resource(self):
        return self.holders[self.version]


class Item:
    def __init__(self, number, request):
        self.number, self.request, self.action = number, request, request["action"]
        self.state, self.failure = "waiting", None
        self.resources = [request["resource_id"]] if "resource_id" in request else []


class Order:
    def __init__(self, identifier, tenant, actor, requests):
        self.id, self.tenant, self.created_by, self.placed_by, self.placed_side = (
            identifier, tenant, actor, None, None)
        self.state, self.version = "draft", 1
        self.events = [("create", None, "draft", actor)]
        self.refill(requests)

    def refill(self, requests):
        self.items = [Item(i + 1, request) for i, request in enumerate(requests)]


class WorkOrder:
    def __init__(self, identifier, kind, resources, actor):
        self.id, self.kind, self.resources = identifier, kind, resources
        self.state, self.paused, self.version = "draft", False, 1
        self.events = [("create", "draft", actor)]


class Taker:
    def __init__(self, lowest):
        self.lowest = lowest


class Stock:
    """Of which many take at once. `lowest` of who is about to take is the least that there can have
    been for it: what is free by all that is known, less what others may have had already."""

    def __init__(self, name, free, code):
        self.name, self.free, self.code = name, free, code
        self.lock, self.takers = threading.Lock(), []

    def note(self):
        for taker in self.takers:
            taker.lowest = min(taker.lowest, self.free - len(self.takers) + 1)

    def begin(self):
        taker = Taker(self.free)
        with self.lock:
            self.takers.append(taker)
            self.note()
        return taker

    def end(self, taker, took):
        with self.lock:
            self.takers.remove(taker)
            self.free -= took
            self.note()

    def give(self, count=1):
        with self.lock:
            self.free += count


class Pool:
    """A client's own one has each address with its state; of a common one there is a stock, to which
    nothing comes back where addresses rest."""

    def __init__(self, identifier, addresses=None, stock=None, point=None, rests=False):
        self.id, self.addresses, self.stock = identifier, addresses, stock
        self.point, self.rests = point, rests


class Common:
    """What all clients share."""

    def __init__(self):
        self.offers = {}  # by kind: the offering and its plans
        self.tiers = {}  # by id: whether a tenant may take it
        self.points = {}  # by id: places
        self.pools = []
        self.model = self.terminal_stock = None
        self.terminals = {}  # of that model
        self.subscription = self.seat_stock = None
        self.seats_lock = threading.Lock()
        self.ahead = None  # an instant of changes ahead of time


class Part:
    """What belongs to one client alone."""

    def __init__(self, common, name):
        self.common, self.name = common, name
        self.resources, self.orders, self.work_orders = {}, {}, {}
        self.terminals = {}  # of its own model, and those of the common one that are not in stock
        self.model, self.pool = None, None
        self.seats = {}  # of the common subscription
        self.logins = set()  # of lines that have not ended: tenant and name
        self.cancelling = None  # the order that is; it is looked at when all has been told
        self.expected_work = []  # what orders want of people, and whose ids are not known yet

    def of(self, kind=None, ended=False):
        return [each for each in self.resources.values()
                if (kind is None or each.kind == kind) and (ended or not each.has_ended())]

    def held_by(self, resource, *states):
        return [each for each in self.terminals.values()
                if each.resource == resource.id and each.state in (states or ("reserved", "rented"))]
