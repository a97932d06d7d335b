"""What finance takes over: sets of files of closed and open months, held against the tools that
read them, and against the invoices to the cent."""

import concurrent.futures
import csv
import datetime
import decimal
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import ApiTest, unique

SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
FORMATS = {"focus": ["focus-metadata.json", "focus.csv"],
           "journal": ["journal.beancount", "journal.hledger"],
           "lines": ["lines.csv", "lines.jsonl"]}
COPIES = tempfile.mkdtemp(prefix="exports")
os.chmod(COPIES, 0o777)

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
COUNT = r"(?:[A-Z][A-Za-z0-9]*(?: [A-Z][A-Za-z0-9]*)*)"
TIME = r"(?:Year|Month|Day|Hour|Minute|Second)"
UNIT = re.compile(rf"(?:\d+ )?{COUNT}|{COUNT}-{TIME}s|{COUNT}/(?:{TIME}|\d+ {TIME}s)")
# Columns that a row of tax leaves empty, and that a charge fills.
OF_A_PRICE = ["ContractedUnitPrice", "ListUnitPrice", "PricingQuantity", "PricingUnit",
              "PricingCategory", "ConsumedQuantity", "ConsumedUnit", "SkuId", "SkuMeter",
              "SkuPriceId", "SkuPriceDetails"]
NEVER_NULL = ["BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
              "BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory", "ChargeFrequency",
              "ChargePeriodStart", "ChargePeriodEnd", "ContractedCost", "EffectiveCost",
              "InvoiceIssuerName", "ListCost", "ProviderName", "PublisherName", "ResourceId",
              "ResourceType", "ServiceCategory", "ServiceName", "ServiceProviderName",
              "ServiceSubcategory", "HostProviderName"]


# Holds the lines until a job asks for them, and ends its session.
CUT_THE_READER = """
do $$
declare
    cut boolean := false;
begin
    lock table invoice_lines in access exclusive mode;
    while not cut loop
        perform pg_sleep(0.01), pg_stat_clear_snapshot();
        select coalesce(bool_or(pg_terminate_backend(a.pid)), false) into cut
        from pg_stat_activity a
        where a.usename = 'bccd_jobs' and a.wait_event_type = 'Lock';
    end loop;
end
$$"""
PATIENCE = 30  # seconds


def tearDownModule():
    shutil.rmtree(COPIES, ignore_errors=True)


def month(back):
    """The calendar month so many before this one, in Shanghai: its name and first day."""
    today = datetime.datetime.now(SHANGHAI)
    index = today.year * 12 + today.month - 1 - back
    first = datetime.datetime(index // 12, index % 12 + 1, 1, tzinfo=SHANGHAI)
    return first.strftime("%Y-%m"), first


def spell(instant):
    return instant.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class ExportTest(ApiTest):
    settings = {"export_directory": COPIES}

    # ---- What is exported ----

    def rent(self, tenant, offer, kind, since, name):
        part = {"software": {"seats": 3}, "broadband": {
            "line": unique("line"), "access_technology": "gpon",
            "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000}}[kind]
        resource = self.expect(self.platform.post("/v1/resources", {
            "kind": kind, "tenant": tenant["id"], "offering_id": offer["offering"]["id"],
            "plan_id": offer["plan"]["id"], "name": name, kind: part, "site": "A座3层",
            "metadata": {"cost_center": "rd"}, "effective_at": since}), 201)
        for action in ("approve", "provision", "activate"):
            self.act(resource, action, {"effective_at": since})
        return resource

    def world(self):
        """Two enterprises, with names that are hard to spell, and what they used in a month."""
        self.period, self.first = month(1)
        self.meter = self.expect(self.platform.post("/v1/meters", {
            "code": unique("calls"), "name": "调用", "event_type": unique("type"),
            "aggregation": "sum", "value_property": "calls", "unit": "调用次数"}), 201)
        software = self.offer(
            "software", {"code": "base", "name": "基础费", "name_en": "Base fee", "kind": "recurring",
                         "price": {"model": "flat", "amount": "100"}},
            {"code": "seats", "name": "席位", "kind": "usage", "meter": "seat-days",
             "price": {"model": "unit", "unit_amount": "0.505"}},
            {"code": "calls", "name": "调用", "kind": "usage", "meter": self.meter["code"],
             "price": {"model": "graduated", "tiers": [{"up_to": "10", "unit_amount": "0.333"},
                                                       {"up_to": None, "unit_amount": "0.1"}]}})
        broadband = self.offer("broadband")
        self.tenants = [
            self.tenant("=SUM(1)|公司; \"引号\"", code=unique("a_b-c")),
            self.tenant("石家庄蓝海软件有限公司", name_en="Lanhai Software Co., Ltd.",
                        code=unique("lanhai"), tax_number="911301010000000123")]
        # From the middle of the month, so that shares of it do not end.
        since = (self.first + datetime.timedelta(days=9, hours=1)).isoformat()
        for tenant, owner in self.tenants:
            resource = self.rent(tenant, software, "software", since, "+研发, \"CRM\"")
            self.rent(tenant, broadband, "broadband", since, "专线")
            self.send(owner, resource, "12.5")
            self.damage(tenant, self.resource(owner, "terminal", metadata={"cost_center": "rd"}))

    def damage(self, tenant, rented):
        """A fee that fell due within the month."""
        day = (self.first + datetime.timedelta(days=20)).date()
        self.database().execute(f"""
            insert into terminal_fees (tenant_id, id, resource_id, terminal_id, cause, state, asked, amount, currency,
                                       facts, reason, disputable_until, due_on, period, created_by)
            select '{tenant["id"]}', make_identifier('fee'), '{rented["id"]}', t.id, 'damage', 'due', 450, 199.99, 'CNY',
                   jsonb_build_object('asset_tag', t.asset_tag, 'valuation', null), '', '{day}', '{day}',
                   '{self.period}', 'exports'
            from terminals t where t.resource_id = '{rented["id"]}'""")

    def send(self, owner, resource, calls):
        time = (self.first + datetime.timedelta(days=14)).isoformat()
        receipt = self.expect(owner.post("/v1/events", [{
            "specversion": "1.0", "id": unique("event"), "source": "/test",
            "type": self.meter["event_type"], "subject": resource["id"], "time": time,
            "data": {"calls": calls}}]), 200)
        self.assertEqual(receipt["accepted"], 1)

    # ---- Exports ----

    def export(self, form, period):
        answer = self.platform.post("/v1/exports", {"format": form, "period": period})
        asked = self.expect(answer, 202)
        self.assertEqual(answer.header("Location"), f"/v1/operations/{asked['operation_id']}")
        operation = self.operation(answer)
        self.assertEqual(operation["state"], "succeeded", operation)
        self.assertEqual(operation["result"], {"export_id": asked["id"]})
        return self.expect(self.platform.get(f"/v1/exports/{asked['id']}"), 200)

    def files(self, export):
        """The files as they are served, each as its manifest says."""
        found = {}
        manifest = export["manifest"]
        self.assertEqual(sorted(each["name"] for each in manifest["files"]), FORMATS[export["format"]])
        self.assertEqual([each["name"] for each in export["files"]], FORMATS[export["format"]])
        for each in manifest["files"]:
            path = f"/v1/exports/{export['id']}/files/{each['name']}"
            answer = self.platform.get(path)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(len(answer.body), each["bytes"])
            self.assertEqual(hashlib.sha256(answer.body).hexdigest(), each["sha256"])
            self.assertEqual(answer.etag, f'"{each["sha256"]}"')
            self.assertIn(f"{each['name']}\"", answer.header("Content-Disposition"))
            again = self.platform.get(path, headers={"If-None-Match": answer.etag})
            self.assertEqual((again.status, again.body), (304, b""))
            found[each["name"]] = answer.body
        return found

    def invoices(self, period):
        """And credit notes."""
        return [*self.platform.all("/v1/invoices", {"period": period}),
                *self.platform.all("/v1/credit-notes", {"period": period})]

    def totals(self, period):
        sums = {name: sum(decimal.Decimal(invoice[name]["amount"]) for invoice in self.invoices(period))
                for name in ("net", "tax", "total")}
        return {name: str(value.quantize(decimal.Decimal("0.01"))) for name, value in sums.items()}

    def check_copy(self, export, files):
        directory = os.path.join(COPIES, export["period"], f"{export['format']}-r{export['revision']}")
        self.assertEqual(sorted(os.listdir(directory)), sorted([*files, "manifest.json"]))
        for name, body in files.items():
            with open(os.path.join(directory, name), "rb") as file:
                self.assertEqual(file.read(), body)
        with open(os.path.join(directory, "manifest.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), export["manifest"])

    # ---- The readers ----

    def check_focus(self, files, period, first, final):
        text = files["focus.csv"].decode("utf-8")
        self.assertNotIn(",,", text)
        rows = [{name: None if value == "NULL" else value for name, value in row.items()}
                for row in csv.DictReader(io.StringIO(text, newline=""))]
        self.assertTrue(rows)
        end = (first + datetime.timedelta(days=32)).replace(day=1)
        per_invoice = {}
        for row in rows:
            self.check_focus_row(row)
            self.assertEqual(row["BillingPeriodStart"], spell(first))
            self.assertEqual(row["BillingPeriodEnd"], spell(end))
            self.assertEqual(row["InvoiceId"] is not None, final)
            per_invoice.setdefault(row["InvoiceId"], []).append(decimal.Decimal(row["BilledCost"]))
        if final:
            expected = {invoice["number"]: decimal.Decimal(invoice["total"]["amount"])
                        for invoice in self.invoices(period)}
            self.assertEqual({name: sum(costs) for name, costs in per_invoice.items()}, expected)
        metadata = json.loads(files["focus-metadata.json"])
        self.assertEqual(metadata["Schema"]["FocusVersion"], "1.3")
        self.assertEqual([each["ColumnName"] for each in metadata["Schema"]["ColumnDefinition"]],
                         list(rows[0]))
        return rows

    def check_focus_row(self, row):
        for name in NEVER_NULL:
            self.assertIsNotNone(row[name], (name, row))
        for name in ("ChargePeriodStart", "ChargePeriodEnd"):
            self.assertRegex(row[name], INSTANT)
        self.assertLess(row["ChargePeriodStart"], row["ChargePeriodEnd"])
        self.assertEqual(row["EffectiveCost"], row["BilledCost"])
        tax = row["ChargeCategory"] == "Tax"
        for name in OF_A_PRICE:
            self.assertEqual(row[name] is None, tax, (name, row))
        if tax:
            self.assertEqual(row["ContractedCost"], row["BilledCost"])
            return
        self.assertEqual(row["ChargeCategory"], "Usage")
        for kind in ("Contracted", "List"):
            price = decimal.Decimal(row[kind + "UnitPrice"])
            self.assertGreaterEqual(price, 0)
            self.assertEqual(price * decimal.Decimal(row["PricingQuantity"]),
                             decimal.Decimal(row[kind + "Cost"]))
        for name in ("PricingUnit", "ConsumedUnit"):
            self.assertRegex(row[name], f"^(?:{UNIT.pattern})$")
        self.assertEqual(json.loads(row["Tags"]), {"cost_center": "rd"})
        self.assertTrue(all(name.startswith("x_") for name in json.loads(row["SkuPriceDetails"])))

    def run_reader(self, *command, stdin):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "journal")
            with open(path, "wb") as file:
                file.write(stdin)
            done = subprocess.run([part.replace("FILE", path) for part in command], check=False,
                                  capture_output=True, text=True, timeout=120,
                                  env={**os.environ, "LC_ALL": "C.UTF-8"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def check_journal(self, files, totals):
        hledger = files["journal.hledger"]
        self.run_reader("hledger", "-f", "FILE", "check", "--strict", "ordereddates", "payees",
                        stdin=hledger)
        shown = self.run_reader("hledger", "-f", "FILE", "balance", "--flat", "-O", "csv", stdin=hledger)
        sums = {}
        for account, amount in list(csv.reader(io.StringIO(shown)))[1:]:
            kind = account.split(":")[0].lower()
            sums[kind] = sums.get(kind, 0) + decimal.Decimal(amount.split()[0])
        self.assertEqual(sums["revenue"], -decimal.Decimal(totals["net"]))
        self.assertEqual(sums["liabilities"], -decimal.Decimal(totals["tax"]))
        self.assertEqual(sums["assets"], decimal.Decimal(totals["total"]))
        self.run_reader("bean-check", "FILE", stdin=files["journal.beancount"])
        self.assertEqual(hledger.count(b"\n20"), files["journal.beancount"].count(b' * "'))

    def check_lines(self, files, totals):
        table = files["lines.csv"]
        self.assertTrue(table.startswith(b"\xef\xbb\xbf") and table.endswith(b"\r\n"))
        rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))
        documents = [json.loads(line) for line in files["lines.jsonl"].splitlines()]
        self.assertEqual([row["invoice_id"] for row in rows], [each["invoice_id"] for each in documents])
        for name in ("net", "tax", "total"):
            self.assertEqual(str(sum(decimal.Decimal(row[name]) for row in rows)), totals[name])
        for row in rows:
            for name, value in row.items():
                self.assertFalse(value[:1] in "=+@\t" and value != "", (name, value))
        self.assertIn("'=SUM(1)|公司; \"引号\"", {row["tenant_name"] for row in rows})
        self.assertIn("'911301010000000123", {row["tax_number"] for row in rows})

    # ---- The story ----

    def test_a_month_from_drafts_to_the_closed_books(self):
        self.world()
        self.assertEqual(self.bill(self.period)["state"], "succeeded")
        self.an_open_month_has_revisions()
        self.assertEqual(self.bill(self.period, finalize=True)["state"], "succeeded")
        closed = self.operation(self.platform.post(f"/v1/periods/{self.period}/close"))
        self.assertEqual(closed["state"], "succeeded", closed)
        self.a_closed_month_is_exported_once()
        self.a_credit_note_is_in_the_books()
        self.exports_are_listed()
        self.exports_are_for_those_who_may()
        self.what_is_ready_never_changes()
        self.bug_0048_nothing_moves_out_of_what_is_ready()

    def an_open_month_has_revisions(self):
        first = self.export("focus", self.period)
        second = self.export("focus", self.period)
        self.assertEqual((first["revision"], first["supersedes"], first["final"]), (1, None, False))
        self.assertEqual((second["revision"], second["supersedes"]), (2, first["id"]))
        self.assertEqual(second["manifest"]["supersedes"], first["id"])
        self.assertEqual(second["manifest"]["control_totals"], self.totals(self.period))
        rows = self.check_focus(self.files(second), self.period, self.first, False)
        self.assertEqual({row["x_InvoiceState"] for row in rows}, {"draft"})
        self.draft = second
        journal = self.export("journal", self.period)  # drafts are not posted
        self.assertEqual(journal["manifest"]["control_totals"],
                         {"net": "0.00", "tax": "0.00", "total": "0.00"})

    def a_closed_month_is_exported_once(self):
        totals = self.totals(self.period)
        self.assertGreater(decimal.Decimal(totals["net"]), 0)
        for form in FORMATS:
            export = self.export(form, self.period)
            manifest = export["manifest"]
            self.assertTrue(export["final"] and manifest["final"])
            self.assertEqual(manifest["control_totals"], totals)
            self.assertEqual(manifest["time_zone"], "Asia/Shanghai")
            self.assertEqual(manifest["period_starts_at"], spell(self.first))
            files = self.files(export)
            self.check_copy(export, files)
            again = self.expect(self.platform.post(
                "/v1/exports", {"format": form, "period": self.period}), 202)
            self.assertEqual(again, export)
            if form == "focus":
                self.assertEqual(export["supersedes"], self.draft["id"])
                rows = self.check_focus(files, self.period, self.first, True)
                net = sum(decimal.Decimal(row["EffectiveCost"]) for row in rows
                          if row["ChargeCategory"] != "Tax")
                self.assertEqual(str(net), totals["net"])
                self.focus = export
            elif form == "journal":
                self.check_journal(files, totals)
            else:
                self.check_lines(files, totals)

    def a_credit_note_is_in_the_books(self):
        """Of the month in which it is written, with the period that it corrects."""
        invoice = self.invoices(self.period)[0]
        for lines in ({"lines": [{"line": 1, "net": "0.09"}]}, {}):
            self.expect(self.platform.post("/v1/credit-notes", {
                "invoice_id": invoice["id"], "reason": "停用", **lines}), 201)
        period, first = month(0)
        totals = self.totals(period)
        self.assertEqual(totals["total"], "-" + invoice["total"]["amount"])
        rows = self.check_focus(self.files(self.export("focus", period)), period, first, True)
        self.assertEqual({(row["ChargeClass"], row["x_OriginalPeriod"]) for row in rows},
                         {("Correction", self.period)})
        self.check_journal(self.files(self.export("journal", period)), totals)
        self.files(self.export("lines", period))

    def exports_are_listed(self):
        found = self.expect(self.platform.get("/v1/exports", query={
            "format": "focus", "period": self.period, "state": "ready,failed"}), 200)["data"]
        self.assertEqual([each["revision"] for each in found], [3, 2, 1])
        oldest = self.expect(self.platform.get("/v1/exports", query={
            "period": self.period, "sort": "created_at", "limit": 1}), 200)
        self.assertEqual([each["revision"] for each in oldest["data"]], [1])
        self.assertIsNotNone(oldest["next_cursor"])
        none = self.platform.get("/v1/exports", query={"state": "running"})
        self.assertEqual(self.expect(none, 200)["data"], [])

    def exports_are_for_those_who_may(self):
        body = {"format": "lines", "period": self.period}
        path = f"/v1/exports/{self.focus['id']}"
        self.expect(self.operator("auditor").get(path), 200)
        self.expect(self.operator("auditor").post("/v1/exports", body), 403, "forbidden")
        self.expect(self.operator("finance").post("/v1/exports", body), 202)
        self.expect(self.operator("park_manager").get(path), 403, "forbidden")
        self.expect(self.tenants[0][1].get(path), 403, "forbidden")
        self.expect(self.platform.get(path + "/files/passwd"), 404, "not_found")
        self.expect(self.platform.get("/v1/exports/exp_01k8x7g0v8e2v9m3b1q4t5y6z7"), 404, "not_found")

    def what_is_ready_never_changes(self):
        for change in ("update exports set revision = 9 where id = ",
                       "delete from export_files where export_id = ",
                       "delete from export_chunks where export_id = "):
            with self.assertRaises(AssertionError):
                self.database().execute(f"{change}'{self.focus['id']}'")

    def bug_0048_nothing_moves_out_of_what_is_ready(self):
        self.database().execute("""
            insert into operations (id, kind, state, ended_at) values ('op_other', 'export', 'succeeded', now());
            insert into exports (id, format, format_version, period, revision, final, operation_id, created_by)
            values ('exp_other', 'lines', 1, '2020-02', 1, false, 'op_other', 'test')""")
        for table in "export_files", "export_chunks":
            with self.assertRaises(AssertionError):
                self.database().execute(f"update {table} set export_id = 'exp_other' "
                                        f"where export_id = '{self.focus['id']}'")

    def test_bug_0049_a_longer_torn_copy_leaves_nothing_behind(self):
        period = month(3)[0]
        torn = os.path.join(COPIES, period, ".lines-r1.partial")
        os.makedirs(torn)
        for path in os.path.dirname(torn), torn:
            os.chmod(path, 0o777)
        for name in [*FORMATS["lines"], "manifest.json"]:
            with open(os.path.join(torn, name), "wb") as file:
                file.write(b"x" * 10000)
            os.chmod(os.path.join(torn, name), 0o666)
        export = self.export("lines", period)
        self.check_copy(export, self.files(export))

    def test_a_long_file_comes_in_pieces(self):
        chunk, last = 262144, 1000
        body = (b"0123456789abcdef" * (chunk // 16)) * 3 + b"x" * last
        digest = hashlib.sha256(body).hexdigest()
        export = "exp_01k8x7g0v8e2v9m3b1q4t5y6z8"
        manifest = json.dumps({
            "format": "lines", "format_version": 1, "period": "2020-01", "revision": 1,
            "supersedes": None, "final": False, "time_zone": "Asia/Shanghai",
            "period_starts_at": "2019-12-31T16:00:00Z", "period_ends_at": "2020-01-31T16:00:00Z",
            "files": [], "control_totals": {"net": "0.00", "tax": "0.00", "total": "0.00"}})
        self.database().execute(f"""
            insert into operations (id, kind, state, ended_at)
            values ('op_01k8x7g0v8e2v9m3b1q4t5y6z8', 'export', 'succeeded', now());
            insert into exports (id, format, format_version, period, revision, final, operation_id, created_by)
            values ('{export}', 'lines', 1, '2020-01', 1, false, 'op_01k8x7g0v8e2v9m3b1q4t5y6z8', 'test');
            insert into export_chunks select '{export}', 'long.csv', number,
                convert_to(repeat('0123456789abcdef', {chunk // 16}), 'UTF8') from generate_series(0, 2) number;
            insert into export_chunks values ('{export}', 'long.csv', 3, convert_to(repeat('x', {last}), 'UTF8'));
            insert into export_files values
                ('{export}', 'empty.csv', 'text/csv', 0, 0, '{hashlib.sha256(b"").hexdigest()}'),
                ('{export}', 'long.csv', 'text/csv', {len(body)}, 1, '{digest}');""")
        path = f"/v1/exports/{export}/files/long.csv"
        self.expect(self.platform.get(path), 404, "not_found")  # before it is ready
        self.database().execute(f"update exports set state = 'ready', ready_at = now(), "
                                f"manifest = '{manifest}' where id = '{export}'")
        answer = self.platform.get(path)
        self.assertEqual((answer.status, hashlib.sha256(answer.body).hexdigest()), (200, digest))
        head = self.platform.request("HEAD", path)
        self.assertEqual((head.status, head.body, head.header("Content-Length")),
                         (200, b"", str(len(body))))
        empty = self.platform.get(f"/v1/exports/{export}/files/empty.csv")
        self.assertEqual((empty.status, empty.body), (200, b""))

    def test_a_reader_that_is_lost_makes_another_attempt(self):
        # Nothing is written before the totals are compared, so that is where it is held up.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            cut = pool.submit(self.database().execute, CUT_THE_READER)
            deadline = time.monotonic() + PATIENCE
            while not self.database().value(
                    "select count(*) from pg_locks where relation = 'invoice_lines'::regclass "
                    "and mode = 'AccessExclusiveLock' and granted"):
                self.assertLess(time.monotonic(), deadline)
            export = self.export("lines", month(0)[0])
            cut.result()
        self.assertEqual((export["state"], export["final"]), ("ready", False))
        self.files(export)
        self.assertEqual(self.database().value(
            f"select fence from operations where id = '{export['operation_id']}'"), 2)  # it was claimed twice

    def test_what_cannot_be_exported(self):
        ahead = month(-2)[0]
        for form in FORMATS:
            answer = self.platform.post("/v1/exports", {"format": form, "period": ahead})
            self.expect(answer, 409, "period_not_begun")
        answer = self.platform.post("/v1/exports", {"format": "pdf", "period": "2026-13"})
        self.expect(answer, 422, "validation_failed")
        self.assertEqual({each["pointer"] for each in answer.json["errors"]}, {"/format", "/period"})


if __name__ == "__main__":
    unittest.main()
