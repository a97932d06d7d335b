"""Software that a vendor's Open Service Broker makes, changes and removes."""

import unittest

from harness import unique
from vendor_broker import PASSWORD, SERVICE, USER
from vendors import VendorTest


class TestLife(VendorTest):
    def test_from_approval_to_the_end(self):
        made = self.subscribe(7)
        self.assertIn(made["state"], ("provisioning", "active"))
        active = self.becomes(made, "active")
        self.assertEqual(self.history(made), ["create", "approve", "provision", "activate"])
        [(identifier, instance)] = self.vendor.instances.items()
        self.assertEqual(instance, {"plan": "small", "parameters": {"region": "cn-north", "seats": 7}, "under_way": None})
        self.assertEqual(active["software"]["dashboard_url"], f"https://office.example.com/{identifier}")
        [request] = self.vendor.calls("PUT")
        self.assertEqual(request["query"], {"accepts_incomplete": "true"})
        self.assertEqual(request["headers"]["X-Broker-API-Version"], "2.17")
        self.assertTrue(request["headers"]["X-Broker-API-Originating-Identity"].startswith("bccd "))
        self.assertEqual(len(request["headers"]["X-Broker-API-Request-Identity"]), 32)
        self.assertEqual(request["body"]["context"]["tenant_id"], self.tenant_made["id"])
        self.assertEqual((request["body"]["organization_guid"], request["body"]["space_guid"]),
                         (self.tenant_made["id"], made["id"]))
        [operation] = self.operations(made)
        self.assertEqual((operation["kind"], operation["state"], operation["instance_id"], operation["calls"],
                          operation["problem"], operation["actions"]), ("provision", "succeeded", identifier, 1, None, []))

        changed = self.change(made, {"software": {"seats": 9}, "reason": "两人入职"})
        self.assertEqual((changed["software"]["seats"], changed["operation"]["kind"]), (7, "change"))
        changed = self.settled(made)
        self.assertEqual(changed["software"]["seats"], 9)
        self.assertEqual(self.vendor.instances[identifier]["parameters"]["seats"], 9)
        [request] = self.vendor.calls("PATCH")
        self.assertEqual(request["body"]["previous_values"], {"plan_id": "small"})
        [latest] = self.platform.all(f"/v1/resources/{made['id']}/history")[:1]
        self.assertEqual((latest["action"], latest["reason"]), ("change", "两人入职"))

        large = self.another_plan("large")
        self.change(made, {"plan_id": large["id"]})
        changed = self.settled(made)
        self.assertEqual((changed["plan_id"], changed["software"]["seats"]), (large["id"], 9))
        self.assertEqual(self.vendor.instances[identifier]["plan"], "large")

        ending = self.act(made, "terminate", client=self.owner)
        self.assertIn(ending["state"], ("terminating", "terminated"))
        self.becomes(made, "terminated")
        [request] = self.vendor.calls("DELETE")
        self.assertEqual(request["query"], {"service_id": SERVICE, "plan_id": "large", "accepts_incomplete": "true"})
        self.assertEqual(self.vendor.instances, {})
        self.assertEqual(self.history(made)[-2:], ["terminate", "terminate"])

    def test_asynchronous(self):
        self.vendor.usual.update(PUT="asynchronous", PATCH="asynchronous", DELETE="asynchronous")
        made = self.subscribe()
        self.eventually(lambda: any(each["accepted"] for each in self.operations(made)))
        for action in ("activate", "fail", "provision"):
            body = {"code": "x", "retryable": True} if action == "fail" else {}
            self.expect(self.platform.post(f"/v1/resources/{made['id']}/{action}", body), 409)
        self.becomes(made, "active")
        self.assertEqual(self.vendor.calls("POLL")[0]["query"],
                         {"service_id": SERVICE, "plan_id": "small", "operation": "PUT of/it?"})
        self.change(made, {"software": {"seats": 6}})
        self.assertEqual(self.settled(made)["software"]["seats"], 6)
        self.act(made, "terminate", client=self.owner)
        self.assertEqual(self.now(made)["state"], "terminating")
        self.becomes(made, "terminated")
        self.no_orphan()

    def test_what_may_be_done_meanwhile(self):
        made = self.subscribed()
        self.vendor.usual["PATCH"] = "never"
        etag = self.owner.get(f"/v1/resources/{made['id']}").etag
        changed = self.change(made, {"software": {"seats": 3}})
        self.assertEqual(changed["actions"], ["renew", "suspend", "terminate"])
        path = f"/v1/resources/{made['id']}"
        self.expect(self.owner.post(f"{path}/change", {"software": {"seats": 8}}), 409, "operation_running")
        self.assertEqual(self.owner.get(path, headers={"If-None-Match": etag}).status, 200)
        self.assertEqual(self.act(made, "suspend", client=self.owner)["state"], "suspended")
        self.assertEqual(self.act(made, "resume", client=self.owner)["state"], "active")
        # Three will be left: a fourth person has no seat.
        for number in range(3):
            self.expect(self.owner.post(f"{path}/seats", {"person": "王芳", "email": f"p{number}@example.com"}), 201)
        self.expect(self.owner.post(f"{path}/seats", {"person": "李强", "email": "p4@example.com"}), 409, "seats_exhausted")
        # An end takes the place of a change.
        self.act(made, "terminate", client=self.owner)
        self.becomes(made, "terminated")
        self.assertEqual([(each["kind"], each["state"]) for each in self.operations(made)],
                         [("terminate", "succeeded"), ("change", "failed"), ("provision", "succeeded")])
        self.assertEqual(self.operations(made)[1]["problem"]["code"], "superseded")
        self.no_orphan()

    def test_what_is_refused(self):
        made = self.subscribed()
        path = f"/v1/resources/{made['id']}/change"
        other = self.another_plan("basic", service="mail")
        self.expect(self.owner.post(path, {"plan_id": other["id"]}), 422, "change_refused")
        self.expect(self.owner.post(path, {"plan_id": self.another_plan("large")["id"], "effective": "period_end"}), 422,
                    "effective_at_refused")
        self.link(self.plan, "fixed")
        fixed = self.subscribed()
        self.expect(self.owner.post(f"/v1/resources/{fixed['id']}/change", {"plan_id": self.another_plan("large")["id"]}),
                    422, "change_refused")
        for seat in range(2):
            self.expect(self.owner.post(f"/v1/resources/{made['id']}/seats",
                                        {"person": "王芳", "email": f"p{seat}@example.com"}), 201)
        self.expect(self.owner.post(path, {"software": {"seats": 1}}), 409, "seats_in_use")
        self.assertEqual(self.vendor.calls("PATCH"), [])

    def order(self):
        order = self.expect(self.owner.post("/v1/orders", {"items": [{
            "action": "rent_software", "offering_id": self.offer_made["offering"]["id"], "plan_id": self.plan["id"],
            "name": "办公套件", "software": {"seats": 4}}]}), 201)
        self.assertEqual(self.expect(self.owner.post(f"/v1/orders/{order['id']}/place"), 200)["state"], "in_progress")
        return f"/v1/orders/{order['id']}"

    def test_by_an_order(self):
        self.vendor.usual["PUT"] = "asynchronous"
        order = self.order()
        done = self.eventually(lambda: (found := self.expect(self.owner.get(order), 200))["state"] == "completed" and found)
        self.assertEqual(done["items"][0]["resources"][0]["state"], "active")
        # One that is cancelled on its way leaves nothing.
        self.vendor.usual["PUT"] = "never"
        order = self.order()
        self.assertIn(self.expect(self.owner.post(f"{order}/cancel", {}), 200)["state"], ("cancelling", "cancelled"))
        self.eventually(lambda: self.expect(self.owner.get(order), 200)["state"] == "cancelled")
        self.no_orphan()


class TestBrokers(VendorTest):
    def test_what_is_written_is_read(self):
        answer = self.platform.get(self.path)
        broker = self.expect(answer, 200)
        self.assertEqual((broker["url"], broker["username"], broker["has_password"], broker["catalog"]["problem"]),
                         (self.vendor.url, USER, True, None))
        self.assertEqual([service["id"] for service in broker["catalog"]["services"]], [SERVICE, "mail"])
        self.assertEqual(broker["catalog"]["services"][0]["plans"][1]["maximum_polling_duration"], 86400)
        changed = self.expect(self.platform.patch(self.path, {"password": None, "poll_seconds": 7, "state": "retired"},
                                                  if_match=answer.etag), 200)
        self.assertEqual((changed["has_password"], changed["poll_seconds"], changed["state"]), (False, 7, "retired"))
        self.expect(self.platform.patch(self.path, {"poll_seconds": 8}, if_match=answer.etag), 412)
        for bad in ({"url": "http://broker.example.com"}, {"url": "https://broker.example.com/"},
                    {"url": "https://me@broker.example.com"}, {"authority": "nothing"}, {"request_seconds": 0},
                    {"deadline_seconds": 604801}):
            self.expect(self.platform.patch(self.path, bad, if_match="*"), 422, "validation_failed")
        self.assertEqual([each["id"] for each in self.platform.all("/v1/vendor-brokers", {"state": "retired"})
                          if each["id"] == self.broker["id"]], [self.broker["id"]])
        for role, status in (("auditor", 200), ("finance", 200), ("park_manager", 403)):
            self.expect(self.operator(role).get(self.path), status)
        self.expect(self.operator("auditor").post(f"{self.path}/refresh"), 403)
        self.expect(self.owner.get(self.path), 403)
        self.assertNotIn(PASSWORD, self.daemon.log())
        self.assertNotIn(PASSWORD, self.database().value("select coalesce(string_agg(new::text, ''), '') from audit_events"))

    def test_plans(self):
        path = f"{self.path}/plans/{self.plan['id']}"
        answer = self.platform.get(path)
        self.assertEqual(self.expect(answer, 200)["vendor_plan_id"], "small")
        self.assertEqual([each["plan_id"] for each in self.platform.all(f"{self.path}/plans")], [self.plan["id"]])
        self.assertEqual(self.link(self.plan, "large")["vendor_plan_id"], "large")
        for plan, body in ((self.plan, {"service_id": SERVICE, "vendor_plan_id": "huge"}),
                           (self.catalog()["broadband"]["plan"], {"service_id": SERVICE, "vendor_plan_id": "small"})):
            self.expect(self.platform.put(f"{self.path}/plans/{plan['id']}", body), 422, "reference_unknown")
        self.expect(self.platform.delete(path, if_match=answer.etag), 412)
        self.expect(self.platform.delete(path, if_match=self.platform.get(path).etag), 204)
        self.expect(self.platform.get(path), 404)
        # From then on people do it.
        self.assertEqual(self.subscribe()["state"], "approved")
        self.assertEqual(self.vendor.calls("PUT"), [])

    def test_catalogs_that_are_none(self):
        first = self.catalog_of()
        for mood, words in (("500", "500: Out of order"), ("no json", "no JSON"), ("stranger", "401"), ("204", "204"),
                            ("lost", ""), ("long", "longer"), ("slow", "")):
            self.vendor.moods["CATALOG"] = [mood]
            self.expect(self.platform.post(f"{self.path}/refresh"), 200)
            problem = self.eventually(lambda: self.catalog_of()["problem"])
            self.assertIn(words, problem, mood)
            self.assertEqual(self.catalog_of()["services"], first["services"])
            self.expect(self.platform.post(f"{self.path}/refresh"), 200)
            self.eventually(lambda: self.catalog_of()["problem"] is None)
        self.vendor.catalog = {"services": [{"id": "x", "name": "x", "plans": [{"id": "y"}]}]}
        self.expect(self.platform.post(f"{self.path}/refresh"), 200)
        self.assertIn("services/0", self.eventually(lambda: self.catalog_of()["problem"]))

    def test_one_that_nobody_trusts(self):
        other = self.add_broker(authority=None)
        self.assertIn("certificate", self.eventually(lambda: self.expect(self.platform.get(
            f"/v1/vendor-brokers/{other['id']}"), 200)["catalog"]["problem"]))

    def test_a_retired_one_provides_nothing_new(self):
        made = self.request_resource(self.owner, "software", offering_id=self.offer_made["offering"]["id"],
                                     plan_id=self.plan["id"])
        there = self.subscribed()
        self.expect(self.platform.patch(self.path, {"state": "retired"}, if_match="*"), 200)
        self.expect(self.platform.post(f"/v1/resources/{made['id']}/approve", {}), 409, "state_conflict")
        self.act(there, "terminate", client=self.owner)
        self.becomes(there, "terminated")


if __name__ == "__main__":
    unittest.main()
