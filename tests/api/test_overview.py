"""The overview: its numbers against data made by hand, and who sees what of them."""

import collections
import datetime
import decimal
import random
import zoneinfo

from database import quote
from harness import OPERATOR_ROLES, TENANT_ROLES, ApiTest, unique

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
KINDS = ("software", "broadband", "terminal")
DAYS, ATTENTION_LIMIT = 90, 20
SEED = 20261124


def today():
    return datetime.datetime.now(ZONE).date()


def at(days_ago, hour=12):
    """An instant of the zone so many days ago."""
    day = today() - datetime.timedelta(days=days_ago)
    return datetime.datetime.combine(day, datetime.time(hour), ZONE).isoformat()


def month(back):
    index = today().year * 12 + today().month - 1 - back
    return f"{index // 12}-{index % 12 + 1:02}"


def yuan(amount):
    return {"amount": f"{decimal.Decimal(amount):.2f}", "currency": "CNY"}


class OverviewTest(ApiTest):
    def overview(self, client=None, **query):
        return self.expect((client or self.platform).get("/v1/overview", query=query), 200)

    def of(self, tenant):
        return self.overview(tenant=tenant["id"])

    def days(self, overview, kind):
        """Days ago on which there were any, and how many."""
        days = overview["active_days"]
        return {DAYS - 1 - place: day[kind] for place, day in enumerate(days) if day[kind]}

    def step(self, resource, action, days_ago, hour=12, **body):
        return self.act(resource, action, {"effective_at": at(days_ago, hour), **body})


class EmptyTest(OverviewTest):
    def test_a_new_tenant(self):
        tenant, owner = self.tenant()
        overview = self.overview(owner)
        self.assertEqual(overview["time_zone"], "Asia/Shanghai")
        self.assertEqual(overview["months"], [])
        self.assertEqual(overview["recurring"], yuan(0))
        self.assertEqual(overview["unpaid"], {"total": yuan(0), "invoices": 0,
                                              "overdue_total": yuan(0), "overdue_invoices": 0})
        self.assertEqual((overview["resources"], overview["attention"]), ([], []))
        self.assertEqual(overview["attention_total"], 0)
        self.assertEqual({key: value for key, value in self.of(tenant).items() if key != "as_of"},
                         {key: value for key, value in overview.items() if key != "as_of"})

    def test_days_end_today(self):
        _, owner = self.tenant()
        days = [day["day"] for day in self.overview(owner)["active_days"]]
        first = today() - datetime.timedelta(days=DAYS - 1)
        self.assertEqual(days, [str(first + datetime.timedelta(days=each)) for each in range(DAYS)])


class ResourceTest(OverviewTest):
    def setUp(self):
        super().setUp()
        self.renter, self.owner = self.tenant()

    def rent(self, kind, days_ago, **fields):
        return self.resource(self.platform, kind, effective_at=at(days_ago),
                             tenant=self.renter["id"], **fields)

    def test_by_kind_and_state(self):
        self.rent("software", 5)
        self.rent("software", 5)
        self.rent("broadband", 5)
        self.request_resource(self.owner, "terminal")
        self.step(self.rent("broadband", 5), "suspend", 1)
        self.assertEqual(self.overview(self.owner)["resources"], [
            {"kind": "broadband", "state": "active", "count": 1},
            {"kind": "broadband", "state": "suspended", "count": 1},
            {"kind": "software", "state": "active", "count": 2},
            {"kind": "terminal", "state": "requested", "count": 1}])

    def test_recurring_is_of_what_is_active_under_its_version(self):
        self.rent("software", 5)
        self.rent("broadband", 5)
        self.step(self.rent("broadband", 5), "suspend", 1)
        self.assertEqual(self.of(self.renter)["recurring"], yuan(130))

    def test_recurring_stays_with_the_version(self):
        def charges(amount, **modifiers):
            return [{"code": "fee", "name": "月租", "kind": "recurring",
                     "price": {"model": "flat", "amount": amount, **modifiers}},
                    {"code": "traffic", "name": "流量", "kind": "usage", "meter": "broadband-bytes",
                     "price": {"model": "flat", "amount": "7"}}]
        offer = self.offer("broadband", *charges("99.99", discount_percent="10"))
        path = f"/v1/plans/{offer['plan']['id']}"
        names = {"offering_id": offer["offering"]["id"], "plan_id": offer["plan"]["id"]}
        self.rent("broadband", 5, **names)
        self.assertEqual(self.of(self.renter)["recurring"], yuan("89.99"))  # 89.991
        self.expect(self.platform.post(f"{path}/draft", {
            "charges": charges("10", minimum_amount="12.345") + [
                {"code": "support", "name": "支持", "kind": "recurring",
                 "price": {"model": "flat", "amount": "50", "maximum_amount": "40"}}]}), 200)
        self.expect(self.platform.post(f"{path}/publish"), 200)
        self.assertEqual(self.of(self.renter)["recurring"], yuan("89.99"))
        self.rent("broadband", 5, **names)
        self.assertEqual(self.of(self.renter)["recurring"], yuan("142.34"))  # 12.345 up, 40

    def test_active_days(self):
        line = self.rent("broadband", 10)
        self.step(line, "suspend", 8, 9)
        self.step(line, "resume", 8, 10)  # the same day: counts once
        self.step(line, "suspend", 6, 0)  # with the first instant of the day
        self.step(line, "resume", 3, 0)
        self.step(line, "terminate", 2, 23)
        seat = self.rent("software", 120)
        self.step(seat, "suspend", 100)
        self.step(seat, "resume", 88)
        self.rent("software", 95)
        overview = self.of(self.renter)
        self.assertEqual(self.days(overview, "broadband"), dict.fromkeys((10, 9, 8, 7, 3, 2), 1))
        self.assertEqual(self.days(overview, "software"),
                         {89: 1, **dict.fromkeys(range(89), 2)})
        self.assertEqual(self.days(overview, "terminal"), {})

    def test_what_was_never_active_has_no_day(self):
        self.request_resource(self.owner, "software")
        self.step(self.rent("broadband", 4), "suspend", 4)  # at that very instant
        for kind in KINDS:
            self.assertEqual(self.days(self.of(self.renter), kind), {})

    def test_active_days_are_those_that_are_billed(self):
        """Histories at random, with instants that coincide, that are the first of a day, that are
        still to come."""
        print(f"seed {SEED}")
        chance = random.Random(SEED)
        offer = self.catalog()["broadband"]["offering"]["id"]
        script = ["set session_replication_role = replica;"]
        for number in range(60):
            identifier = f"res_{SEED:08}{number:018}"
            state, moments = "provisioning", sorted(
                chance.choice((0, 0, 1, 5, 24, 24, 30, 100)) + 24 * chance.randrange(2, 97)
                for _ in range(chance.randrange(1, 9)))
            for place, hours in enumerate(reversed(moments), 1):
                then = "suspended" if state == "active" else "active"
                if place > 3 and chance.random() < 0.2:
                    then = state
                midnight = datetime.datetime.combine(today(), datetime.time(), ZONE)
                moment = midnight - datetime.timedelta(hours=hours)
                if place == len(moments) and number % 10 == 0:
                    moment = datetime.datetime.now(ZONE) + datetime.timedelta(minutes=5)
                script.append(
                    "insert into resource_transitions (tenant_id, resource_id, number, action, "
                    f"from_state, to_state, effective_at, actor) values ('{self.renter['id']}', "
                    f"'{identifier}', {place}, 'x', '{state}', '{then}', '{moment.isoformat()}', 'x');")
                state = then
            script.append(
                "insert into resources (id, tenant_id, kind, offering_id, name, state) values ("
                f"'{identifier}', '{self.renter['id']}', '{KINDS[number % 3]}', '{offer}', 'x', '{state}');"
                "insert into resource_quantities (tenant_id, resource_id, number, quantity, starts_at) "
                f"values ('{self.renter['id']}', '{identifier}', 1, 1, '2020-01-01');")
        self.database().execute("\n".join(script))
        expected = collections.Counter()
        for row in self.database().rows(
                "select kind, day::text, count(*) as count from resource_days(now() - interval "
                f"'120 days', now(), 'Asia/Shanghai', array[{quote(self.renter['id'])}]) group by kind, day"):
            expected[row["day"], row["kind"]] = row["count"]
        self.assertGreater(len(expected), 200)
        for day in self.of(self.renter)["active_days"]:
            for kind in KINDS:
                self.assertEqual(day[kind], expected[day["day"], kind], (day["day"], kind))


class InvoiceTest(OverviewTest):
    def bill_until(self, last, **fields):
        """A line since five months ago, billed from then on."""
        tenant, owner = self.tenant()
        start = datetime.datetime.fromisoformat(f"{month(5)}-01T12:00:00+08:00").isoformat()
        self.resource(self.platform, "broadband", effective_at=start, tenant=tenant["id"])
        for back in range(5, last - 1, -1):
            self.bill(month(back), tenant, **fields)
        return tenant, owner

    def test_months(self):
        tenant, owner = self.bill_until(3, finalize=True)
        self.bill(month(2), tenant)
        invoices = self.platform.all("/v1/invoices", {"tenant": tenant["id"]})
        self.assertEqual(len(invoices), 4)
        by_period = {each["period"]: each for each in invoices}
        overview = self.of(tenant)
        self.assertEqual(overview["months"], [
            {"period": period, "state": by_period[period]["state"], "invoices": 1,
             "credited": yuan(0), **{name: by_period[period][name] for name in ("net", "tax", "total")}}
            for period in sorted(by_period)])
        self.assertEqual([each["state"] for each in overview["months"]],
                         ["finalized"] * 3 + ["draft"])
        self.assertEqual(self.overview(owner)["months"], overview["months"][:3])  # no drafts

    def test_unpaid(self):
        tenant, owner = self.bill_until(1, finalize=True)
        invoices = self.platform.all("/v1/invoices", {"tenant": tenant["id"]})
        overdue = [each for each in invoices if each["due_on"] < str(today())]
        self.assertTrue(3 <= len(overdue) < len(invoices) == 5)

        def total(some):
            return yuan(sum(decimal.Decimal(each["total"]["amount"]) for each in some))
        for overview in (self.of(tenant), self.overview(owner)):
            self.assertEqual(overview["unpaid"], {
                "total": total(invoices), "invoices": 5,
                "overdue_total": total(overdue), "overdue_invoices": len(overdue)})
            found = [each for each in overview["attention"] if each["reason"] == "invoice_overdue"]
            self.assertEqual([(each["id"], each["name"], each["tenant_id"]) for each in found],
                             [(each["id"], each["number"], tenant["id"])
                              for each in sorted(overdue, key=lambda each: each["due_on"])])
            self.assertEqual(found[0]["detail"], f"{overdue[-1]['total']['amount']} CNY")
            self.assertEqual(overview["attention_total"], len(overdue))

    def test_credit_notes(self):
        tenant, owner = self.bill_until(3, finalize=True)
        first, second, *_ = sorted(self.platform.all("/v1/invoices", {"tenant": tenant["id"]}),
                                   key=lambda each: each["period"])
        part = self.expect(self.platform.post("/v1/credit-notes", {
            "invoice_id": first["id"], "reason": "线路中断", "lines": [{"line": 1, "net": "10"}]}), 201)
        whole = self.expect(self.platform.post("/v1/credit-notes", {
            "invoice_id": second["id"], "reason": "线路中断"}), 201)
        credited = sum(decimal.Decimal(note["total"]["amount"]) for note in (part, whole))
        for overview in (self.of(tenant), self.overview(owner)):
            self.assertEqual([each["invoices"] for each in overview["months"]], [1, 1, 1, 0])
            last = overview["months"][-1]
            self.assertEqual((last["period"], last["credited"], last["total"]),
                             (part["period"], yuan(credited), yuan(0)))
            total = sum(decimal.Decimal(each["total"]["amount"]) for each in overview["months"])
            self.assertEqual(overview["unpaid"]["total"], yuan(total + credited))
            self.assertEqual(overview["unpaid"]["invoices"], 2)
            overdue = {each["id"]: each["detail"] for each in overview["attention"]}
            self.assertNotIn(second["id"], overdue)
            left = decimal.Decimal(first["total"]["amount"]) + decimal.Decimal(part["total"]["amount"])
            self.assertEqual(overdue[first["id"]], f"{left} CNY")

    def test_at_most_thirteen_months(self):
        tenant, _ = self.tenant()
        self.database().execute("set session_replication_role = replica;" + "".join(
            "insert into invoices (tenant_id, id, period, state, number, currency, net, total, buyer, "
            "period_starts_at, period_ends_at, time_zone, finalized_at, due_on) values ("
            f"{quote(tenant['id'])}, 'inv_{back:026}', '{month(back)}', 'finalized', "
            f"{quote(unique('N'))}, 'CNY', {back}, {back}, '{{}}', now(), now(), 'Asia/Shanghai', "
            f"now(), '{today()}');" for back in range(1, 16)))
        overview = self.of(tenant)
        self.assertEqual([each["period"] for each in overview["months"]],
                         [month(back) for back in range(13, 0, -1)])
        self.assertEqual(overview["months"][0]["total"], yuan(13))
        self.assertEqual(overview["unpaid"]["invoices"], 15)
        self.assertEqual(overview["unpaid"]["overdue_invoices"], 0)  # due today


class ClosedTest(OverviewTest):
    settings = {"workers": 1}  # a daemon of its own: a close is for all

    def test_states_of_a_month(self):
        def state():
            return [(each["state"], each["invoices"]) for each in self.overview()["months"]]
        start = datetime.datetime.fromisoformat(f"{month(1)}-01T12:00:00+08:00").isoformat()
        renters = [self.tenant()[0] for _ in range(2)]
        for tenant in renters:
            self.resource(self.platform, "broadband", effective_at=start, tenant=tenant["id"])
        self.bill(month(1), renters[0], finalize=True)
        self.bill(month(1), renters[1])
        self.assertEqual(state(), [("draft", 2)])
        self.bill(month(1), renters[1], finalize=True)
        self.assertEqual(state(), [("finalized", 2)])
        self.operation(self.platform.post(f"/v1/periods/{month(1)}/close"))
        self.assertEqual(state(), [("closed", 2)])


class AttentionTest(OverviewTest):
    def test_reasons(self):
        tenant, owner = self.tenant()
        waiting = self.request_resource(owner, "terminal")
        failed = self.request_resource(owner, "broadband")
        self.act(failed, "approve")
        self.act(failed, "provision")
        self.act(failed, "fail", {"code": "no-signal", "detail": "光路不通", "retryable": True})
        active = self.resource(owner, "software")
        operation = f"op_{SEED:026}"
        error = '{"code": "x", "detail": "Out of space."}'
        self.database().execute(
            "insert into operations (id, tenant_id, kind, state, error, ended_at) values "
            f"('{operation}', '{tenant['id']}', 'export', 'failed', '{error}', now()), "
            f"('{operation[:-1]}0', '{tenant['id']}', 'export', 'failed', '{error}', "
            "now() - interval '31 days')")
        for overview in (self.of(tenant), self.overview(owner)):
            found = overview["attention"]
            self.assertEqual([(each["reason"], each["id"], each["detail"]) for each in found], [
                ("resource_failed", failed["id"], "光路不通"),
                ("operation_failed", operation, "Out of space."),
                ("resource_waiting", waiting["id"], "requested")])
            self.assertEqual(found[0]["name"], failed["name"])
            self.assertEqual({each["tenant_id"] for each in found}, {tenant["id"]})
            self.assertEqual(overview["attention_total"], 3)
            self.assertNotIn(active["id"], str(found))

    def test_since_is_when_the_state_began(self):
        tenant, _ = self.tenant()
        resource = self.request_resource(self.platform, "software", tenant=tenant["id"],
                                         effective_at=at(9))
        self.step(resource, "approve", 7)
        self.act(resource, "change", {"software": {"seats": 9}})
        since = datetime.datetime.fromisoformat(self.of(tenant)["attention"][0]["since"])
        self.assertEqual(since, datetime.datetime.fromisoformat(at(7)))

    def test_at_most_twenty_the_oldest_first(self):
        tenant, _ = self.tenant()
        asked = [self.request_resource(self.platform, "software", tenant=tenant["id"],
                                       effective_at=at(40 - number)) for number in range(23)]
        overview = self.of(tenant)
        self.assertEqual([each["id"] for each in overview["attention"]],
                         [each["id"] for each in asked[:ATTENTION_LIMIT]])
        self.assertEqual(overview["attention_total"], 23)

    def test_accounting_of_no_line(self):
        reason = unique("unknown").replace("-", "_")
        self.database().execute(
            "insert into radius_quarantine (reason, packet, received_at) values "
            f"('{reason}', '{{}}', now()), ('{reason}', '{{}}', now()), "
            f"('{reason}', '{{}}', now() - interval '8 days')")
        tenant, owner = self.tenant()
        everybody = {role: self.operator(role) for role in OPERATOR_ROLES}
        seen = {role: [each["detail"] for each in self.overview(client)["attention"]
                       if each["id"] == reason] for role, client in everybody.items()}
        self.assertEqual(seen, {"platform_admin": ["2"], "operator": ["2"], "auditor": ["2"],
                                "finance": [], "park_manager": []})
        self.assertNotIn(reason, str(self.overview(owner)))
        self.assertNotIn(reason, str(self.of(tenant)))


class RoleTest(OverviewTest):
    def setUp(self):
        super().setUp()
        self.renter, self.owner = self.tenant()
        self.resource(self.owner, "software")

    def test_every_role_sees_it(self):
        clients = [self.operator(role) for role in OPERATOR_ROLES]
        clients += [self.client_of(role, self.renter) for role in TENANT_ROLES]
        for client in clients:
            self.assertEqual(self.overview(client)["time_zone"], "Asia/Shanghai")

    def test_money_of_invoices_is_for_those_who_may_read_invoices(self):
        for role in TENANT_ROLES:
            overview = self.overview(self.client_of(role, self.renter))
            self.assertEqual(overview["unpaid"] is None, role in ("developer", "member"), role)
        narrow = self.client_of("owner", self.renter, scopes=["overview:read"])
        self.assertIsNone(self.overview(narrow)["unpaid"])

    def test_a_key_without_the_scope(self):
        narrow = self.client_of("owner", self.renter, scopes=["resources:read"])
        self.expect(narrow.get("/v1/overview"), 403, "forbidden")

    def test_without_credential(self):
        self.expect(self.stranger().get("/v1/overview"), 401, "unauthenticated")

    def test_a_tenant_sees_its_own(self):
        other, _ = self.tenant()
        self.assertEqual(self.overview(self.owner)["resources"],
                         [{"kind": "software", "state": "active", "count": 1}])
        self.overview(self.owner, tenant=self.renter["id"])
        for named in (other["id"], f"ten_{SEED:026}"):
            self.expect(self.owner.get("/v1/overview", query={"tenant": named}), 404, "not_found")

    def test_a_park_manager_sees_the_park(self):
        park = self.expect(self.platform.post("/v1/parks", {"code": unique("park"), "name": "园"}), 201)
        manager = self.shared.client(self.shared.api_key("park_manager", park=park["id"])["secret"])
        self.assertEqual(self.overview(manager)["resources"], [])
        inside, owner = self.tenant(park_id=park["id"])
        self.resource(owner, "software")
        expected = [{"kind": "software", "state": "active", "count": 1}]
        self.assertEqual(self.overview(manager)["resources"], expected)
        self.assertEqual(self.overview(manager)["recurring"], yuan(30))
        self.assertEqual(self.overview(manager, tenant=inside["id"])["resources"], expected)
        foreign = self.overview(manager, tenant=self.renter["id"])
        self.assertEqual((foreign["resources"], foreign["recurring"]), ([], yuan(0)))
        self.assertEqual(self.days(foreign, "software"), {})
