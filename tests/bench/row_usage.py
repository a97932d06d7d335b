"""usage_query, usage_query_growth: thirty days by the day, of few stored events and of ten times as many."""

import datetime

from load import rate
from measuring import compare
from world import World, running

STORED = 1_000_000
MORE = 10  # times as many
DAYS = 30
WANTED = 10.0  # milliseconds
PART = 10_000  # events of a batch

# Events evenly over the days before today, and the roll-ups that they make.
FILL = """
set session_replication_role = replica;
insert into event_sources (tenant_id, source) values ('{tenant}', '/bench') on conflict do nothing;
create temporary table sent as
select r.id as resource_id, b.part, b.batch, n.n, n.n - b.part * {part} + 1 as place,
       '01980000-0000-7000-8000-' || lpad(n.n::text, 12, '0') as id,
       timestamptz '{begin}' + n.n * (interval '{days} days' / {rows}) as time
from (select p as part, next_event_batch() as batch from generate_series(0, {rows} / {part} - 1) p) b
cross join lateral generate_series(b.part * {part}, b.part * {part} + {part} - 1) as n(n)
join (select r.id, row_number() over (order by r.id) - 1 as place, count(*) over () as count
      from resources r where r.tenant_id = '{tenant}') r on r.place = n.n % r.count;
insert into event_keys (tenant, source, id, batch, place)
select t.number, s.number, e.id, e.batch, e.place
from sent e, tenants t, event_sources s where t.id = '{tenant}' and s.tenant_id = t.id order by e.id;
insert into event_batches (tenant_id, number, first_time, last_time, types, subjects, resources, periods, source_at, ids,
                           type_at, subject_at, period_at, times, data)
select '{tenant}', e.batch, min(e.time), max(e.time), '{{bench.used}}', l.ids, l.ids, array[period_of(min(e.time))],
       array_agg(s.number order by e.place), array_agg(e.id order by e.place), array_agg(1 order by e.place),
       array_agg(array_position(l.ids, e.resource_id) order by e.place), array_agg(1 order by e.place),
       array_agg((extract(epoch from e.time) * 1000000)::bigint order by e.place),
       '[' || string_agg('{{"quantity": "12"}}', ',') || ']'
from sent e, event_sources s, (select array_agg(r.id order by r.id) as ids from resources r where r.tenant_id = '{tenant}') l
where s.tenant_id = '{tenant}'
group by e.batch, l.ids;
insert into usage_slots (tenant_id, meter_id, resource_id, slot, period, total, count, minimum, maximum, latest_at, latest)
select '{tenant}', m.id, e.resource_id, usage_slot(e.time), period_of(min(e.time)), 12 * count(*), count(*), 12, 12, max(e.time), 12
from sent e, meters m where m.code = 'bench'
group by m.id, e.resource_id, usage_slot(e.time)
order by usage_slot(e.time), e.resource_id; -- as folding comes to them
drop table sent;
"""


class Usage:
    def __init__(self, plan, daemon):
        self.plan, self.daemon = plan, daemon
        self.world = World(daemon)
        self.few, self.many = self.world.tenants(2, 2)
        self.end = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = self.end - datetime.timedelta(days=DAYS)
        self.world.post("/v1/meters", {
            "code": "bench", "name": "计量", "event_type": "bench.used", "aggregation": "sum",
            "value_property": "quantity", "unit": "Calls"})
        for tenant, rows in ((self.few, plan.rows(STORED)), (self.many, plan.rows(STORED) * MORE)):
            rows = max(rows // PART, 1) * PART
            self.world.database.execute(FILL.format(tenant=tenant["id"], rows=rows, part=PART, days=DAYS,
                                                    begin=self.begin.isoformat()))
            self.check(tenant, rows)
        self.world.database.execute("vacuum analyze event_keys; vacuum analyze event_batches; vacuum analyze usage_slots; checkpoint")

    def path(self):
        begin, end = (time.strftime("%Y-%m-%dT00:00:00Z") for time in (self.begin, self.end))
        return f"/v1/usage?meter=bench&window=day&time_zone=UTC&from={begin}&to={end}"

    def check(self, tenant, rows):
        answer = self.world.client(tenant["key"]).get(self.path())
        windows = answer.json["data"]
        found = sum(int(window["value"]) for window in windows)
        if len(windows) != DAYS or found != 12 * rows:
            raise AssertionError(f"{len(windows)} windows with {found}, of {rows} events")

    def ask(self, tenant):
        """Milliseconds an answer, one after the other."""
        return 1000 / rate(self.daemon.port, self.path(), self.plan.seconds, 1, key=tenant["key"])


def measure(plan):
    with running() as daemon:
        usage = Usage(plan, daemon)
        rows = []
        if plan.wants("usage_query"):
            rows.append(compare("usage_query", "ms", "10 ms, which it should be under", plan.rounds,
                                lambda: WANTED, lambda: usage.ask(usage.many)))
        if plan.wants("usage_query_growth"):
            rows.append(compare("usage_query_growth", "ms", "the same of a tenth of the events", plan.rounds,
                                lambda: usage.ask(usage.few), lambda: usage.ask(usage.many)))
        return rows
