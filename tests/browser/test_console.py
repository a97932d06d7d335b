"""The console in Chromium: every screen in both languages and themes, wide and narrow; the keyboard
alone; figures held against the API; refusals, what roles are offered, long work, and the reader of the
contract."""

import decimal
import hashlib
import json
import os
import subprocess

from console import BrowserTest


def grouped(amount):
    """An amount as the console writes it."""
    return f"¥{float(amount):,.2f}"


def brief(value):
    """A quantity as the console writes it."""
    return f"{decimal.Decimal(value).normalize():,f}"


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
        self.quota_figures(seen)

    def quota_figures(self, seen):
        ids, root = self.world.ids, self.world.root
        soft, hard = (self.expect(root.get(f"/v1/quotas/{ids[name]}"), 200) for name in ("quota", "hard"))
        limit, used = soft["limit"], soft["window"]["used"]
        self.assertEqual(seen["quota"]["sums"], [f"{brief(value)} calls" for value in (
            limit, used, soft["window"]["remaining"])])
        share = int(decimal.Decimal(used) * 100 / decimal.Decimal(limit))
        self.assertGreaterEqual(share, 80)
        self.assertEqual(seen["quota"]["share"], [f"{brief(used)} of {brief(limit)} calls · {share}%"])
        alerts = self.world.data(f"/v1/quotas/{ids['quota']}/alerts")
        self.assertGreater(len(alerts), 0)
        self.assertEqual([row.split("\t")[:2] for row in seen["quota"]["alerts"]],
                         [[f"{alert['threshold']}%", f"{brief(alert['used'])} calls"] for alert in alerts])
        window = hard["window"]
        self.assertGreater(int(window["reserved"]), 0)
        self.assertEqual(seen["hard"], [f"{brief(value)} calls" for value in (
            hard["limit"], window["used"], window["reserved"], window["remaining"])])
        self.assertEqual(len(seen["held"]), 1)

    def test_usage_by_what_events_say(self):
        seen = self.drive("usage_by_dimension")
        name = self.world.ids["dimension"]
        for language, not_given, unit in (("en", "Not given", "CNY"), ("zh-CN", "未注明", "元")):
            page = seen[language]
            self.assertEqual(page["ways"], ["", "subject", name, f"subject,{name}"])
            self.assertIn(f"group_by={name}", page["asked"])
            totals = {}
            for window in self.expect(self.world.root.get(page["asked"]), 200)["data"]:
                value = window["dimensions"][name]
                label = not_given if value is None else value
                totals[label] = totals.get(label, 0) + decimal.Decimal(window["value"])
            self.assertIn(not_given, totals)
            ordered = sorted(totals.items(), key=lambda each: -each[1])
            rows = [f"{label}\t{brief(total)} {unit}" for label, total in ordered]
            self.assertEqual(page["grouped"], rows)
            self.assertEqual(page["legend"], [label for label, _ in ordered])
            self.assertEqual(page["filtered"], [row for row in rows if row.startswith(not_given)])
            self.assertEqual(page["again"], page["filtered"])
            lines = page["csv"].splitlines()
            self.assertEqual(lines[0], f"\ufefffrom,to,subject,{name},value")
            self.assertEqual(sum(decimal.Decimal(line.split(",")[-1]) for line in lines[1:]), totals[not_given])
            self.assertNotIn("group", page["others"])
            self.assertNotIn("filter", page["others"])

    def test_a_quota_is_set_changed_and_removed(self):
        seen = self.drive("quota_is_kept")
        ids = self.world.ids
        self.assertEqual(seen["kinds"], ["Soft", "Hard"])
        self.assertEqual(len(seen["first"]), 1, seen["first"])
        self.assertIn("integer", seen["first"][0])
        self.assertEqual(seen["second"], ["Allow more than 0."])
        self.assertEqual(seen["listed"], 0)
        self.assertEqual(seen["before"], [])
        self.assertIn("Changed meanwhile", seen["stale"])
        self.assertEqual(seen["limit"], "90000000")
        self.assertEqual([row.split("\t")[0] for row in seen["after"]], ["100%", "50%"])
        self.assertEqual(seen["badge"], "100% crossed")
        self.assertEqual(seen["found"], [[seen["id"], ids["hard"]], [ids["quota"]], []])
        self.assertNotIn(seen["id"], seen["left"])
        self.assertIn(ids["quota"], seen["left"])
        self.expect(self.world.root.get(f"/v1/quotas/{seen['id']}"), 404, "not_found")

    def test_hard_quotas_are_the_operators(self):
        seen = self.drive("quota_roles")
        both = ["Change", "Remove"]
        self.assertEqual(seen["root"], {"list": ["New quota"], "soft": both, "hard": both})
        self.assertEqual(seen["owner"], {"list": ["New quota"], "soft": both, "hard": []})
        self.assertEqual(seen["auditor"], {"list": [], "soft": [], "hard": []})
        self.assertEqual(seen["offered"], ["Soft"])

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
        everything = ["Overview", "Tenants", "Resources", "Usage", "Quotas", "Bills", "Exports", "Operations"]
        self.assertEqual(seen["root"], everything)
        self.assertEqual(seen["auditor"], everything)
        self.assertEqual(seen["owner"], ["Overview", "My company", "Resources", "Usage", "Quotas",
                                         "Bills", "Operations"])
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
