"""The two walls between tenants: the first in every statement, the second in PostgreSQL. What they
are made of, what they hold against, and each alone with the other taken away."""

import datetime
import os
import re
import secrets
import sys
import unittest

import matrix
from database import quote
from harness import TENANT_ROLES, ApiTest, numbers, unique

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?")
LOGIN_ROLES = ("bccd_tenant", "bccd_operator", "bccd_jobs", "bccd_auth")
LOGINS = "'" + "', '".join(LOGIN_ROLES) + "'"
# Tables whose rows are no tenant's.
OPERATORS_OWN = ("exports", "approval_rules", "service_credit_rules", "terminal_models", "terminal_locations",
                 "stock_takes", "vendor_brokers")
# Tables whose rows belong to a tenant and are found without it: by a key's or a session's digest, or
# by number in the one trail of all tenants.
KEYED_OTHERWISE = {"api_keys", "sessions", "audit_events"}


class CatalogTest(ApiTest):
    """What PostgreSQL's own catalog says."""

    def names(self, sql):
        return [row["name"] for row in self.database().rows(sql)]

    def test_every_table_is_locked(self):
        self.assertEqual(self.names("""
            select c.relname as name from pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
              and not c.relispartition and c.relname <> 'schema_migration'
              and not (c.relrowsecurity and c.relforcerowsecurity)"""), [])

    def test_tables_of_tenants_lead_their_key_with_the_tenant(self):
        found = self.names("""
            select c.relname as name from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
            left join pg_index i on i.indrelid = c.oid and i.indisprimary
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
              and not c.relispartition and a.attnotnull
              and i.indkey[0] is distinct from a.attnum order by 1""")
        self.assertEqual(set(found) - KEYED_OTHERWISE, set())

    def test_references_between_tables_of_tenants_carry_the_tenant(self):
        self.assertEqual(self.names("""
            select k.conname as name from pg_constraint k
            join pg_attribute a on a.attrelid = k.conrelid and a.attname = 'tenant_id' and a.attnotnull
            join pg_attribute b on b.attrelid = k.confrelid and b.attname = 'tenant_id' and b.attnotnull
            where k.contype = 'f' and not a.attnum = any (k.conkey)"""), [])

    def test_policies_of_tenants_ask_for_the_tenant(self):
        self.assertEqual(self.names("""
            select p.polrelid::regclass || '.' || p.polname as name
            from pg_policy p
            join pg_attribute a on a.attrelid = p.polrelid and a.attname = 'tenant_id'
            where p.polpermissive and p.polcmd <> 'a'
              and ('bccd_tenant'::regrole = any (p.polroles) or 0 = any (p.polroles))
              and coalesce(pg_get_expr(p.polqual, p.polrelid), '') not like '%setting(''tenant''%'
            """), [])

    def test_nobody_bypasses_the_policies(self):
        self.assertEqual(self.names(f"""
            select rolname as name from pg_roles
            where rolname in ({LOGINS}, 'bccd_owner', 'bccd_lookup')
              and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)"""), [])
        self.assertEqual(self.names(f"""
            select m.rolname || ' in ' || r.rolname as name
            from pg_auth_members g join pg_roles r on r.oid = g.roleid
            join pg_roles m on m.oid = g.member where m.rolname in ({LOGINS})"""), [])

    def test_login_roles_own_nothing(self):
        self.assertEqual(self.names(f"""
            select relname as name from pg_class where relowner::regrole::text in ({LOGINS})
            union all
            select proname from pg_proc where proowner::regrole::text in ({LOGINS})"""), [])

    def test_no_grant_bypasses_the_policies(self):
        """TRUNCATE, REFERENCES and TRIGGER go past them; a partition has none of its own."""
        self.assertEqual(self.names(f"""
            select c.relname || ' ' || g.privilege_type || ' ' || g.grantee::regrole as name
            from pg_class c, aclexplode(c.relacl) g
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
              and c.relname <> 'schema_migration'
              and (g.grantee = 0
                   or (g.grantee::regrole::text in ({LOGINS})
                       and (g.privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER')
                            or c.relispartition or c.relkind = 'm')))"""), [])

    def test_bccd_auth_reads_no_table(self):
        self.assertEqual(self.names("""
            select c.relname as name from pg_class c, aclexplode(c.relacl) g
            where c.relkind in ('r', 'p', 'v', 'm') and g.grantee = 'bccd_auth'::regrole
            union all
            select a.attrelid::regclass::text from pg_attribute a, aclexplode(a.attacl) g
            where g.grantee = 'bccd_auth'::regrole"""), [])

    def test_functions_that_run_as_their_owner(self):
        self.assertEqual(self.names("""
            select p.proname as name from pg_proc p
            where p.pronamespace = 'public'::regnamespace and p.prosecdef
              and (p.proowner <> 'bccd_lookup'::regrole
                   or not exists (select from unnest(p.proconfig) as c(option)
                                  where c.option like 'search_path=%'))"""), [])
        self.assertEqual(self.names("""
            select p.proname as name from pg_proc p, aclexplode(coalesce(p.proacl,
                                                      acldefault('f', p.proowner))) g
            where p.pronamespace = 'public'::regnamespace and p.prosecdef and g.grantee = 0
              and p.prorettype <> 'trigger'::regtype"""), [])

    def test_views_are_read_as_who_asks(self):
        self.assertEqual(self.names("""
            select c.relname as name from pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
              and not coalesce(c.reloptions @> '{security_invoker=true}', false)"""), [])

    def test_without_a_tenant_nothing_is_seen(self):
        self.tenant()
        tables = self.names("""
            select a.attrelid::regclass::text as name from pg_attribute a
            join pg_class c on c.oid = a.attrelid
            where a.attname = 'tenant_id' and c.relkind in ('r', 'p')
              and c.relnamespace = 'public'::regnamespace
              and has_table_privilege('bccd_tenant', c.oid, 'select')""")
        for table in [*tables, "tenants", "event_keys"]:
            for setting in ("", "set bccd.tenant = '';"):
                count = self.database().script(
                    f"set role bccd_tenant; {setting} select count(*) from {table}")
                self.assertEqual(count.strip(), "0", table)


class WallTest(ApiTest):
    """Two enterprises: A asks for what B has."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.worlds = cls.shared.once("worlds", cls.make_worlds)

    @classmethod
    def make_worlds(cls):
        self = cls("test_nothing")
        # The meter that the contract's examples name.
        meter = matrix.example(self.contract, self.contract.document["components"]["schemas"][
            "MeterCreate"], {})
        self.expect(self.platform.post("/v1/meters", {**meter, "code": "api-calls"}), 201)
        # Something of the operator's own.
        place = self.expect(self.platform.post("/v1/terminal-locations", {"name": unique("walls")}), 201)
        self.expect(self.platform.post("/v1/terminal-models", {"name": unique("walls")}), 201)
        self.expect(self.platform.post("/v1/vendor-brokers", {
            "name": unique("walls"), "url": "https://127.0.0.1:1"}), 201)
        self.expect(self.platform.post("/v1/stock-takes", {"location": place["name"]}), 201)
        answer = self.platform.post("/v1/exports", matrix.example(
            self.contract, self.contract.operations["create_export"].body_schema(), {}))
        self.expect(answer, 202)
        self.expect(self.platform.post("/v1/approval-rules", {
            "name": "所有订单", "steps": [{"side": "operator", "roles": ["operator"]}]}), 201)
        self.expect(self.platform.post("/v1/service-credit-rules", {
            "name": "中断赔付", "kind": "broadband", "measure": "interruption",
            "tiers": [{"over_minutes": 60, "percent": "10"}]}), 201)
        own, foreign, closed = (self.make_world(name) for name in ("own", "foreign", "closed"))
        self.expect(self.platform.post(f"/v1/tenants/{closed['tenant']['id']}/close"), 200)
        return {"own": own, "foreign": foreign, "closed": closed}

    def test_nothing(self):
        """Stands for the class where a test's methods are needed and none runs."""

    @staticmethod
    def last_month():
        first = datetime.date.today().replace(day=1)
        return (first - datetime.timedelta(days=1)).strftime("%Y-%m")

    def make_world(self, name):
        """An enterprise in a park of its own with something of every kind."""
        park = self.expect(self.platform.post("/v1/parks", {"code": unique("park"),
                                                            "name": name}), 201)
        tenant = self.expect(self.platform.post("/v1/tenants", {
            "park_id": park["id"], "code": unique(name), "name": f"{name} 公司"}), 201)
        owner = self.client_of("owner", tenant)
        self.user(tenant)
        starts = f"{self.last_month()}-10T00:00:00Z"
        software = self.resource(self.platform, "software", starts, tenant=tenant["id"])
        plan = self.make_line(owner, park)
        self.expect(owner.post("/v1/waiting-list-entries", {
            "offering_id": self.catalog()["broadband"]["offering"]["id"], "access_point_id": plan["acp"],
            "quantity": 9}), 201)
        self.expect(self.platform.post(f"/v1/tenants/{tenant['id']}/certificates", {
            "code": "iso_27001", "name": name, "valid_from": "2026-01-01"}), 201)
        rented = self.resource(owner, "terminal")
        self.database().execute(
            f"insert into terminal_deposits (id, tenant_id, resource_id, kind, amount, currency, actor) values "
            f"({quote('dep_' + tenant['id'][4:])}, {quote(tenant['id'])}, {quote(rented['id'])}, 'hold', 1, "
            f"'CNY', 'walls')")
        self.terminal_fee(tenant, rented)
        self.expect(self.platform.post("/v1/quotas", {
            "tenant": tenant["id"], "meter": "api-calls", "kind": "soft", "period": "total", "limit": "5"}), 201)
        self.expect(owner.post("/v1/reservations", {
            "meter": "api-calls", "subject": software["id"], "quantity": "1", "expires_in": 86400}), 201)
        self.bill(self.last_month(), tenant, finalize=True)
        invoice = self.expect(owner.get("/v1/invoices"), 200)["data"][0]
        self.expect(self.platform.post("/v1/credit-notes", {
            "invoice_id": invoice["id"], "reason": name, "lines": [{"line": 1, "net": "0.01"}]}), 201)
        # Long work of its own that has ended.
        self.database().execute(
            f"insert into operations (id, tenant_id, kind, state, ended_at) values "
            f"({quote('op_' + tenant['id'][4:])}, {quote(tenant['id'])}, 'walls', 'succeeded', now())")
        self.vendor_has_had(tenant, rented)
        self.expect(owner.post(f"/v1/resources/{software['id']}/seats", {
            "person": name, "email": f"{unique('seat')}@example.com"}), 201)
        self.expect(self.platform.post(f"/v1/resources/{software['id']}/licence-keys", {
            "keys": [{"key": unique("licence")}]}), 201)
        self.expect(owner.post("/v1/orders", {"items": [{"action": "return", "resource_id": software["id"]}]}), 201)
        self.expect(owner.post("/v1/tickets", {
            "resource_id": software["id"], "category": "slow", "title": name}), 201)
        work = self.expect(self.platform.post("/v1/work-orders", {
            "tenant": tenant["id"], "kind": "other", "title": name}), 201)
        self.expect(self.platform.request(
            "POST", f"/v1/work-orders/{work['id']}/documents", b"%PDF-1.7", query={"kind": "paper", "name": name},
            headers={"Content-Type": "application/pdf"}), 201)
        return {"name": name, "park": park, "tenant": tenant, "owner": owner, "software": software,
                "plan": {**plan, "mnt": self.make_maintenance(plan["acp"])}}

    def terminal_fee(self, tenant, resource):
        """One that it may dispute."""
        terminal = self.terminal()
        self.database().execute(f"""
            insert into terminal_fees (tenant_id, id, resource_id, terminal_id, cause, asked, amount, currency, facts,
                                       reason, disputable_until, created_by)
            values ({quote(tenant["id"])}, {quote("fee_" + tenant["id"][4:])}, {quote(resource["id"])},
                    {quote(terminal["id"])}, 'damage', 2, 2, 'CNY',
                    jsonb_build_object('asset_tag', {quote(terminal["asset_tag"])}, 'valuation', null),
                    {quote(tenant["name"])}, '2099-12-31', 'walls')""")

    def vendor_has_had(self, tenant, resource):
        """What a vendor did for it, which is over."""
        here, broker, tenant_id, resource_id = tenant["id"][4:], unique("vendor"), quote(tenant["id"]), quote(resource["id"])
        self.database().execute(f"""
            insert into vendor_brokers (id, name, url, state)
            values ({quote("vbr_" + here)}, {quote(broker)}, 'https://127.0.0.1:1', 'retired');
            insert into vendor_instances (tenant_id, resource_id, number, instance_id, broker_id, service_id,
                                          vendor_plan_id, parameters, state, ended_at)
            values ({tenant_id}, {resource_id}, 1, gen_random_uuid(), {quote("vbr_" + here)}, 's', 'p', '{{}}', 'gone', now());
            insert into vendor_operations (id, tenant_id, resource_id, instance, kind, state, call, deadline, actor, ended_at)
            values ({quote("vop_" + here)}, {tenant_id}, {resource_id}, 1, 'terminate', 'succeeded', 'deprovision', now(),
                    'walls', now())""")

    def make_maintenance(self, access_point):
        maintenance = self.expect(self.platform.post("/v1/maintenances", {
            "title": "割接", "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T02:00:00Z",
            "access_point_ids": [access_point]}), 201)
        self.expect(self.platform.post(f"/v1/maintenances/{maintenance['id']}/announce"), 200)
        return maintenance["id"]

    def make_line(self, owner, park):
        """A line with an address, where the park's tenants alone can have one; what it hangs on."""
        server = self.expect(self.platform.post("/v1/network-access-servers", {
            "identifier": unique("bras")}), 201)
        point = self.expect(self.platform.post("/v1/access-points", {
            "code": unique("acp"), "name": park["name"], "park_id": park["id"], "capacity": 4,
            "access_technology": "gpon", "network_access_server_id": server["id"]}), 201)
        pool = self.expect(self.platform.post("/v1/address-pools", {
            "code": unique("apl"), "name": park["name"], "family": 4, "purpose": "static",
            "access_point_id": point["id"]}), 201)
        prefix = self.expect(self.platform.post(f"/v1/address-pools/{pool['id']}/prefixes", {
            "prefix": f"10.250.{next(numbers) % 256}.0/30"}), 201)
        line = self.resource(owner, "broadband", broadband={
            "line": unique("line"), "access_technology": "gpon", "access_point_id": point["id"],
            "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000})
        self.expect(self.platform.post(f"/v1/resources/{line['id']}/addresses",
                                       {"pool_id": pool["id"]}), 201)
        return {"acp": point["id"], "nas": server["id"], "apl": pool["id"], "apx": prefix["id"]}

    # ---- What each has ----

    def tables(self):
        """Tables with rows of tenants, and the column that names the tenant."""
        return self.database().rows("""
            select c.relname as name, a.attname as tenant,
                   exists (select from pg_attribute i where i.attrelid = c.oid and i.attname = 'id'
                           and i.atttypid = 'text'::regtype) as has_id
            from pg_class c join pg_attribute a on a.attrelid = c.oid
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
              and not c.relispartition and a.attname in ('tenant_id', 'holder_tenant_id')
            union all select 'tenants', 'id', true order by 1""")

    def ids(self, world):
        """One id of each kind that the enterprise has, by prefix; of those who are not "own", also
        of the kinds that are the operator's alone."""
        tenant = quote(world["tenant"]["id"])
        parts = [f"select id from {table['name']} where {table['tenant']} = {tenant}"
                 for table in self.tables() if table["has_id"]]
        parts.append(f"select user_id from members where tenant_id = {tenant}")
        rows = self.database().rows(" union all ".join(parts))
        if world["name"] != "own":
            rows += self.database().rows(" union all ".join(
                f"(select id from {name} order by id limit 1)" for name in OPERATORS_OWN))
            rows += [{"id": each} for each in world["plan"].values()]
        found = {row["id"].partition("_")[0]: row["id"] for row in rows}
        found.update(prk=world["park"]["id"], res=world["software"]["id"], acp=world["plan"]["acp"],
                     mnt=world["plan"]["mnt"], off=self.catalog()["broadband"]["offering"]["id"])
        return found

    def fingerprint_sql(self, world):
        tenant = quote(world["tenant"]["id"])
        return " union all ".join(
            f"select '{table['name']}' as name, coalesce(md5(string_agg(t::text, '|' order by t::text)), 'none') as rows"
            f" from {table['name']} t where t.{table['tenant']} = {tenant}"
            for table in self.tables())

    def fingerprint(self, world):
        return self.database().rows(self.fingerprint_sql(world))

    def marks(self, world):
        """What must never be read in another's answer."""
        own = [each for prefix, each in self.ids(world).items() if prefix not in matrix.SHARED]
        return [*own, world["tenant"]["code"]]

    # ---- The matrix ----

    def operations(self):
        return [operation for operation in self.contract.operations.values()
                if "api_key" in operation.security]

    def check_slot(self, asker, slot, own, foreigners):
        """A foreign id answers as a random one, to the letter."""
        random = f"{slot.prefix}_{matrix.RANDOM}"
        answer = asker.ask(slot.operation, slot, random)
        if slot.place == "path" and slot.operation.method == "get":
            refused = asker.ask(slot.operation).status == 403
            self.assertEqual(answer.status, 403 if refused else 404, f"{slot}: {answer!r}")
        expected = matrix.blurred(answer, random)
        for foreign in foreigners:
            value = foreign.get(slot.prefix)
            self.assertIsNotNone(value, f"{slot}: the enterprises of this test have no {slot.prefix}")
            if value == own.get(slot.prefix):
                continue
            answer = asker.ask(slot.operation, slot, value)
            self.assertLess(answer.status, 500, answer)
            self.assertEqual(matrix.blurred(answer, value), expected, f"{slot}: {answer!r}")

    def check_collection(self, asker, operation, marks):
        """What answers without an id shows nothing of the other's."""
        answer = asker.ask(operation)
        self.assertLess(answer.status, 500, answer)
        text = answer.body.decode("utf-8", "replace")
        self.assertEqual([mark for mark in marks if mark in text], [], operation.id)

    def run_matrix(self, client):
        own = self.ids(self.worlds["own"])
        foreigners = [self.ids(self.worlds[name]) for name in ("foreign", "closed")]
        marks = self.marks(self.worlds["foreign"])
        asker = matrix.Asker(self.contract, client, own)
        # What is offered to those who wait comes from a job; it is done before anything is compared.
        self.eventually(lambda: self.database().value("select count(*) from waiting_list_entries where state = 'waiting'") == 0)
        before = self.fingerprint(self.worlds["foreign"])
        for operation in self.operations():
            with self.subTest(operation.id):
                slots = matrix.slots(self.contract, operation)
                for slot in slots:
                    self.check_slot(asker, slot, own, foreigners)
                if not slots or operation.method == "get":
                    self.check_collection(asker, operation, marks)
        self.assertEqual(self.fingerprint(self.worlds["foreign"]), before)

    def run_role(self, role):
        self.run_matrix(self.client_of(role, self.worlds["own"]["tenant"]))


class MatrixTest(WallTest):
    def test_owner(self):
        self.run_role("owner")

    def test_admin(self):
        self.run_role("admin")

    def test_developer(self):
        self.run_role("developer")

    def test_billing(self):
        self.run_role("billing")

    def test_member(self):
        self.run_role("member")

    def test_park_manager(self):
        key = self.shared.api_key("park_manager", park=self.worlds["own"]["park"]["id"])
        self.run_matrix(self.shared.client(key["secret"]))

    def test_every_role_is_there(self):
        self.assertEqual(set(TENANT_ROLES), {name[len("test_"):] for name in dir(self)
                                             if name.startswith("test_")} & set(TENANT_ROLES))

    def test_every_operation_is_there(self):
        """An id that no enterprise of this test has would leave its operations untried."""
        foreign = self.ids(self.worlds["foreign"])
        untried = {str(slot) for operation in self.operations()
                   for slot in matrix.slots(self.contract, operation)
                   if slot.prefix not in foreign}
        self.assertEqual(untried, set())

    def test_own_is_found(self):
        """Were everything refused, the matrix would prove nothing."""
        own = self.ids(self.worlds["own"])
        asker = matrix.Asker(self.contract, self.worlds["own"]["owner"], own)
        for operation in self.operations():
            if operation.method == "get" and matrix.slots(self.contract, operation) \
                    and not operation.for_operator and operation.id != "get_entitlement":  # asks of one id alone
                with self.subTest(operation.id):
                    answer = asker.ask(operation)
                    self.assertEqual(answer.status, 200, answer)

    def test_cursor_of_another(self):
        """A cursor says where to go on in one's own rows, whosever it is."""
        own, foreign = self.worlds["own"], self.worlds["foreign"]
        for operation in self.operations():
            if not any(parameter["name"] == "cursor" for parameter in operation.parameters):
                continue
            with self.subTest(operation.id):
                asker = matrix.Asker(self.contract, own["owner"], self.ids(own))
                path = asker.fill_path(operation, None, None)
                for cursor in self.ids(foreign).values():
                    answer = own["owner"].get(path, query={"cursor": cursor})
                    self.assertLess(answer.status, 500, answer)
                    text = answer.body.decode()
                    marks = [mark for mark in self.marks(foreign) if mark in text]
                    self.assertEqual(marks, [], answer)

    def test_idempotency_key_of_another(self):
        key = secrets.token_hex(8)
        own, foreign = self.worlds["own"], self.worlds["foreign"]
        answers = [world["owner"].post("/v1/api-keys", {"name": f"key of {name}"},
                                       headers={"Idempotency-Key": key})
                   for name, world in (("foreign", foreign), ("own", own))]
        offer = self.catalog()["software"]
        answers += [world["owner"].post("/v1/resources", {
            "kind": "software", "offering_id": offer["offering"]["id"],
            "plan_id": offer["plan"]["id"], "name": unique("key"), "software": {"seats": 1}},
            headers={"Idempotency-Key": key}) for world in (foreign, own)]
        for answer in answers:
            self.expect(answer, 201)
            self.assertIsNone(answer.header("Idempotency-Replayed"))


class FirstWallTest(WallTest):
    """Row-level security taken away: the statements alone hold."""

    def setUp(self):
        super().setUp()
        self.names = [table["name"] for table in self.tables()]
        self.addCleanup(self.lock, "enable", "force")
        self.lock("disable", "no force")

    def lock(self, security, force):
        self.database().execute("".join(
            f"alter table {name} {security} row level security, {force} row level security;"
            for name in self.names))

    def test_owner(self):
        self.run_role("owner")


class SecondWallTest(WallTest):
    """The statements' own condition taken away, by naming another tenant to each: the policies
    alone hold."""

    def statements(self):
        """Name, parameters and text of each statement in its tenant's wording."""
        sys.path.insert(0, os.path.join(TOP, "daemon", "db"))
        import compile as compiler  # pylint: disable=import-outside-toplevel
        paths = [os.path.join(folder, file) for part in ("daemon", "deploy/schema")
                 for folder, _, files in os.walk(os.path.join(TOP, part))
                 for file in files if file.endswith(".sql")]
        sources = compiler.Sources(paths)
        for name, block in sources.statements.items():
            compiler.inspect(block)
            parameters = []
            text = compiler.text_of(sources.expand(block.tokens, "STATEMENT_TENANT"), parameters)
            yield name, parameters, text

    def value(self, parameter, foreign):
        """What B would have given."""
        prefix = {"tenant": "ten", "actor_tenant": "ten", "operation_id": "op",
                  "billing_run_id": "run"}.get(parameter)
        prefix = prefix or next((each for each in foreign if parameter == {
            "usr": "user_id", "res": "resource_id", "key": "key_id", "inv": "invoice_id",
            "trm": "terminal_id", "prk": "park_id", "sea": "seat_id", "lic": "licence_key_id", "exp": "export_id",
            "crn": "credit_note_id", "acp": "access_point_id", "nas": "network_access_server_id",
            "apl": "address_pool_id", "apx": "address_prefix_id", "adr": "address_id",
            "wai": "waiting_list_entry_id", "fee": "terminal_fee_id", "crt": "certificate_id",
            "quo": "quota_id", "rsv": "reservation_id"}.get(each)), None)
        if prefix in foreign:
            return foreign[prefix]
        return {"limit": "50", "body": "{}", "actor": foreign.get("key"), "dry_run": "false",
                "actor_side": "tenant"}.get(parameter)

    def script(self, text, parameters, own, values):
        values = ", ".join(quote(self.value(each, values)) for each in parameters)
        return f"""
            prepare tried as {text};
            begin;
            set local role bccd_tenant;
            select set_config('bccd.tenant', {quote(own['ten'])}, true) as s1,
                   set_config('bccd.actor', {quote(own['key'])}, true) as s2 \\gset
            \\echo RESULT
            execute tried{f'({values})' if values else ''};
            \\echo AFTER
            reset role;
            {self.fingerprint_sql(self.worlds['foreign'])};
            rollback;
            deallocate tried;"""

    def execute(self, text, parameters, own, values):
        """What the statement gave, and the rows of B behind it."""
        output = self.database().script(self.script(text, parameters, own, values), stop=False)
        self.assertIn("RESULT\n", output, output)
        result, _, after = output.partition("RESULT\n")[2].partition("AFTER\n")
        return result, after

    def test_each_statement(self):
        """With ids of B it gives what it gives with ids that never were, and changes nothing of B."""
        own, foreign = (self.ids(self.worlds[name]) for name in ("own", "foreign"))
        random = {prefix: f"{prefix}_{matrix.RANDOM}" for prefix in foreign}
        before = sorted(f"{row['name']}\t{row['rows']}"
                        for row in self.fingerprint(self.worlds["foreign"]))
        count = 0
        for name, parameters, text in self.statements():
            if "tenant" not in parameters:
                continue
            count += 1
            with self.subTest(name):
                result, after = self.execute(text, parameters, own, foreign)
                expected, _ = self.execute(text, parameters, own, random)
                for prefix, value in foreign.items():
                    result = result.replace(value, random[prefix])
                    # What is shared by all, an offering, stands in both.
                    expected = expected.replace(value, random[prefix])
                self.assertEqual(TIME.sub("", result), TIME.sub("", expected))
                if "ERROR" not in result:
                    self.assertEqual(sorted(after.strip().splitlines()), before)
        self.assertGreater(count, 10)


if __name__ == "__main__":
    unittest.main()
