"""billing_run, billing_run_growth: months of many tenants, billed and closed."""

import datetime
import os
import re
import time

from measuring import row_of, say
from world import World, running

FEW, MANY = 2_000, 10_000  # tenants
WAIT = 3600  # seconds
DAYS = 10  # of a month, on which each meter counted something

FLAT = ("89", "12.5", "30", "199.99", "5")
SEATS = ({"model": "unit", "unit_amount": "1.2"},
         {"model": "graduated", "tiers": [{"up_to": "50", "unit_amount": "0.4"}, {"up_to": None, "unit_amount": "0.3", "flat_amount": "2"}]},
         {"model": "package", "package_size": "30", "package_amount": "9"})
USAGE = ({"model": "graduated", "tiers": [{"up_to": "1000", "unit_amount": "0.05"}, {"up_to": "10000", "unit_amount": "0.04"},
                                          {"up_to": "50000", "unit_amount": "0.03"}, {"up_to": "100000", "unit_amount": "0.025"},
                                          {"up_to": None, "unit_amount": "0.02"}]},
         {"model": "volume", "tiers": [{"up_to": "5000", "unit_amount": "0.011"}, {"up_to": None, "unit_amount": "0.007"}]},
         {"model": "package", "package_size": "100", "package_amount": "1.5", "free_units": "500"},
         {"model": "unit", "unit_amount": "0.0035", "divide_by": "10", "minimum_amount": "1"})
METERS = 6

# Everybody else is as the first tenant.
FILL = """
set session_replication_role = replica;
insert into tenants (id, park_id, code, name)
select overlay(t.id placing lpad(n::text, 8, '0') from 23), t.park_id, t.code || '-' || n, t.name || n
from tenants t cross join generate_series(1, {tenants} - 1) n;
insert into resources (id, tenant_id, kind, offering_id, name, state)
select overlay(r.id placing right(t.id, 8) from 23), t.id, r.kind, r.offering_id, r.name, r.state
from resources r join tenants t on t.id <> r.tenant_id;
insert into resource_transitions (tenant_id, resource_id, number, action, from_state, to_state, effective_at, actor)
select r.tenant_id, r.id, h.number, h.action, h.from_state, h.to_state, h.effective_at, h.actor
from resource_transitions h join resources r on r.tenant_id <> h.tenant_id;
insert into resource_quantities (tenant_id, resource_id, number, quantity, starts_at)
select r.tenant_id, r.id, q.number, q.quantity, q.starts_at
from resource_quantities q join resources r on r.tenant_id <> q.tenant_id;
insert into plan_assignments (tenant_id, resource_id, number, plan_id, plan_version, starts_at)
select r.tenant_id, r.id, a.number, a.plan_id, a.plan_version, a.starts_at
from plan_assignments a join resources r on r.tenant_id <> a.tenant_id;
insert into usage_slots (tenant_id, meter_id, resource_id, slot, period, total, count, maximum, latest_at, latest)
select r.tenant_id, m.id, r.id, u.slot, u.period, 137.25 * (1 + u.day % 7), 3, 100, u.slot, 100
from resources r cross join meters m
cross join (select month.period, day, period_start(month.period, p.time_zone) + day * interval '2 days 3 hours' as slot
            from unnest(array[{months}]) month(period) cross join generate_series(0, {days} - 1) day cross join platform p) u
where m.source = 'events';
set session_replication_role = origin;
vacuum analyze;
checkpoint;
"""

COLUMNS = ("tenant_id, invoice_id, line, kind, resource_id, charge_code, description, service_starts_at, service_ends_at, quantity, "
           "amount, net, tax_rate, tax, price, steps")


def last_months(count):
    day = datetime.date.today()
    found = []
    for _ in range(count):
        day = day.replace(day=1) - datetime.timedelta(days=1)
        found.insert(0, day.strftime("%Y-%m"))
    return found


class Months:
    """A daemon's tenants, each with one resource of a plan of twenty charges, and months that nobody has billed."""

    def __init__(self, plan, daemon, tenants, rounds):
        self.plan = plan
        self.world = World(daemon)
        self.tenants = tenants
        self.months = last_months(rounds)
        self.lines = tenants * (len(FLAT) + len(SEATS) + 2 * METERS)
        self.make(f"{self.months[0]}-01T00:00:00+08:00")
        say(f"   {tenants:,} tenants, {rounds} months of usage")
        self.world.database.execute(FILL.format(tenants=tenants, days=DAYS, months=", ".join(f"'{each}'" for each in self.months)))
        self.world.database.execute(f"""
            create table plain_lines as select {COLUMNS} from invoice_lines limit 0;
            alter table plain_lines add primary key (tenant_id, invoice_id, line)""")

    def charges(self):
        meters = [self.world.post("/v1/meters", {
            "code": f"bench-{place}", "name": "调用", "event_type": f"bench.{place}", "aggregation": "sum", "value_property": "n",
            "unit": "Calls"})["code"] for place in range(METERS)]
        for place, amount in enumerate(FLAT):
            yield {"code": f"flat-{place}", "kind": "recurring", "price": {"model": "flat", "amount": amount}}
        for place, price in enumerate(SEATS):
            yield {"code": f"seats-{place}", "kind": "usage", "meter": "seat-days", "price": price}
        for place in range(2 * METERS):
            yield {"code": f"usage-{place}", "kind": "usage", "meter": meters[place % METERS], "price": USAGE[place % len(USAGE)]}

    def make(self, since):
        post = self.world.post
        offering = post("/v1/offerings", {"code": "bench", "kind": "software", "name": "协同办公", "tax_category": "information_service"})
        plan = post("/v1/plans", {"offering_id": offering["id"], "code": "bench-plan", "name": "标准版",
                                  "charges": [{"name": charge["code"], **charge} for charge in self.charges()]})
        post(f"/v1/plans/{plan['id']}/publish")
        park = post("/v1/parks", {"code": "bench", "name": "高新区服务外包园"})
        tenant = post("/v1/tenants", {"park_id": park["id"], "code": "bench", "name": "蓝海软件"})
        resource = post("/v1/resources", {"kind": "software", "tenant": tenant["id"], "offering_id": offering["id"], "plan_id": plan["id"],
                                          "name": "office", "software": {"seats": 5}, "effective_at": since})
        for action in ("approve", "provision", "activate"):
            post(f"/v1/resources/{resource['id']}/{action}", {"effective_at": since})

    def wait(self, operation):
        deadline = time.monotonic() + WAIT
        while True:
            found = self.world.root.get(f"/v1/operations/{operation}").json
            if found["state"] in ("succeeded", "failed") or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if found["state"] != "succeeded":
            raise AssertionError(repr(found))

    def bill(self):
        """Lines a second of the next month's run and close."""
        period = self.months.pop(0)
        started = time.monotonic()
        self.wait(self.world.post("/v1/billing-runs", {"period": period, "finalize": True})["operation_id"])
        ran = time.monotonic()
        self.wait(self.world.post(f"/v1/periods/{period}/close")["operation_id"])
        seconds = time.monotonic() - started
        say(f"   {period}: run {ran - started:.1f} s, close {seconds - (ran - started):.1f} s")
        self.world.database.execute("analyze invoices, invoice_lines")
        stored = self.world.database.value(f"""
            select count(*) from invoices i join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
            where i.period = '{period}'""")
        if stored != self.lines:
            raise AssertionError("there are not as many lines as charges")
        self.billed = period
        return self.lines / seconds

    def copy(self):
        """Lines a second into a plain table; of the month that was billed last."""
        path = os.path.join(self.plan.directory, "lines")
        database = self.world.database
        lines = (f"select {', '.join('l.' + name for name in COLUMNS.split(', '))} from invoices i join invoice_lines l "
                 f"on l.tenant_id = i.tenant_id and l.invoice_id = i.id where i.period = '{self.billed}'")
        database.script(f"\\copy ({lines}) to '{path}'\ntruncate plain_lines;")
        shown = database.script(f"\\timing on\n\\copy plain_lines from '{path}'\n")
        return self.lines * 1000 / float(re.search(r"^Time: ([0-9.]+) ms", shown, re.MULTILINE).group(1))


def run(plan, tenants):
    """Of each round: lines a second of COPY, and of billing."""
    with running() as daemon:
        months = Months(plan, daemon, tenants, plan.rounds)
        found = []
        for _ in range(plan.rounds):
            ours = months.bill()
            found.append((months.copy(), ours))
            say(f"   yardstick {found[-1][0]:,.0f}, bccd {ours:,.0f} lines/s")
        return found


def measure(plan):
    say("billing_run")
    many = run(plan, max(MANY // plan.scale, 50))
    rows = [row_of("billing_run", "lines/s", "COPY of the lines", many)]
    if plan.wants("billing_run_growth"):
        few = run(plan, max(FEW // plan.scale, 10))
        rows.append(row_of("billing_run_growth", "lines/s", f"with {FEW:,} tenants", [(of_few, of_many) for (_, of_few), (_, of_many) in zip(few, many)]))
    return [row for row in rows if plan.wants(row.name)]
