"""The console in Chromium: every screen in both languages and themes, wide and narrow; the keyboard
alone; figures held against the API; refusals, what roles are offered, long work, and the reader of the
contract."""

import hashlib
import json
import os
import subprocess

from console import BrowserTest


def grouped(amount):
    """An amount as the console writes it."""
    return f"¥{float(amount):,.2f}"


class ScreenTest(BrowserTest):
    """No error of a script, nothing that the policy of the page refuses, nothing that axe finds, no
    scrolling sideways."""

    def screens(self, language, theme, who="root"):
        self.drive("every_screen", language=language, theme=theme, who=who)

    def test_english_light(self):
        self.screens("en", "light")

    def test_english_dark(self):
        self.screens("en", "dark")

    def test_chinese_light(self):
        self.screens("zh-CN", "light")

    def test_chinese_dark(self):
        self.screens("zh-CN", "dark")

    def test_pictures(self):
        self.drive("pictures")

    def test_tenant(self):
        self.screens("zh-CN", "light", "owner")

    def test_auditor(self):
        self.screens("en", "dark", "auditor")


class UseTest(BrowserTest):
    def test_keyboard_only(self):
        self.drive("keyboard_only")

    def test_figures_are_those_of_the_api(self):
        seen = self.drive("figures")
        ids, root = self.world.ids, self.world.root
        overview = self.expect(root.get("/v1/overview"), 200)
        last = overview["months"][-1]
        waiting = sum(row["count"] for row in overview["resources"]
                      if row["state"] in ("requested", "approved", "provisioning"))
        self.assertEqual(seen["tiles"], [
            grouped(last["total"]["amount"]), grouped(overview["recurring"]["amount"]),
            grouped(overview["unpaid"]["total"]["amount"]), str(waiting)])
        self.assertEqual(len(seen["months"]), len(overview["months"]))
        for row, month in zip(seen["months"], overview["months"]):
            self.assertEqual(row.split("\t")[1:], [grouped(month[part]["amount"])
                                                   for part in ("net", "tax")])
        bill = self.expect(root.get(f"/v1/invoices/{ids['bill']}"), 200)
        self.assertEqual(seen["sums"], [grouped(bill[part]["amount"])
                                        for part in ("net", "tax", "total")])
        lines = self.world.data(f"/v1/invoices/{ids['bill']}/lines")
        self.assertEqual(seen["lines"], [grouped(line["net"]["amount"]) for line in lines])
        self.assertEqual(seen["explained"][1:], [grouped(lines[0][part]["amount"])
                                                 for part in ("net", "tax")])
        export = self.expect(root.get(f"/v1/exports/{ids['export']}"), 200)
        totals = export["manifest"]["control_totals"]
        self.assertEqual(seen["totals"], [f"{float(totals[part]):,.2f}"
                                          for part in ("net", "tax", "total")])
        self.assertEqual(seen["digests"], [file["sha256"] for file in export["files"]])
        self.assertEqual(seen["tenants"], min(len(self.world.tenants), 50))

    def test_expired_session(self):
        seen = self.drive("expired_session")
        self.assertIn("do not belong together", seen["refused"])

    def test_reasons_of_the_server_are_shown(self):
        seen = self.drive("server_reasons")
        problems = json.loads(self.daemon.get("/openapi.json")[1])["components"]["x-problems"]
        for language, end in (("en", ""), ("zh-CN", "_zh")):
            self.assertIn(problems["not_found"]["detail" + end], seen[language]["absent"])
            self.assertIn(problems["effective_at_refused"]["title" + end],
                          seen[language]["refused"])

    def test_menus_offer_what_the_role_may_do(self):
        seen = self.drive("menus")
        everything = ["Overview", "Tenants", "Resources", "Usage", "Bills", "Exports", "Operations"]
        self.assertEqual(seen["root"], everything)
        self.assertEqual(seen["auditor"], everything)
        self.assertEqual(seen["owner"], ["Overview", "My company", "Resources", "Usage", "Bills",
                                         "Operations"])
        self.assertEqual(seen["root actions"], ["Change", "Renew", "Suspend", "Terminate", "Edit"])
        self.assertEqual(seen["owner actions"], ["Change", "Renew", "Suspend", "Terminate", "Edit"])
        self.assertEqual(seen["auditor actions"], [])

    def test_an_export_is_made_and_downloaded(self):
        seen = self.drive("export_is_made")
        self.assertIn(seen["digest"], seen["digests"])


class BugTest(BrowserTest):
    """What was wrong once; each by its number."""

    def test_bug_0070_late_usage_is_explained(self):
        """The page of the bill was gone: it had no words for what had been billed before."""
        late = self.database().rows("""
            select l.invoice_id, l.amount::text as amount from invoice_lines l join invoices i on i.id = l.invoice_id
            where i.kind = 'period' and l.correction_of is not null and l.kind = 'usage' limit 1""")[0]
        seen = self.drive("late_usage", bill=late["invoice_id"])
        self.assertTrue(any(step.startswith("Billed before") for step in seen), seen)


class ReferenceTest(BrowserTest):
    def test_reference(self):
        document = json.loads(self.daemon.get("/openapi.json")[1])
        operations = {each["operationId"]: each for path in document["paths"].values()
                      for method, each in path.items() if method != "parameters"}
        seen = self.drive("reference", operations=["list_invoices", "create_resource"])
        self.assertEqual(seen["all"], len(operations))
        self.assertEqual(seen["title"], "接口文档")
        self.assertIn("finalize_invoice", seen["found"])
        self.assertLess(len(seen["found"]), 20)
        for curl in seen["curls"].values():
            self.run_curl(curl)

    def run_curl(self, line):
        """The line is one that the server answers as a request of the contract."""
        line = line.replace("curl ", f"curl -sS --cacert {self.daemon.authority} -w '%{{http_code}}' ")
        line = line.replace("$(uuidgen)", hashlib.sha256(line.encode()).hexdigest())
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False,
                              env={**os.environ,
                                   "KEY": self.shared.operator_login["api_key"]})
        # The ids of examples are nobody's: what then is refused is the reference, not its form.
        self.assertIn(done.stdout[-3:], ("200", "201", "422"), done.stdout + done.stderr)
        if done.stdout.endswith("422"):
            self.assertEqual(json.loads(done.stdout[:-3])["code"], "reference_unknown", done.stdout)
