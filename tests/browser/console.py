"""What the browser tests look at: the demonstration, people of three roles, and a case to drive.

SCREENSHOTS names a directory for a picture of every screen; without it none is made."""

import os
import subprocess

import browser
from daemon import program
from harness import ApiTest

DEMONSTRATION_TIME = 600  # seconds
PASSWORD = "blue-crane-over-the-river"
METER = "broadband-bytes"


class World:
    """The demonstration, resources in states that wait for somebody, and people of three roles."""

    def __init__(self, test):
        self.test, self.root = test, test.platform
        self.load(test.daemon)
        self.tenants = self.data("/v1/tenants")
        self.plans = {kind: self.plan_of(kind) for kind in ("software", "broadband", "terminal")}
        note = self.data("/v1/credit-notes")[0]
        tenant = next(each for each in self.tenants if each["id"] == note["tenant_id"])
        lines = f"/v1/resources?tenant={tenant['id']}&kind=broadband&state=active"
        self.ids = {
            "tenant": tenant["id"], "bill": note["invoice_id"], "note": note["id"], "meter": METER,
            "resource": self.data(lines)[0]["id"],
            "export": self.data("/v1/exports?format=focus")[0]["id"],
            "waiting": self.request(0, "broadband", "三层办公室专线")["id"],
            "failed": self.failed()["id"],
        }
        self.users = {
            "root": {"email": test.shared.operator_login["email"],
                     "password": test.shared.operator_login["password"]},
            "auditor": self.user("auditor@operator.example", "审计员", operator_role="auditor"),
            "owner": self.user("wang@lanhai.example", "王芳", tenant=tenant["id"], role="owner"),
        }

    def load(self, daemon):
        certificate, key = daemon.client_certificate
        key_file = os.path.join(daemon.directory, "key")
        with open(key_file, "w", encoding="utf-8") as file:
            file.write(self.test.shared.operator_login["api_key"])
        done = subprocess.run(
            [program(), "demo", "--port", str(daemon.port), "--radius-port",
             str(daemon.client_port), "--ca-file", daemon.authority, "--key-file", key_file,
             "--radius-certificate", certificate, "--radius-key", key],
            capture_output=True, text=True, check=False, timeout=DEMONSTRATION_TIME)
        if done.returncode != 0:
            raise AssertionError(f"bccd demo: {done.stdout}{done.stderr}")

    def data(self, path):
        separator = "&" if "?" in path else "?"
        return self.test.expect(self.root.get(f"{path}{separator}limit=500"), 200)["data"]

    def plan_of(self, kind):
        offerings = {each["id"] for each in self.data("/v1/offerings") if each["kind"] == kind}
        return next(plan for plan in self.data("/v1/plans")
                    if plan["offering_id"] in offerings and plan["published_version"])

    def request(self, number, kind, name):
        part = {"software": {"seats": 25}, "terminal": {},
                "broadband": {"line": f"site-{number}", "access_technology": "gpon",
                              "maximum_downstream_kbit": 500000,
                              "maximum_upstream_kbit": 100000}}[kind]
        return self.test.expect(self.root.post("/v1/resources", {
            "tenant": self.tenants[number]["id"], "kind": kind, "name": name,
            "offering_id": self.plans[kind]["offering_id"], "plan_id": self.plans[kind]["id"],
            "site": "长江大道 315 号 3 层", "reason": "合同 2026-118", kind: part}), 201)

    def failed(self):
        resource = self.request(1, "broadband", "二期机房专线")
        for action in ("approve", "provision"):
            self.test.act(resource, action)
        return self.test.act(resource, "fail", {"code": "no-signal", "retryable": True,
                                                "detail": "光猫无光信号"})

    def user(self, email, name, **fields):
        self.test.expect(self.root.post("/v1/users", {
            "email": email, "name": name, "password": PASSWORD, **fields}), 201)
        return {"email": email, "password": PASSWORD}


class BrowserTest(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tree = browser.tree()

    def setUp(self):
        super().setUp()
        self.world = self.shared.once("world", lambda: World(self))

    def drive(self, case, **options):
        """What the case saw; fails with what was wrong on the pages."""
        problems, seen = browser.drive(self.tree, case, {
            "url": f"https://localhost:{self.daemon.port}", "chromium": browser.chromium(),
            "screenshots": os.environ.get("SCREENSHOTS"), "ids": self.world.ids,
            "users": self.world.users, **options})
        self.assertEqual(problems, [], "\n".join(problems))
        return seen
