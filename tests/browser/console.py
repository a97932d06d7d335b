"""What the browser tests look at: the demonstration, people of three roles, and a case to drive.

bccd runs as it is shipped: a browser asks for much, and the sanitizers have looked at it in the tests of
the API. SCREENSHOTS names a directory for a picture of every screen; without it none is made."""

import os
import subprocess

import browser
from daemon import program
from harness import ApiTest

DEMONSTRATION_TIME = 600  # seconds
PASSWORD = "blue-crane-over-the-river"
METER = "broadband-bytes"
DIMENSION_METER, DIMENSION = "payment-value", "method"


class World:
    """The demonstration, what of it the screens show, and people of three roles."""

    def __init__(self, test):
        self.test, self.root = test, test.platform
        self.load(test.daemon)
        self.tenants = self.data("/v1/tenants")
        note = self.data("/v1/credit-notes")[0]
        tenant = next(each for each in self.tenants if each["id"] == note["tenant_id"])
        quotas = f"/v1/quotas?tenant={tenant['id']}&meter=api-calls"
        lines = f"/v1/resources?tenant={tenant['id']}&kind=broadband&state=active"
        self.ids = {
            "tenant": tenant["id"], "bill": note["invoice_id"], "note": note["id"], "meter": METER,
            "resource": self.data(lines)[0]["id"],
            "export": self.data("/v1/exports?format=focus")[0]["id"],
            "waiting": self.data("/v1/resources?state=requested")[0]["id"],
            "quota": self.data(f"{quotas}&kind=soft")[0]["id"],
            "hard": self.data(f"{quotas}&kind=hard")[0]["id"],
            "dimension_meter": DIMENSION_METER, "dimension": DIMENSION,
            "failed": self.data("/v1/resources?state=failed")[0]["id"],
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

    def user(self, email, name, **fields):
        self.test.expect(self.root.post("/v1/users", {
            "email": email, "name": name, "password": PASSWORD, **fields}), 201)
        return {"email": email, "password": PASSWORD}


class BrowserTest(ApiTest):
    @classmethod
    def setUpClass(cls):
        os.environ["BCCD"] = os.path.join(os.environ["BUILD_DIRECTORY"], "plain", "bccd")
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
