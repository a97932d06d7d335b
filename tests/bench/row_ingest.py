"""ingest_100, ingest_1000, ingest_hot, ingest_single, ack_p99, replay: events in, acknowledged after commit."""

import datetime
import os
import re

from load import wrk
from measuring import compare, say
from row_resource import pgbench
from world import World, running

TENANTS, RESOURCES = 200, 2
CONNECTIONS = 8  # the workers' connections to the database, two times four
STORED = 1_000_000
COPIED = 100_000  # events of one COPY
MANY_CONNECTIONS = 64  # of those whose events are stored together: batches of 100, and single ones
PACED_CONNECTIONS = 32
WANTED_P99 = 50.0  # milliseconds
ACCOUNTS_SCALE = 10  # of pgbench: 1,000,000 rows
QUANTITY = '{"quantity": "12"}'

PLAIN_TABLE = """
create table plain_events (tenant text collate "C", source text collate "C", id text collate "C",
    type text, subject text, time timestamptz, data jsonb);
create unique index on plain_events (tenant, source, id);
"""

# Both have as many events to begin with, of all tenants, in the order of their ids; in batches of 100.
FILL = """
set session_replication_role = replica;
create temporary table sender as
select r.tenant_id, t.number as tenant, r.id as resource_id, row_number() over (order by r.id) - 1 as place
from resources r join tenants t on t.id = r.tenant_id;
insert into event_sources (tenant_id, source) select distinct s.tenant_id, '/bench' from sender s;
create temporary table sent as
select s.tenant_id, s.tenant, s.resource_id, b.part, b.batch, n.n, n.n - b.part * 100 + 1 as place,
       '01980000-0000-7000-8000-' || lpad(n.n::text, 12, '0') as id,
       now() - interval '1 day' + n.n * interval '50 milliseconds' as time
from (select p as part, next_event_batch() as batch from generate_series(0, {rows} / 100 - 1) p) b
join sender s on s.place = b.part % (select count(*) from sender)
cross join lateral generate_series(b.part * 100, b.part * 100 + 99) as n(n);
insert into plain_events
select e.tenant_id, '/bench', e.id, 'bench.used', e.resource_id, e.time, '{data}' from sent e order by e.id;
insert into event_keys (tenant, source, id, batch, place)
select e.tenant, s.number, e.id, e.batch, e.place
from sent e join event_sources s on s.tenant_id = e.tenant_id order by e.id;
insert into event_batches (tenant_id, number, first_time, last_time, types, subjects, resources, periods, source_at, ids,
                           type_at, subject_at, period_at, times, data)
select e.tenant_id, e.batch, min(e.time), max(e.time), '{{bench.used}}', array[e.resource_id], array[e.resource_id],
       array[period_of(min(e.time))], array_agg(s.number order by e.place), array_agg(e.id order by e.place),
       array_agg(1 order by e.place), array_agg(1 order by e.place), array_agg(1 order by e.place),
       array_agg((extract(epoch from e.time) * 1000000)::bigint order by e.place),
       '[' || string_agg('{data}', ',') || ']'
from sent e join event_sources s on s.tenant_id = e.tenant_id
group by e.tenant_id, e.batch, e.resource_id;
insert into event_resources (tenant_id, resource_id, batch)
select distinct e.tenant_id, e.resource_id, e.batch from sent e;
"""


class Ingest:
    def __init__(self, plan, daemon):
        self.plan, self.daemon = plan, daemon
        self.world = World(daemon)
        self.tenants = self.world.tenants(TENANTS, RESOURCES)
        self.world.post("/v1/meters", {
            "code": "bench", "name": "计量", "event_type": "bench.used", "aggregation": "sum",
            "value_property": "quantity", "unit": "Calls"})
        self.keys = os.path.join(plan.directory, "keys")
        with open(self.keys, "w", encoding="utf-8") as file:
            file.writelines(f"{tenant['key']} {' '.join(tenant['resources'])}\n"
                            for tenant in self.tenants)
        self.hot = os.path.join(plan.directory, "hot")
        with open(self.hot, "w", encoding="utf-8") as file:
            file.write(f"{self.tenants[0]['key']} {self.tenants[0]['resources'][0]}\n")
        self.rows = os.path.join(plan.directory, "rows")
        self.count = 0
        database = self.world.database
        database.execute(PLAIN_TABLE + FILL.format(rows=plan.rows(STORED), data=QUANTITY))
        database.execute("vacuum analyze plain_events; vacuum analyze event_keys; vacuum analyze event_batches; checkpoint")

    def prefix(self):
        """Of ids that come after all that were there."""
        self.count += 1
        return f"0199{self.count:04x}-0000-7000-8000-"

    def write_rows(self, batch):
        prefix = self.prefix()
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        with open(self.rows, "w", encoding="utf-8") as file:
            for number in range(self.plan.rows(COPIED)):
                tenant = self.tenants[number // batch % len(self.tenants)]
                subject = tenant["resources"][number % RESOURCES]
                file.write(f"{tenant['id']}\t/bench\t{prefix}{number:012d}\tbench.used\t{subject}\t"
                           f"{now}\t{QUANTITY}\n")

    def copy(self, batch):
        """Rows a second of one session."""
        self.write_rows(batch)
        shown = self.world.database.script(
            f"\\timing on\n\\copy plain_events from '{self.rows}'\n")
        milliseconds = float(re.search(r"^Time: ([0-9.]+) ms", shown, re.MULTILINE).group(1))
        return self.plan.rows(COPIED) * 1000 / milliseconds

    def stored(self):
        return self.world.database.value("select count(*) from event_keys")

    def send(self, batch, keys=None, connections=CONNECTIONS):
        """Events a second. What was acknowledged must be there."""
        before = self.stored()
        counted = wrk(self.daemon.port, "/v1/events", self.plan.seconds, connections, "ingest.lua",
                      (keys or self.keys, batch, self.prefix()))
        acknowledged = counted["requests"] * batch
        if self.stored() - before < acknowledged:
            raise AssertionError(f"{acknowledged} events were acknowledged, and fewer are stored")
        return acknowledged * 1e6 / counted["microseconds"]

    def send_dated(self, seconds, prefix):
        """Events a second, the same at each call with a prefix."""
        counted = wrk(self.daemon.port, "/v1/events", seconds, CONNECTIONS, "ingest.lua",
                      (self.keys, 1000, prefix, self.time))
        return counted["requests"] * 1000 * 1e6 / counted["microseconds"]

    def acknowledge(self):
        """The p99 in milliseconds at half the rate that there is without a pause."""
        full = self.send(1000) / 1000
        delay = round(PACED_CONNECTIONS / (full / 2) * 1000)
        counted = wrk(self.daemon.port, "/v1/events", 2 * self.plan.seconds, PACED_CONNECTIONS, "ingest_paced.lua",
                      (self.keys, 1000, self.prefix()), delay=delay)
        share = counted["requests"] * 1e6 / counted["microseconds"] / full
        say(f"   at {share:.2f} of the rate")
        return counted["p99"] / 1000

    def send_new(self):
        self.time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.send_dated(self.plan.seconds, self.prefix())

    def send_again(self):
        """Only what was stored before, which adds nothing: but for batches that wrk made and did not send the first time,
        as it does where TLS has it wait, one a connection at most."""
        before = self.stored()
        found = self.send_dated(max(self.plan.seconds // 4, 1), f"0199{self.count:04x}-0000-7000-8000-")
        if self.stored() - before > CONNECTIONS * 1000:
            raise AssertionError(f"{self.stored() - before} events were new")
        return found

    def transactions(self):
        shown = pgbench(self.world, "-n", "-N", "-M", "prepared", "-c", str(MANY_CONNECTIONS), "-j", "1",
                        "-T", str(self.plan.seconds))
        return float(re.search(r"^tps = ([0-9.]+)", shown, re.MULTILINE).group(1))

    def prepare_pgbench(self):
        self.world.database.execute("create database bench")
        pgbench(self.world, "-i", "-q", "-s", str(ACCOUNTS_SCALE))


def measure(plan):
    with running() as daemon:
        ingest = Ingest(plan, daemon)
        rows = [compare(f"ingest_{batch}", "events/s", "COPY, one session", plan.rounds,
                        lambda: ingest.copy(batch), lambda: ingest.send(batch, connections=connections))
                for batch, connections in ((100, MANY_CONNECTIONS), (1000, CONNECTIONS)) if plan.wants(f"ingest_{batch}")]
        if plan.wants("ingest_hot"):
            rows.append(compare("ingest_hot", "events/s", "the same over 200 tenants", plan.rounds,
                                lambda: ingest.send(1000), lambda: ingest.send(1000, ingest.hot)))
        if plan.wants("ingest_single"):
            ingest.prepare_pgbench()
            rows.append(compare("ingest_single", "events/s", "pgbench -N, 64 clients", plan.rounds,
                                ingest.transactions, lambda: ingest.send(1, connections=MANY_CONNECTIONS)))
        if plan.wants("ack_p99"):
            rows.append(compare("ack_p99", "ms", "50 ms, which it should be under", plan.rounds,
                                lambda: WANTED_P99, ingest.acknowledge))
        if plan.wants("replay"):
            rows.append(compare("replay", "events/s", "new ones, in batches of 1,000", plan.rounds,
                                ingest.send_new, ingest.send_again))
        return rows
