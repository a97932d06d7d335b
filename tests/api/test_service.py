"""Faults of what is rented, and maintenance that interrupts it."""

import unittest

from harness import ApiTest, unique


class ServiceTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()

    def see(self, path, client=None):
        return self.expect((client or self.owner).get(path), 200)


class TestTickets(ServiceTest):
    def setUp(self):
        super().setUp()
        self.line = self.resource(self.owner, "broadband")

    def report(self, client=None, **fields):
        return self.expect((client or self.owner).post("/v1/tickets", {
            "resource_id": self.line["id"], "category": "no_service", "title": "三层断网", **fields}), 201)

    def do(self, ticket, action, body=None, client=None, status=200, code=None):
        answer = (client or self.platform).post(f"/v1/tickets/{ticket['id']}/{action}", body)
        return self.expect(answer, status, code)

    def entries(self, ticket, client):
        return [(each["event"], each["note"]) for each in
                reversed(client.all(f"/v1/tickets/{ticket['id']}/entries", query={"limit": 2}))]

    def test_from_the_report_until_it_is_mended(self):
        ticket = self.report(severity="critical", interrupted_from="2026-11-27T01:00:00Z")
        self.assertEqual((ticket["state"], ticket["actions"], ticket["severity"]), ("open", ["note"], "critical"))
        self.assertEqual(self.see(f"/v1/tickets/{ticket['id']}", self.platform)["actions"], ["acknowledge", "note", "resolve"])
        self.do(ticket, "acknowledge", client=self.owner, status=403)
        self.do(ticket, "acknowledge", {"note": "已派工"})
        self.do(ticket, "note", {"note": "光功率过低", "internal": True})
        self.do(ticket, "note", {"note": "几点能好？"}, client=self.owner)
        self.do(ticket, "note", {"note": "x", "internal": True}, client=self.owner, status=403)
        self.do(ticket, "resolve", {"note": "换尾纤", "interrupted_until": "2026-11-27T00:59:59Z"}, status=422, code="value_refused")
        ticket = self.do(ticket, "resolve", {"note": "换尾纤", "interrupted_until": "2026-11-27T03:30:00Z"})
        self.assertEqual((ticket["state"], ticket["resolution"], ticket["interrupted_until"]),
                         ("resolved", "换尾纤", "2026-11-27T03:30:00Z"))
        ticket = self.do(ticket, "reopen", {"note": "又断了"}, client=self.owner)
        self.assertEqual((ticket["state"], ticket["resolution"], ticket["resolved_at"], ticket["interrupted_until"]),
                         ("open", "", None, None))
        self.assertIsNotNone(self.do(ticket, "resolve", {"note": "换光猫"})["interrupted_until"])
        ticket = self.do(ticket, "close", client=self.owner)
        self.assertEqual((ticket["state"], ticket["actions"]), ("closed", []))
        self.do(ticket, "reopen", {"note": "?"}, client=self.owner, status=409, code="state_conflict")
        said = [("open", ""), ("acknowledge", "已派工"), ("note", "光功率过低"), ("note", "几点能好？"),
                ("resolve", "换尾纤"), ("reopen", "又断了"), ("resolve", "换光猫"), ("close", "")]
        self.assertEqual(self.entries(ticket, self.platform), said)
        self.assertEqual(self.entries(ticket, self.owner), [each for each in said if each[1] != "光功率过低"])

    def test_whose_it_is(self):
        ticket = self.report()
        other, stranger = self.tenant()
        self.expect(stranger.get(f"/v1/tickets/{ticket['id']}"), 404)
        self.expect(stranger.post("/v1/tickets", {"resource_id": self.line["id"], "category": "slow", "title": "x"}), 422,
                    "reference_unknown")
        self.do(ticket, "note", {"note": "x"}, client=stranger, status=404)
        found = self.platform.get("/v1/tickets", query={"resource_id": self.line["id"], "state": "open"})
        self.assertEqual([each["id"] for each in self.expect(found, 200)["data"]], [ticket["id"]])

    def test_what_has_no_faults(self):
        self.act(self.line, "terminate")
        self.act(self.line, "terminate")
        answer = self.owner.post("/v1/tickets", {"resource_id": self.line["id"], "category": "slow", "title": "x"})
        self.expect(answer, 409, "state_conflict")

    def test_who_is_on_it(self):
        ticket = self.report()
        self.do(ticket, "acknowledge", {"assignee_id": self.user(self.renter)["id"]}, status=422, code="reference_unknown")
        self.daemon.create_operator(f"{unique('fitter')}@operator.example", "operator")
        person = self.database().value("select user_id from operators order by user_id desc limit 1")
        self.do(ticket, "acknowledge", {"assignee_id": person})
        found = self.platform.get("/v1/tickets", query={"assignee_id": person})
        self.assertEqual([each["id"] for each in self.expect(found, 200)["data"]], [ticket["id"]])


class TestMaintenance(ServiceTest):
    def plan(self, **fields):
        return self.expect(self.platform.post("/v1/maintenances", {
            "title": "割接", "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T02:00:00Z", **fields}), 201)

    def do(self, maintenance, action, body=None, status=200, code=None):
        return self.expect(self.platform.post(f"/v1/maintenances/{maintenance['id']}/{action}", body), status, code)

    def point(self):
        return self.expect(self.platform.post("/v1/access-points", {
            "code": unique("acp"), "name": "汇聚点", "capacity": 9, "access_technology": "gpon"}), 201)["id"]

    def line(self, owner, point):
        return self.resource(owner, "broadband", broadband={
            "line": unique("line"), "access_technology": "gpon", "access_point_id": point,
            "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000})

    def test_those_concerned_are_told(self):
        here, there = self.point(), self.point()
        mine, away = self.line(self.owner, here), self.line(self.owner, there)
        other, neighbour = self.tenant()
        theirs = self.line(neighbour, here)
        stranger = self.tenant()[1]
        maintenance = self.plan(access_point_ids=[here])
        path = f"/v1/maintenances/{maintenance['id']}"
        self.assertEqual((maintenance["state"], maintenance["resources"], maintenance["actions"]),
                         ("draft", [], ["announce", "cancel"]))
        self.expect(self.owner.get(path), 404)
        self.do(maintenance, "finish", status=409, code="state_conflict")
        maintenance = self.do(maintenance, "announce")
        self.assertEqual((maintenance["resources"], maintenance["resource_count"]), (sorted([mine["id"], theirs["id"]]), 2))
        seen = self.see(path)
        self.assertEqual((seen["resources"], seen["resource_count"], seen["actions"]), ([mine["id"]], 1, []))
        self.assertNotIn(away["id"], seen["resources"])
        self.expect(stranger.get(path), 404)
        self.assertEqual([each["id"] for each in neighbour.all("/v1/maintenances", query={"state": "announced"})], [maintenance["id"]])
        self.do(maintenance, "cancel", {"reason": "天气原因"})
        self.assertEqual((self.see(path)["state"], self.see(path)["reason"]), ("cancelled", "天气原因"))
        self.do(maintenance, "announce", status=409, code="state_conflict")

    def test_by_offering(self):
        offer = self.offer("software")
        resource = self.expect(self.owner.post("/v1/resources", {
            "kind": "software", "offering_id": offer["offering"]["id"], "plan_id": offer["plan"]["id"], "name": "x",
            "software": {"seats": 1}}), 201)
        self.act(resource, "approve")
        maintenance = self.do(self.plan(offering_ids=[offer["offering"]["id"]]), "announce")
        self.assertEqual(maintenance["resources"], [resource["id"]])
        self.assertEqual(self.do(maintenance, "finish")["state"], "done")

    def test_what_cannot_be_planned(self):
        body = {"title": "x", "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T02:00:00Z"}
        refused = lambda code, **fields: self.expect(  # noqa: E731
            self.platform.post("/v1/maintenances", {**body, **fields}), 422, code)
        refused("value_refused")
        refused("value_refused", access_point_ids=[self.point()], ends_at="2030-01-01T00:00:00Z")
        refused("reference_unknown", access_point_ids=["acp_01k8x7g0v8e2v9m3b1q4t5y6z8"])
        refused("reference_unknown", offering_ids=["off_01k8x7g0v8e2v9m3b1q4t5y6z8"])
        self.expect(self.owner.post("/v1/maintenances", {**body, "access_point_ids": [self.point()]}), 403)


if __name__ == "__main__":
    unittest.main()
