"""The waiting list: who waits for places and devices, in which order they are served, and what is held for them."""

import concurrent.futures
import threading
import unittest

from harness import ApiTest, unique

CROWD = 50
NEVER = "01k8x7g0v8e2v9m3b1q4t5y6z7"


class WaitingListTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()

    # ---- What there is ----

    def lines(self):
        return self.catalog()["broadband"]

    def access_point(self, **fields):
        return self.expect(self.platform.post("/v1/access-points", {
            "code": unique("acp"), "name": "机房", "capacity": 1, "access_technology": "gpon", **fields}), 201)

    def line_body(self, point):
        chosen = self.lines()
        return {"kind": "broadband", "offering_id": chosen["offering"]["id"], "plan_id": chosen["plan"]["id"],
                "name": "专线", "broadband": {
                    "line": unique("line"), "access_technology": "gpon", "maximum_downstream_kbit": 100000,
                    "maximum_upstream_kbit": 20000, "access_point_id": point["id"]}}

    def line(self, point, client=None, status=201, code=None):
        return self.expect((client or self.owner).post("/v1/resources", self.line_body(point)), status, code)

    def full(self, lines=1):
        """An access point whose places somebody else has, and those lines."""
        point = self.access_point(capacity=lines)
        return point, [self.line(point, self.tenant()[1]) for _ in range(lines)]

    def join(self, point, client=None, status=201, code=None, quantity=1, **fields):
        return self.expect((client or self.owner).post("/v1/waiting-list-entries", {
            "offering_id": self.lines()["offering"]["id"], "access_point_id": point["id"], "quantity": quantity,
            **fields}), status, code)

    # ---- What becomes of it ----

    def entry(self, entry):
        return self.expect(self.platform.get(f"/v1/waiting-list-entries/{entry['id']}"), 200)

    def comes_to(self, entry, state, **fields):
        """The entry, when it has come to that state."""
        expected = {"state": state, **fields}

        def there():
            found = self.entry(entry)
            return found if expected.items() <= found.items() else None
        return self.eventually(there, 20)

    def come_round(self):
        """Waits until the job has gone through all access points and models: until a second round has begun."""
        for _ in range(2):
            probe, [line] = self.full()
            other = self.join(probe, self.tenant()[1])
            self.act(line, "reject")
            self.comes_to(other, "offered")

    def cancel(self, entry, client=None, status=200, code=None, body=None):
        return self.expect((client or self.owner).post(f"/v1/waiting-list-entries/{entry['id']}/cancel", body), status, code)

    def lapse(self, entry):
        self.database().execute(
            f"update waiting_list_entries set expires_at = clock_timestamp() where id = '{entry['id']}'")

    def at_once(self, calls):
        barrier = threading.Barrier(len(calls))

        def run(call):
            barrier.wait()
            return call()

        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(run, calls))


class TestJoining(WaitingListTest):
    def test_what_is_written_is_read(self):
        point, _ = self.full()
        entry = self.join(point, quantity=2, note="1 月启用")
        self.assertEqual((entry["tenant_id"], entry["offering_id"], entry["access_point_id"], entry["terminal_model_id"]),
                         (self.renter["id"], self.lines()["offering"]["id"], point["id"], None))
        self.assertEqual((entry["quantity"], entry["offered"], entry["taken"], entry["state"], entry["actions"],
                          entry["place"], entry["note"], entry["expires_at"], entry["ended_at"]),
                         (2, 0, 0, "waiting", ["cancel"], 1, "1 月启用", None, None))
        path = f"/v1/waiting-list-entries/{entry['id']}"
        self.assertEqual(self.expect(self.owner.get(path), 200), entry)
        self.assertEqual(self.owner.all("/v1/waiting-list-entries"), [entry])
        query = {"tenant": self.renter["id"], "state": "waiting,offered", "access_point_id": point["id"],
                 "offering_id": entry["offering_id"]}
        self.assertEqual(self.platform.all("/v1/waiting-list-entries", query), [entry])
        self.assertEqual(self.platform.all("/v1/waiting-list-entries", {**query, "state": "lapsed"}), [])
        self.assertEqual(self.owner.all("/v1/waiting-list-entries", {"terminal_model_id": f"mdl_{NEVER}"}), [])

    def test_who_may(self):
        point, _ = self.full()
        entry = self.join(point, client=self.client_of("admin", self.renter))
        path = f"/v1/waiting-list-entries/{entry['id']}"
        for role in ("developer", "billing", "member"):
            client = self.client_of(role, self.renter)
            self.expect(client.get(path), 200)
            self.expect(client.post(f"{path}/cancel"), 403, "forbidden")
            self.join(point, client=client, status=403, code="forbidden")
        for role in ("finance", "auditor", "park_manager"):
            self.expect(self.operator(role).get(path), 200)
            self.expect(self.operator(role).post(f"{path}/cancel"), 403, "forbidden")
        other, theirs = self.tenant()
        self.expect(theirs.get(path), 404)
        self.cancel(entry, theirs, 404, "not_found")
        self.assertEqual(theirs.all("/v1/waiting-list-entries"), [])
        made = self.join(point, client=self.operator("operator"), tenant=other["id"])
        self.assertEqual((made["tenant_id"], made["place"]), (other["id"], 2))
        self.join(point, client=self.platform, status=422, code="reference_unknown")
        self.cancel(made, theirs)
        self.cancel(entry, self.operator("operator"))

    def test_what_is_refused(self):
        point = self.access_point(capacity=2)
        problem = self.join(point, status=409, code="stock_available", quantity=2)
        self.assertEqual(problem["detail"], "2 are free for the tenant; order what is wanted.")
        self.join(point, quantity=3)
        self.join(point, status=409, code="conflict_unique", quantity=3)
        full, _ = self.full()
        for fields, status, code in (
                ({"quantity": 0}, 422, "validation_failed"), ({"quantity": 101}, 422, "validation_failed"),
                ({"offering_id": f"off_{NEVER}"}, 422, "reference_unknown"),
                ({"access_point_id": f"acp_{NEVER}"}, 422, "reference_unknown"),
                ({"terminal_model_id": f"mdl_{NEVER}"}, 422, "value_refused"),
                ({"offering_id": self.catalog()["software"]["offering"]["id"]}, 422, "value_refused"),
                ({"offering_id": self.catalog()["terminal"]["offering"]["id"]}, 422, "value_refused")):
            with self.subTest(fields=fields):
                self.join(full, status=status, code=code, **fields)
        park = self.expect(self.platform.post("/v1/parks", {"code": unique("park"), "name": "别处"}), 201)
        foreign = self.access_point(park_id=park["id"])
        for client, fields in ((self.owner, {}), (self.platform, {"tenant": self.renter["id"]})):
            self.join(foreign, client=client, status=422, code="reference_unknown", **fields)
        offering = self.offer("broadband")["offering"]
        self.expect(self.platform.patch(f"/v1/offerings/{offering['id']}", {"eligibility": {"sizes": ["large"]}},
                                        if_match="*"), 200)
        self.join(full, status=409, code="offering_not_for_you", offering_id=offering["id"])

    def test_leaving(self):
        point, _ = self.full()
        entries = [self.join(point, self.tenant()[1]) for _ in range(2)]
        entry = self.join(point)
        self.assertEqual(entry["place"], 3)
        answer = self.owner.get(f"/v1/waiting-list-entries/{entry['id']}")
        self.cancel(entries[0], self.platform, body={"reason": "测试"})
        again = self.owner.get(f"/v1/waiting-list-entries/{entry['id']}", headers={"If-None-Match": answer.etag})
        self.assertEqual(self.expect(again, 200)["place"], 2)
        gone = self.entry(entries[0])
        self.assertEqual((gone["state"], gone["reason"], gone["place"], gone["actions"]), ("cancelled", "测试", None, []))
        self.assertIsNotNone(gone["ended_at"])
        self.cancel(entries[0], self.platform, 409, "state_conflict")
        self.cancel(entry)
        last = self.join(point)
        self.assertEqual(last["place"], 2)
        self.expect(self.platform.post(f"/v1/tenants/{entries[1]['tenant_id']}/close"), 200)
        gone = self.entry(entries[1])
        self.assertEqual((gone["state"], gone["reason"]), ("cancelled", "The account was closed."))
        self.assertEqual(self.entry(last)["place"], 1)


class TestPlaces(WaitingListTest):
    def test_what_becomes_free_is_offered_held_and_taken(self):
        point, [line] = self.full()
        entry = self.join(point)
        other, theirs = self.tenant()
        self.act(line, "reject")
        self.line(point, theirs, 409, "capacity_exhausted")  # the moment it is free, offered or not
        found = self.comes_to(entry, "offered", offered=1, taken=0)
        self.assertTrue(self.database().value(
            f"select expires_at - updated_at between interval '71:59' and interval '72:01' "
            f"from waiting_list_entries where id = '{found['id']}'"))
        problem = self.line(point, theirs, 409, "capacity_exhausted")
        self.assertEqual(problem["detail"], f"What is free at the access point {point['id']} is held for those who waited for it.")
        for client, tenant, free in ((theirs, other, 0), (self.owner, self.renter, 1)):
            for each, query in ((client, {}), (self.platform, {"tenant": tenant["id"]})):
                answer = each.get(f"/v1/offerings/{entry['offering_id']}/availability",
                                  query={"access_point_id": point["id"], **query})
                self.assertEqual(self.expect(answer, 200)["access_points"][0]["free"], free)
        mine = self.line(point)
        found = self.entry(entry)
        self.assertEqual((found["state"], found["taken"], found["place"], found["expires_at"]), ("taken", 1, None, None))
        self.act(mine, "reject")
        self.line(point, theirs)

    def test_a_move_is_held_back_too(self):
        point, [line] = self.full()
        elsewhere = self.access_point()
        entry = self.join(point)
        theirs = self.line(elsewhere, self.tenant()[1])
        self.act(line, "reject")
        self.comes_to(entry, "offered")
        answer = self.platform.post(f"/v1/resources/{theirs['id']}/move", {"access_point_id": point["id"]})
        self.expect(answer, 409, "capacity_exhausted")
        mine = self.line(self.access_point())
        self.expect(self.platform.post(f"/v1/resources/{mine['id']}/move", {"access_point_id": point["id"]}), 200)
        self.assertEqual(self.entry(entry)["state"], "taken")

    def test_first_come_first_served(self):
        point, lines = self.full(3)
        first, second = self.tenant()[1], self.tenant()[1]
        one, two = self.join(point, first, quantity=2), self.join(point, second)
        self.assertEqual((one["place"], two["place"]), (1, 2))
        self.act(lines[0], "reject")
        self.line(point, second, 409, "capacity_exhausted")  # those who came before have it
        self.comes_to(one, "offered", offered=1)
        self.assertEqual(self.entry(two)["state"], "waiting")
        self.line(point, first)
        self.assertEqual((self.entry(one)["state"], self.entry(one)["taken"]), ("waiting", 1))
        self.act(lines[1], "reject")
        self.act(lines[2], "reject")
        self.comes_to(one, "offered", offered=2, taken=1)
        self.comes_to(two, "offered", offered=1)
        self.line(point, first)
        self.line(point, first, 409, "capacity_exhausted")
        self.line(point, second)
        self.assertEqual((self.entry(one)["state"], self.entry(two)["state"]), ("taken", "taken"))

    def test_an_offer_lapses_and_the_next_is_served(self):
        point, [line] = self.full()
        other = self.tenant()[1]
        one, two = self.join(point), self.join(point, other)
        self.act(line, "reject")
        self.comes_to(one, "offered")
        self.lapse(one)
        self.comes_to(one, "lapsed", place=None, offered=1, taken=0)
        self.comes_to(two, "offered", place=1)
        self.line(point, status=409, code="capacity_exhausted")
        self.cancel(one, status=409, code="state_conflict")
        self.join(point)
        self.line(point, other)

    def test_an_offer_that_is_left_goes_to_the_next(self):
        point, [line] = self.full()
        one, two = self.join(point), self.join(point, self.tenant()[1])
        self.act(line, "reject")
        self.comes_to(one, "offered")
        self.cancel(one)
        self.comes_to(two, "offered")

    def test_no_more_is_offered_than_is_free(self):
        point, _ = self.full()
        one, two = self.join(point), self.join(point, self.tenant()[1])
        self.expect(self.platform.patch(f"/v1/access-points/{point['id']}", {"capacity": 2}, if_match="*"), 200)
        self.comes_to(one, "offered")
        self.come_round()
        self.assertEqual(self.entry(two)["state"], "waiting")

    def test_held_places_and_a_crowd(self):
        """Of five free places three are held: two of the crowd have one, and those who waited the rest."""
        point, lines = self.full(5)
        entry = self.join(point, quantity=3)
        for line in lines:
            self.act(line, "reject")
        self.comes_to(entry, "offered", offered=3)
        others = [self.tenant()[1] for _ in range(3)]
        calls = [lambda client=others[n % 3]: client.post("/v1/resources", self.line_body(point)) for n in range(CROWD - 3)]
        calls += [lambda: self.owner.post("/v1/resources", self.line_body(point))] * 3
        answers = self.at_once(calls)
        self.assertEqual([answer.status for answer in answers[-3:]], [201] * 3)
        self.assertEqual(sum(answer.status == 201 for answer in answers), 5)
        refused = {(answer.status, answer.code) for answer in answers if answer.status != 201}
        self.assertEqual(refused, {(409, "capacity_exhausted")})
        self.assertEqual((self.entry(entry)["state"], self.entry(entry)["taken"]), ("taken", 3))
        self.assertNotIn("40P01", self.daemon.log())


class TestDevices(WaitingListTest):
    def setUp(self):
        super().setUp()
        self.model = self.expect(self.platform.post("/v1/terminal-models", {"name": unique("model")}), 201)
        chosen = self.offer("terminal")
        self.offering, self.plan = chosen["offering"]["id"], chosen["plan"]["id"]
        self.expect(self.platform.patch(f"/v1/offerings/{self.offering}", {
            "terminal_model_ids": [self.model["id"]]}, if_match="*"), 200)

    def device(self):
        return self.expect(self.platform.post("/v1/terminals", {
            "asset_tag": unique("PC"), "serial": unique("SN"), "model": self.model["name"]}), 201)

    def waits(self, client=None, status=201, code=None, **fields):
        return self.expect((client or self.owner).post("/v1/waiting-list-entries", {
            "offering_id": self.offering, "terminal_model_id": self.model["id"], "quantity": 1, **fields}), status, code)

    def resource(self, client=None):  # pylint: disable=arguments-differ
        """One that may take a terminal."""
        made = self.expect((client or self.owner).post("/v1/resources", {
            "kind": "terminal", "offering_id": self.offering, "plan_id": self.plan, "name": "终端"}), 201)
        self.act(made, "approve")
        return made

    def reserve(self, resource, status=200, code=None):
        return self.expect(self.platform.post("/v1/terminals/reserve-any", {
            "resource_id": resource["id"], "model": self.model["name"]}), status, code)

    def move(self, device, action, body=None, status=200, code=None):
        return self.expect(self.platform.post(f"/v1/terminals/{device['id']}/{action}", body or {}), status, code)

    def test_what_is_registered_is_offered_held_and_taken(self):
        other = self.tenant()[1]
        entry = self.waits()
        self.assertEqual((entry["terminal_model_id"], entry["access_point_id"]), (self.model["id"], None))
        device = self.device()
        self.comes_to(entry, "offered")
        theirs, mine = self.resource(other), self.resource()
        problem = self.reserve(theirs, 409, "stock_exhausted")
        self.assertEqual(problem["detail"], f"What is in stock of the model {self.model['name']} is held for those who waited for it.")
        for action in ("reserve", "check-out"):
            self.move(device, action, {"resource_id": theirs["id"]}, 409, "stock_exhausted")
        self.reserve(mine)
        self.assertEqual(self.entry(entry)["state"], "taken")
        self.move(device, "release")
        self.reserve(theirs)

    def test_one_device_counts_once(self):
        """Which serial it is, is chosen at the door; and a broken one is replaced."""
        old, broken = self.resource(), self.device()
        self.move(broken, "check-out", {"resource_id": old["id"]})
        entry, mine = self.waits(quantity=2), self.resource()
        first, second, third = self.device(), self.device(), self.device()
        self.comes_to(entry, "offered", offered=2)
        self.move(first, "reserve", {"resource_id": mine["id"]})
        self.move(second, "check-out", {"resource_id": mine["id"]})
        self.assertEqual((self.entry(entry)["taken"], self.entry(entry)["state"]), (1, "offered"))
        self.move(broken, "swap", {"replacement_id": third["id"], "outcome": "repair"})
        self.assertEqual((self.entry(entry)["taken"], self.entry(entry)["state"]), (1, "offered"))

    def test_only_what_is_offered_is_waited_for(self):
        strange = self.expect(self.platform.post("/v1/terminal-models", {"name": unique("model")}), 201)
        for model in (strange["id"], f"mdl_{NEVER}"):
            problem = self.waits(status=422, code="reference_unknown", terminal_model_id=model)
            self.assertEqual(problem["detail"], "terminal_model_id must name one of the offering's models.")
        self.device()
        problem = self.waits(status=409, code="stock_available")
        self.assertEqual(problem["detail"], "1 are free for the tenant; order what is wanted.")

    def test_nobody_who_takes_is_overlooked(self):
        """Whoever joins waits for those who take meanwhile; what they took is not offered."""
        device, mine = self.device(), self.resource()
        holding = f"select from resources where id = '{mine['id']}' for update"
        [answer] = self.behind(holding, "terminal_act", lambda: self.platform.post(
            f"/v1/terminals/{device['id']}/reserve", {"resource_id": mine["id"]}))
        self.expect(answer, 200)
        entry = self.waits(self.tenant()[1])
        self.come_round()
        self.assertEqual(self.entry(entry)["state"], "waiting")

    def test_held_devices_and_a_crowd(self):
        """Of five devices three are held: two of the crowd have one, and those who waited the rest."""
        entry = self.waits(quantity=3)
        for _ in range(5):
            self.device()
        self.comes_to(entry, "offered", offered=3)
        other = self.tenant()[1]
        theirs = [self.resource(other) for _ in range(CROWD - 3)]
        mine = [self.resource() for _ in range(3)]
        answers = self.at_once([lambda each=each: self.platform.post("/v1/terminals/reserve-any", {
            "resource_id": each["id"], "model": self.model["name"]}) for each in theirs + mine])
        self.assertEqual([answer.status for answer in answers[-3:]], [200] * 3)
        self.assertEqual(sum(answer.status == 200 for answer in answers), 5)
        refused = {(answer.status, answer.code) for answer in answers if answer.status != 200}
        self.assertEqual(refused, {(409, "stock_exhausted")})
        self.assertEqual((self.entry(entry)["state"], self.entry(entry)["taken"]), ("taken", 3))

    def test_who_joins_while_others_take(self):
        """However it falls out, nothing is offered that somebody has."""
        for _ in range(10):
            self.device()
        others = [self.tenant() for _ in range(4)]
        resources = [self.resource(others[0][1]) for _ in range(12)]
        calls = [lambda each=each: self.platform.post("/v1/terminals/reserve-any", {
            "resource_id": each["id"], "model": self.model["name"]}) for each in resources]
        calls += [lambda client=client: client.post("/v1/waiting-list-entries", {
            "offering_id": self.offering, "terminal_model_id": self.model["id"], "quantity": 11})
            for _, client in others[1:]]
        answers = self.at_once(calls)
        self.assertEqual({answer.status for answer in answers[:12]} - {200, 409}, set())
        self.assertEqual({answer.status for answer in answers[12:]}, {201})
        taken = sum(answer.status == 200 for answer in answers[:12])
        self.come_round()
        held = self.database().value(f"select sum(offered - taken) from waiting_list_entries "
                                     f"where terminal_model_id = '{self.model['id']}'")
        self.assertEqual(int(held) + taken, 10)


if __name__ == "__main__":
    unittest.main()
