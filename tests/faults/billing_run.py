"""A billing run of many accounts that is made as slow as a test wants it, and its proof: each account
is billed once, for what it used, and exactly as by a run that nobody disturbed."""

import datetime
import decimal

from database import Database
from harness import unique

SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
BATCH = "application/cloudevents-batch+json"
RENT, UNIT, TAX = decimal.Decimal("30"), decimal.Decimal("0.125"), decimal.Decimal("0.06")
CENT = decimal.Decimal("0.01")
PAUSE = "0.4"  # seconds at most, before each row that a slow run writes
LINES = """
    select l.tenant_id, l.line, l.kind, l.resource_id, l.charge_code, l.quantity::text,
           l.billed_quantity::text, l.amount::text, l.net::text, l.tax_rate::text, l.tax::text,
           l.price, l.steps, l.service_starts_at, l.service_ends_at
    from invoices i join invoice_lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
    where i.period = '{period}' order by l.tenant_id, l.line"""


def cents(amount):
    """Half away from zero, as a line is rounded."""
    return amount.quantize(CENT, decimal.ROUND_HALF_UP)


class BillingRun:
    """Of the month before the last, in which nothing else happens."""

    def __init__(self, test, accounts):
        self.test = test
        today = datetime.datetime.now(SHANGHAI)
        index = today.year * 12 + today.month - 3
        self.first = datetime.datetime(index // 12, index % 12 + 1, 1, tzinfo=SHANGHAI)
        self.period = self.first.strftime("%Y-%m")
        self.quantities = {}  # by account
        self.prepare(accounts)
        self.undisturbed = self.bill_undisturbed()
        self.make_slow()

    # ---- What is billed ----

    def prepare(self, accounts):
        code = unique("billed")
        meter = self.test.expect(self.test.platform.post("/v1/meters", {
            "code": code, "name": "计量", "event_type": f"test.{code}", "aggregation": "sum",
            "value_property": "value", "unit": "X"}), 201)
        offer = self.test.offer(
            "software",
            {"code": "seat", "name": "月租", "kind": "recurring",
             "price": {"model": "flat", "amount": str(RENT)}},
            {"code": "calls", "name": "调用", "kind": "usage", "meter": code,
             "price": {"model": "unit", "unit_amount": str(UNIT)}})
        for _ in range(accounts):
            self.account(offer, meter)

    def account(self, offer, meter):
        """Rents for the whole month, and uses something of its own."""
        since, platform = {"effective_at": self.first.isoformat()}, self.test.platform
        tenant = self.test.shared.create("/v1/tenants", {
            "park_id": self.test.park()["id"], "code": unique("account"), "name": "账户"})["id"]
        resource = self.test.expect(platform.post("/v1/resources", {
            "kind": "software", "tenant": tenant, "offering_id": offer["offering"]["id"],
            "plan_id": offer["plan"]["id"], "name": "CRM", "software": {"seats": 1}, **since}), 201)
        for action in ("approve", "provision", "activate"):
            self.test.act(resource, action, since)
        values = [self.test.random.randint(1, 1000) for _ in range(3)]
        events = [{"specversion": "1.0", "id": f"{tenant}-{day}", "source": "/faults",
                   "type": meter["event_type"], "subject": resource["id"],
                   "time": (self.first + datetime.timedelta(days=day)).isoformat(),
                   "data": {"value": str(value)}} for day, value in enumerate(values)]
        self.test.expect(platform.post("/v1/events", events, query={"tenant": tenant},
                                       content_type=BATCH), 200)
        self.quantities[tenant] = sum(values)

    def bill_undisturbed(self):
        """The lines of drafts, which are gone again afterwards."""
        ended = self.test.bill(self.period)
        self.test.assertEqual(ended["state"], "succeeded", ended)
        lines = self.test.database().rows(LINES.format(period=self.period))
        self.test.database().execute("delete from invoice_lines; delete from invoices")
        return lines

    # ---- The run ----

    def make_slow(self):
        """A row is written after a moment, and only while `pace` lets more accounts become final."""
        self.test.database().execute(f"""
            create table pace (accounts bigint not null);
            insert into pace values (0);
            create function keep_pace() returns trigger language plpgsql security definer as $$
            begin
                while (select count(*) from invoices where state = 'finalized')
                      >= (select accounts from pace) loop
                    perform pg_sleep(0.02);
                end loop;
                perform pg_sleep(random() * {PAUSE});
                return new;
            end $$;
            create trigger slow before insert or update on invoices
                for each row execute function keep_pace();
            create trigger slow before insert on invoice_lines
                for each row execute function keep_pace()""")

    def begin(self):
        answer = self.test.platform.post("/v1/billing-runs",
                                         {"period": self.period, "finalize": True})
        self.id = self.test.expect(answer, 202)["id"]
        self.operation = answer.header("Location").rpartition("/")[2]

    def let_one_more(self):
        """One more account may become final. None while there is no database."""
        return self.test.try_database(Database.execute, "update pace set accounts = accounts + 1")

    def is_run_by(self, process):
        return self.test.try_database(
            Database.rows, f"select id from operations where id = '{self.operation}' "
            f"and state = 'running' and lease_owner like '%/{process}'")

    def end(self):
        """As fast as it can from here on."""
        self.test.database().execute("drop trigger slow on invoices")
        self.test.database().execute("drop trigger slow on invoice_lines")

        def ended():
            self.test.hurry("billing_run")
            operation = self.test.expect(
                self.test.platform.get(f"/v1/operations/{self.operation}"), 200)
            return operation if operation["state"] in ("succeeded", "failed") else None

        ended = self.test.eventually(ended, 120)
        self.test.assertEqual(ended["state"], "succeeded", ended)

    def settled(self):
        return self.test.database().value(
            f"select count(*) from invoices where period = '{self.period}' and state = 'finalized'")

    # ---- Its proof ----

    def check(self):
        rows = self.test.database().rows(
            "select tenant_id, state, number, net::text, tax::text from invoices "
            f"where period = '{self.period}' order by number")
        billed = [row["tenant_id"] for row in rows]
        self.test.assertEqual(sorted(billed), sorted(self.quantities), "each account once")
        self.test.assertEqual({row["state"] for row in rows}, {"finalized"})
        places = [int(row["number"].rpartition("-")[2]) for row in rows]
        self.test.assertEqual(places, list(range(1, len(places) + 1)))
        for row in rows:
            nets = (RENT, cents(UNIT * self.quantities[row["tenant_id"]]))
            self.test.assertEqual(
                (decimal.Decimal(row["net"]), decimal.Decimal(row["tax"])),
                (sum(nets), sum(cents(net * TAX) for net in nets)), row)
        self.test.assertEqual(self.test.database().rows(LINES.format(period=self.period)),
                              self.undisturbed)
        run = self.test.expect(self.test.platform.get(f"/v1/billing-runs/{self.id}"), 200)
        self.test.assertEqual((run["state"], run["accounts"], run["invoices"], run["failures"]),
                              ("succeeded", len(rows), len(rows), []))
        self.check_ledger(rows)
        self.check_close()

    def check_ledger(self, rows):
        """Each invoice has one entry, each entry is balanced, and all of them owe what was billed."""
        entries = self.test.database().rows(f"""
            select e.invoice_id, sum(p.amount)::text as balance,
                   sum(p.amount) filter (where p.account like 'assets:receivable:%')::text as owed
            from ledger_entries e
            join ledger_postings p on p.tenant_id = e.tenant_id and p.entry = e.number
            where e.period = '{self.period}' group by e.tenant_id, e.number, e.invoice_id""")
        self.test.assertEqual(len({entry["invoice_id"] for entry in entries}), len(rows))
        self.test.assertEqual(len(entries), len(rows))
        self.test.assertEqual({decimal.Decimal(entry["balance"]) for entry in entries}, {0})
        self.test.assertEqual(
            sum(decimal.Decimal(entry["owed"]) for entry in entries),
            sum(decimal.Decimal(row["net"]) + decimal.Decimal(row["tax"]) for row in rows))

    def check_close(self):
        """The gate compares all sums once more, from usage to the ledger."""
        answer = self.test.platform.post(f"/v1/periods/{self.period}/close")
        self.test.expect(answer, 202)
        ended = self.test.operation(answer)
        self.test.assertEqual(ended["state"], "succeeded", ended)
