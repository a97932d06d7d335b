"""Random operations of several clients on everything that is rented, while processes are killed, against
a plain model (model/): states, holds, seats, addresses, stock and histories agree whenever nobody does
anything, and every change has its row in the audit trail. It takes long.

MODEL_STEPS says how many operations (10000), FAULT_SEED brings the choices back, not their timing."""

import collections
import datetime
import itertools
import os
import queue
import threading
import unittest

import processes
from broadband import BroadbandTest, network_of
from harness import recurring, unique
from ingestion import new_seed
from model import actions, comparison, state, trail, walker
from model import (line_actions, order_actions, repeat_actions, resource_actions, terminal_actions,
                   work_actions)

# Each adds its operations to the table.
MODULES = (resource_actions, line_actions, terminal_actions, order_actions, work_actions,
           repeat_actions)
STEPS = int(os.environ.get("MODEL_STEPS", "10000"))
CLIENTS = 6
QUIET = 1000  # steps between two comparisons
KILL_EVERY = 250  # steps, on average
VICTIMS = ("worker-1", "worker-2", "jobs", "jobs-periodic", "courier")
PLACES, DEVICES, SEATS, AHEAD = (5, 8, 12), 14, 10, datetime.timedelta(days=60)


class Tenant:
    def __init__(self, identifier, speaker):
        self.id, self.speaker = identifier, speaker


class Run:
    """Counts the steps of all clients; stops them for a comparison, and tells the killer its time."""

    def __init__(self, random, quiet):
        self.table = actions.TABLE
        self.weights = [each.weight for each in self.table]
        self.quiet, self.lock = quiet, threading.Lock()
        self.taken, self.limit, self.over = 0, min(QUIET, STEPS), False
        self.barrier = threading.Barrier(CLIENTS, self.pause)
        kills = max(2, STEPS // KILL_EVERY)
        self.kill_at = set(random.sample(range(1, STEPS), kills))
        self.kills = queue.Queue()

    def next_step(self):
        """False at the end."""
        while not self.over:
            with self.lock:
                if self.taken < self.limit:
                    self.taken += 1
                    if self.taken in self.kill_at:
                        self.kills.put(self.taken)
                    return True
            self.barrier.wait()
        return False

    def pause(self):
        """When all clients have their answers."""
        self.quiet(self.taken)
        self.over = self.limit >= STEPS
        self.limit = min(self.limit + QUIET, STEPS)

    def give_up(self):
        self.barrier.abort()


class ModelTest(BroadbandTest):
    settings = {"job_lease_time": 10}
    expected_errors = ("child_ended",)

    def setUp(self):
        self.random = new_seed()
        self.killed = collections.Counter()
        self.common = state.Common()
        self.make_catalog()
        self.make_broadband()
        self.make_stock()
        self.parts = [self.make_part(f"c{i}") for i in range(CLIENTS)]

    # ---- What there is ----

    def speaker(self, role, tenant=None):
        key = self.shared.api_key(role, tenant=tenant)
        client = walker.PlainClient(self.contract, self.daemon.port, self.daemon.authority,
                                    key["secret"])
        return walker.Speaker(client, "operator" if tenant is None else "tenant", key["id"], tenant)

    def make_catalog(self):
        for kind in ("software", "broadband", "terminal"):
            offer = self.offer(kind)
            other = self.make("/v1/plans", {
                "offering_id": offer["offering"]["id"], "code": unique("other"), "name": "其他",
                "charges": [recurring("rent", "45.00")]})
            self.expect(self.platform.post(f"/v1/plans/{other['id']}/publish"), 200)
            self.common.offers[kind] = {"offering": offer["offering"]["id"],
                                        "plans": (offer["plan"]["id"], other["id"])}
        self.make("/v1/approval-rules", {"name": "专线", "actions": ["rent_broadband"],
                                         "steps": [{"side": "operator", "roles": ["operator"]}]})
        ahead = datetime.datetime.now(datetime.timezone.utc) + AHEAD
        self.common.ahead = ahead.strftime("%Y-%m-%dT%H:%M:%SZ")

    def make_broadband(self):
        common = self.common
        common.tiers = {self.tier(self_service=self_service)["id"]: self_service
                        for self_service in (True, True, False)}
        common.points = {self.access_point(capacity=places)["id"]: state.Stock(
            "places", places, "capacity_exhausted") for places in PLACES}
        bound = next(iter(common.points))
        for hours, point in ((168, None), (0, None), (0, bound)):
            fields = {} if point is None else {"access_point_id": point}
            pool, _, network = self.plan(28, quarantine_hours=hours, **fields)
            stock = state.Stock("addresses", network.num_addresses - 2, "addresses_exhausted")
            common.pools.append(state.Pool(pool["id"], stock=stock, point=point, rests=hours > 0))

    def make_stock(self):
        common = self.common
        common.model = unique("model")
        self.make("/v1/terminal-models", {"name": common.model, "deposit": {
            "amount": str(state.DEPOSIT), "currency": "CNY"}})
        actor = self.platform.get("/v1/me").json
        for _ in range(DEVICES):
            made = self.make("/v1/terminals", {"asset_tag": unique("PC"), "serial": unique("SN"),
                                               "model": common.model})
            common.terminals[made["id"]] = state.Terminal(made["id"], made["asset_tag"],
                                                          common.model, actor["actor"])
        common.terminal_stock = state.Stock("terminals", DEVICES, "stock_exhausted")
        tenant, _ = self.tenant("common")
        common.subscription = self.resource(self.platform, "software", tenant=tenant["id"],
                                            software={"seats": SEATS})["id"]
        common.seats, common.seat_stock = SEATS, state.Stock("seats", SEATS, "seats_exhausted")

    def make_part(self, name):
        part = state.Part(self.common, name)
        part.operator, part.chief = self.speaker("operator"), self.speaker("platform_admin")
        part.tenants = []
        for _ in range(2):
            tenant, _ = self.tenant(name)
            part.tenants.append(Tenant(tenant["id"], self.speaker("owner", tenant["id"])))
        part.model = unique("own")
        pool, _, network = self.plan(28, quarantine_hours=0)
        addresses = [str(each) for each in network]
        part.pool = state.Pool(pool["id"], {
            each: "free" if each not in (addresses[0], addresses[-1]) else "reserved"
            for each in addresses})
        return part

    # ---- While it runs ----

    def kill_on(self, kills):
        """Whoever is to be killed, at the steps that come through the queue."""
        for _ in iter(kills.get, None):
            name = self.random.choice(VICTIMS)
            processes.kill(processes.find(self.daemon, name))
            self.killed[name] += 1
            kills.task_done()

    def compare(self, steps):
        """While nobody does anything."""
        self.run_of.kills.join()
        made = comparison.Comparison(self, self.common, self.parts)
        made.states()
        followed = trail.Trail(made, self.database())
        followed.tables()
        followed.invariants()
        if self.run_of.taken >= STEPS:
            made.histories()
        made.end()
        self.check_addresses()
        self.check_places()
        self.assertEqual(self.shared.stale_documents(), [])
        print(f"{steps} steps agree", flush=True)

    def test_all_agrees_with_the_model(self):
        run = self.run_of = Run(self.random, self.compare)
        walkers = [walker.Walker(part.name, part, self.random.randrange(1 << 32), run)
                   for part in self.parts]
        killer = threading.Thread(target=self.kill_on, args=(run.kills,), daemon=True)
        for each in (killer, *walkers):
            each.start()
        for each in walkers:
            each.join()
        run.kills.put(None)
        self.tell(walkers)
        for each in walkers:
            if each.problem is not None:
                raise AssertionError(f"client {each.name}, {each.last}") from each.problem
        self.assertEqual(run.taken, STEPS)
        self.check_all_was_tried(walkers)
        deadlocks = [each for each in self.daemon.events() if each.get("sqlstate") == "40P01"]
        self.assertEqual(deadlocks, [])

    def tell(self, walkers):
        done, refused = collections.Counter(), collections.Counter()
        for each in walkers:
            done.update(each.done)
            refused.update(each.refused)
        for each in actions.TABLE:
            why = {code: count for (name, code), count in sorted(refused.items()) if name == each.name}
            print(f"{each.name:28} {done[each.name]:6} done {sum(why.values()):6} refused"
                  + "".join(f"  {code} {count}" for code, count in why.items()))
        print(f"{sum(each.repeats for each in walkers)} repeated, "
              f"{sum(each.doubles for each in walkers)} sent by two at once, killed: "
              f"{dict(self.killed)}", flush=True)

    def check_all_was_tried(self, walkers):
        """Of a run that is long enough each operation was done, but what is never to be."""
        if STEPS < QUIET * 5:
            return
        never = {"act_on_what_is_foreign", "place_what_is_foreign", "use_a_key_for_something_else"}
        tried = set(itertools.chain.from_iterable(each.done for each in walkers))
        self.assertEqual({each.name for each in actions.TABLE} - tried, never)


if __name__ == "__main__":
    unittest.main()
