"""What tests of the API stand on: a running bccd, clients for every role, and things to rent.

A test file derives its classes from ApiTest. All of them share one daemon, unless a class has
`settings` of its own; it is ended, and its log read, after the file's last test.
"""

import concurrent.futures
import itertools
import json
import secrets
import threading
import time
import unittest

from client import Client
from contract import Contract
from daemon import Daemon
from database import Database

OPERATION_TIME = 120.0  # seconds that a long-running operation may take
OPERATOR_ROLES = ("platform_admin", "operator", "finance", "auditor", "park_manager")
TENANT_ROLES = ("owner", "admin", "developer", "billing", "member")

numbers = itertools.count(1)
lock = threading.Lock()
shared = {}


def unique(prefix):
    """A code that nothing else in the run has."""
    return f"{prefix}-{next(numbers)}-{secrets.token_hex(3)}"


class Platform:
    """A daemon, its contract, and what was made in it for the tests."""

    def __init__(self, settings):
        self.daemon = Daemon(settings).start()
        status, body = self.daemon.get("/openapi.json")
        assert status == 200, body
        self.contract = Contract(json.loads(body))
        self.operator_login = self.daemon.create_operator("root@operator.example",
                                                          "platform_admin")
        self.root = self.client(self.operator_login["api_key"])
        self.expected_errors = set()
        self.operators = {}
        self.made = {}

    def client(self, key=None, **options):
        return Client(self.contract, self.daemon.port, self.daemon.authority, key, **options)

    def radius(self):
        return Client(self.contract, self.daemon.client_port, self.daemon.authority,
                      certificate=self.daemon.client_certificate)

    def create(self, path, body):
        answer = self.root.post(path, body)
        if answer.status != 201:
            raise AssertionError(repr(answer))
        return answer.json

    def once(self, name, make):
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def park(self):
        return self.once("park", lambda: self.create(
            "/v1/parks", {"code": unique("park"), "name": "高新区服务外包园"}))

    def api_key(self, role, tenant=None, park=None, scopes=None):
        """The answer of POST /v1/api-keys, with its secret."""
        body = {"name": f"test {role}", "role": role, "tenant": tenant, "park_id": park,
                "scopes": scopes}
        return self.create("/v1/api-keys",
                           {name: value for name, value in body.items() if value is not None})

    def operator(self, role):
        if role not in self.operators:
            park = self.park()["id"] if role == "park_manager" else None
            self.operators[role] = self.client(self.api_key(role, park=park)["secret"])
        return self.operators[role]

    def end(self):
        stale = self.stale_documents()
        self.daemon.end(self.expected_errors)
        if stale:
            raise AssertionError(f"documents that are kept say what no longer holds: {stale}")

    def stale_documents(self):
        """Whatever a test did to a resource: what is kept of it is what it would be made of now."""
        if not self.daemon.is_ready():
            return []
        return Database(self.daemon).rows("""
            select d.resource_id, d.side, d.document as kept, resource_document(r, d.side) as now
            from resource_documents d
            join resources r on r.tenant_id = d.tenant_id and r.id = d.resource_id
            where d.holds_until > clock_timestamp()
              and d.document::text is distinct from resource_document(r, d.side)::text""")


def platform(settings):
    """The one with these settings; started where it is not there yet."""
    with lock:
        key = json.dumps(settings, sort_keys=True)
        if key not in shared:
            shared[key] = Platform(settings)
        return shared[key]


def stop_shared():
    """Ends all daemons; raises what was wrong with any."""
    problems = []
    for each in shared.values():
        try:
            each.end()
        except AssertionError as error:
            problems.append(str(error))
    shared.clear()
    if problems:
        raise AssertionError("\n\n".join(problems))


def recurring(code, amount):
    return {"code": code, "name": "月租", "kind": "recurring",
            "price": {"model": "flat", "amount": amount}}


OFFERINGS = {
    "software": ("information_service", recurring("seat", "30.00")),
    "broadband": ("broadband_access", recurring("line", "100.00")),
    "terminal": ("movable_leasing", recurring("rent", "60.00")),
}


class ApiTest(unittest.TestCase):
    settings = {}  # over daemon.SETTINGS; a daemon of its own where there are any
    expected_errors = ()  # events of level error that these tests provoke

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = platform(cls.settings)
        cls.shared.expected_errors.update(cls.expected_errors)
        cls.daemon, cls.contract = cls.shared.daemon, cls.shared.contract
        cls.platform = cls.shared.root

    def expect(self, answer, status, code=None):
        """The answer's JSON (None without a body); fails on another status or code."""
        if answer.status != status:
            self.fail(f"{status} expected: {answer!r}")
        if code is not None:
            self.assertEqual(answer.code, code, repr(answer))
        if not answer.body or "json" not in (answer.header("Content-Type") or ""):
            return None
        return answer.json

    # ---- Who asks ----

    def operator(self, role):
        """A client of that role of the operator's side."""
        return self.shared.operator(role)

    def client_of(self, role, tenant, scopes=None):
        """A client of that role of a tenant."""
        key = self.shared.api_key(role, tenant=tenant["id"], scopes=scopes)
        return self.shared.client(key["secret"])

    def stranger(self):
        return self.shared.client()

    def radius(self):
        return self.shared.radius()

    def database(self, role="bccd_admin"):
        return Database(self.daemon, role)

    # ---- What there is ----

    def park(self):
        return self.shared.park()

    def tenant(self, name=None, **fields):
        """A new tenant in the park, and a client of its owner."""
        tenant = self.expect(self.platform.post("/v1/tenants", {
            "park_id": self.park()["id"], "code": unique(name or "tenant"),
            "name": name or "蓝海软件", **fields}), 201)
        return tenant, self.client_of("owner", tenant)

    def user(self, tenant=None, **fields):
        """A new user, with the password under "password"."""
        password = f"blue-crane-{secrets.token_hex(6)}"
        body = {"email": f"{unique('person')}@example.com", "name": "王芳", "password": password,
                **fields}
        if tenant is not None:
            body.setdefault("role", "member")
            body["tenant"] = tenant["id"]
        user = self.expect(self.platform.post("/v1/users", body), 201)
        return {**user, "password": password}

    def catalog(self):
        """By kind: an offering and its published plan."""
        return self.shared.once("catalog", lambda: {kind: self.offer(kind) for kind in OFFERINGS})

    def offer(self, kind, *charges):
        """A new offering of that kind with a published plan."""
        tax_category, usual = OFFERINGS[kind]
        offering = self.expect(self.platform.post("/v1/offerings", {
            "code": unique(kind), "kind": kind, "name": kind, "tax_category": tax_category}), 201)
        plan = self.expect(self.platform.post("/v1/plans", {
            "offering_id": offering["id"], "code": unique(f"{kind}-plan"), "name": kind,
            "charges": list(charges) or [usual]}), 201)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        return {"offering": offering, "plan": plan}

    def request_resource(self, client, kind, **fields):
        """A new resource of that kind, as requested by that client; a client of the operator's side
        names the tenant in `fields`."""
        offer = self.catalog()[kind]
        part = {"software": {"seats": 5},
                "broadband": {"line": unique("line"), "access_technology": "gpon",
                              "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000},
                "terminal": {"model": "ThinkCentre M70q"}}[kind]
        return self.expect(client.post("/v1/resources", {
            "kind": kind, "offering_id": offer["offering"]["id"], "plan_id": offer["plan"]["id"],
            "name": unique(kind), kind: part, **fields}), 201)

    def act(self, resource, action, body=None, client=None):
        """Takes an action on a resource; as it is then."""
        client = client or self.platform
        return self.expect(client.post(f"/v1/resources/{resource['id']}/{action}", body or {}), 200)

    def terminal(self):
        """A new terminal in stock."""
        return self.expect(self.platform.post("/v1/terminals", {
            "asset_tag": unique("PC"), "serial": unique("SN"), "model": "ThinkCentre M70q"}), 201)

    def resource(self, client, kind, effective_at=None, **fields):
        """A resource that is active, since effective_at where that is given; then the client must be
        one that may backdate."""
        body = {} if effective_at is None else {"effective_at": effective_at}
        resource = self.request_resource(client, kind, **fields, **body)
        self.act(resource, "approve", body)
        self.act(resource, "provision", body)
        if kind == "terminal":
            terminal = self.terminal()
            self.expect(self.platform.post(f"/v1/terminals/{terminal['id']}/check-out",
                                           {"resource_id": resource["id"]}), 200)
        return self.act(resource, "activate", body)

    def bill(self, period, tenant=None, **fields):
        """Runs the billing of a month and gives the run as it is then."""
        body = {"period": period, **fields}
        if tenant is not None:
            body["tenant"] = tenant["id"]
        answer = self.platform.post("/v1/billing-runs", body)
        self.expect(answer, 202)
        return self.operation(answer)

    # ---- Waiting ----

    def eventually(self, condition, seconds=60.0):
        """Asks again and again; what it gave, once that is true."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                self.fail(f"not so after {seconds} seconds")
            time.sleep(0.1)

    def behind(self, lock, waiting, *calls):
        """What the calls answer, all under way at once, that another transaction holds up: it runs
        the SQL `lock`, and commits when all of them wait in statements that have `waiting`."""
        holding = f"""
            begin;
            {lock};
            do $$ begin
                for attempt in 1..100 loop
                    exit when (select count(*) from pg_stat_activity where wait_event_type = 'Lock'
                               and query like '%{waiting}%') = {len(calls)};
                    perform pg_sleep(0.1), pg_stat_clear_snapshot();
                end loop;
            end $$;
            commit;"""
        held = ("select count(*) from pg_stat_activity "
                "where pid <> pg_backend_pid() and query like '%for attempt in%'")
        with concurrent.futures.ThreadPoolExecutor(len(calls) + 1) as pool:
            holder = pool.submit(self.database().execute, holding)
            self.eventually(lambda: self.database().value(held) > 0)
            answers = list(pool.map(lambda call: call(), calls))
            holder.result()
        return answers

    def operation(self, identifier, client=None):
        """Waits for a long-running operation and gives it; `identifier` may be its 202 answer."""
        if not isinstance(identifier, str):
            identifier = identifier.header("Location").rpartition("/")[2]
        client = client or self.platform

        def ended():
            operation = self.expect(client.get(f"/v1/operations/{identifier}"), 200)
            return operation if operation["state"] in ("succeeded", "failed") else None

        return self.eventually(ended, OPERATION_TIME)
