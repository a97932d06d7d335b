"""focus_export, focus_export_memory: a month's lines as FOCUS."""

import datetime
import glob
import os
import sys
import time

import memory
from database import Database
from measuring import compare, row_of, say
from processes import named
from world import World, running

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "daemon", "db"))
import compile as statements  # noqa: E402

TENANTS, RESOURCES = 100, 5
FEW, MANY = 100_000, 1_000_000  # rows of the file: two a line of a bill, the charge and its tax
EXPORT_TIME = 300  # seconds

# Lines as a billing run writes them. The invoices are made final by the statement that does it in
# service, so that the ledger has them.
FILL = """
set session_replication_role = replica;
insert into invoices (tenant_id, id, period, currency, buyer, period_starts_at, period_ends_at,
                      time_zone)
select t.id, 'inv_' || substr(t.id, 5, 19) || '{mark}', '{period}', 'CNY',
       jsonb_build_object('code', t.code, 'name', t.name, 'name_en', ''), m.starts_at, m.ends_at,
       p.time_zone
from tenants t cross join platform p
cross join lateral (
    select ('{period}-01'::timestamp at time zone p.time_zone) as starts_at,
           ('{period}-01'::timestamp + interval '1 month') at time zone p.time_zone as ends_at) m;

insert into invoice_lines (
    tenant_id, invoice_id, line, kind, resource_id, offering_id, plan_id, plan_version, charge_code,
    description, description_en, meter_id, service_starts_at, service_ends_at, quantity, unit,
    billed_quantity, unit_amount, amount, net, tax_category, tax_rate, tax, price, steps)
select i.tenant_id, i.id, n, case when usage then 'usage' else 'recurring' end, r.id, r.offering_id,
       '{plan}', 1, 'seat', '协同办公 · 席位费', 'Office suite, seats', m.id, i.period_starts_at,
       i.period_ends_at, q.quantity, 'Seat-Days', q.quantity, 0.37, q.quantity * 0.37,
       round(q.quantity * 0.37, 2), 'information_service', 0.06,
       round(round(q.quantity * 0.37, 2) * 0.06, 2),
       '{{"model": "unit", "unit_amount": "0.37"}}',
       '[{{"step": "unit", "quantity": "1", "unit_amount": "0.37", "amount": "0.37"}}]'
from invoices i
join lateral (
    select r.id, r.offering_id, row_number() over (order by r.id) - 1 as place
    from resources r where r.tenant_id = i.tenant_id) r on true
join generate_series(1, {lines}) n on n % {resources} = r.place
cross join lateral (select n % 3 > 0 as usage) u
cross join lateral (select (n * 7919 % 100000 + 1) / 8.0 as quantity) q
left join meters m on u.usage and m.code = 'seat-days'
where i.period = '{period}';

update invoices i set net = s.net, tax = s.tax, total = s.net + s.tax
from (select l.tenant_id, l.invoice_id, sum(l.net) as net, sum(l.tax) as tax
      from invoice_lines l group by l.tenant_id, l.invoice_id) s
where s.tenant_id = i.tenant_id and s.invoice_id = i.id and i.period = '{period}';
set session_replication_role = origin;
update invoices set state = 'finalized', finalized_at = now(), number = 'BCC-' || id
where period = '{period}';
"""


def last_months():
    """The two months before this one, the earlier first."""
    day = datetime.date.today()
    found = []
    for _ in range(2):
        day = day.replace(day=1) - datetime.timedelta(days=1)
        found.insert(0, day.strftime("%Y-%m"))
    return found


def exported_query(period):
    """The export's own query, as daemon/exports/exports.sql has it."""
    sources = statements.Sources(glob.glob(os.path.join(TOP, "daemon", "*", "*.sql")))
    tokens = sources.expand(sources.statements["export_focus_rows"].tokens, "STATEMENT_OPERATOR")
    return statements.text_of(tokens, []).replace("$1", f"'{period}'").replace("$2", "'false'")


class Focus:
    def __init__(self, plan, daemon):
        self.daemon = daemon
        self.world = World(daemon)
        self.plan_id = self.world.tenants(TENANTS, RESOURCES)[0]["plan"]
        self.jobs = Database(daemon, "bccd_jobs")
        self.few, self.many = plan.rows(FEW), plan.rows(MANY)
        self.of_few, self.of_many = last_months()

    def fill(self, period, rows):
        say(f"   storing {rows // 2:,} lines of {period}")
        database = self.world.database
        database.execute(FILL.format(period=period, plan=self.plan_id, resources=RESOURCES,
                                     lines=rows // 2 // TENANTS, mark=period.replace("-", "")))
        database.execute("vacuum analyze invoices; vacuum analyze invoice_lines; checkpoint")

    def export(self, period):
        """Seconds from the request until the set was ready."""
        answer = self.world.post("/v1/exports", {"format": "focus", "period": period})
        deadline = time.monotonic() + EXPORT_TIME
        while answer["state"] not in ("ready", "failed") and time.monotonic() < deadline:
            time.sleep(0.1)
            answer = self.world.root.get(f"/v1/exports/{answer['id']}").json
        if answer["state"] != "ready":
            raise AssertionError(f"the export is {answer['state']}")
        begun, ready = (datetime.datetime.fromisoformat(answer[name].replace("Z", "+00:00"))
                        for name in ("created_at", "ready_at"))
        return (ready - begun).total_seconds()

    def copy(self, period):
        """Seconds of COPY of the same rows: each line twice, for the charge and for its tax."""
        query = f"select line.* from ({exported_query(period)}) line cross join generate_series(1, 2)"
        started = time.monotonic()
        self.jobs.script(f"\\o /dev/null\ncopy ({query}) to stdout (format csv);\n")
        return time.monotonic() - started

    def peak(self):
        """MiB of the process that makes exports, at its highest."""
        process = next(process for name, process in named(self.daemon).items() if "jobs" in name)
        return memory.status(process, "VmHWM") / 1024


def measure(plan):
    with running() as daemon:
        focus = Focus(plan, daemon)
        focus.fill(focus.of_few, focus.few)
        rows = [compare("focus_export", "rows/s", "COPY (...) TO STDOUT", plan.rounds,
                        lambda: focus.few / focus.copy(focus.of_few),
                        lambda: focus.few / focus.export(focus.of_few))]
        if plan.wants("focus_export_memory"):
            lower = focus.peak()
            focus.fill(focus.of_many, focus.many)
            say(f"focus_export_memory: one export of {focus.many:,} rows")
            focus.export(focus.of_many)
            rows.append(row_of("focus_export_memory", "MiB", f"{focus.few:,} rows",
                               [(lower, focus.peak())]))
        return [row for row in rows if plan.wants(row.name)]
