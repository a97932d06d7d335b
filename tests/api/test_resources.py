"""Resources: requests, states, holds, plans and seats over time, and whose they are."""

import concurrent.futures
import datetime
import unittest

from harness import ApiTest, unique


def days_ago(count):
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=count)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class TestTransitions(ApiTest):
    def test_contract_and_database_have_one_table(self):
        rows = {(kind, action, state, state if row["to"] == "unchanged" else row["to"], row.get("to_with_vendor"), row["by_tenant"])
                for action, table in self.contract.document["components"]["x-transitions"].items()
                for row in table for kind in row["kinds"] for state in row["from"]}
        self.assertEqual({tuple(row.values()) for row in self.database().rows(
            "select kind, action, from_state, to_state, managed_to_state, by_tenant from resource_actions")}, rows)


class ResourceTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()

    def order(self, kind, **fields):
        chosen = self.catalog()[kind]
        parts = {"software": {"seats": 2}, "terminal": {"model": "M70q"},
                 "broadband": {"line": unique("line"), "access_technology": "gpon",
                               "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 50000}}
        return {"kind": kind, "offering_id": chosen["offering"]["id"],
                "plan_id": chosen["plan"]["id"], "name": "测试", kind: parts[kind], **fields}

    def make(self, kind="software", **fields):
        return self.expect(self.owner.post("/v1/resources", self.order(kind, **fields)), 201)

    def act(self, resource, action, body=None, client=None, status=200, code=None):
        answer = (client or self.platform).post(f"/v1/resources/{resource['id']}/{action}", body)
        return self.expect(answer, status, code)

    def activated(self, kind="software", **fields):
        resource = self.make(kind, **fields)
        for action in ("approve", "provision", "activate"):
            resource = self.act(resource, action)
        return resource


class TestLife(ResourceTest):
    def test_from_request_to_end(self):
        resource = self.make()
        self.assertEqual(resource["state"], "requested")
        self.assertEqual(resource["actions"], ["change", "terminate"])
        self.act(resource, "approve", client=self.owner, status=403, code="forbidden")
        self.act(resource, "activate", status=409, code="state_conflict")
        for action, state in (("approve", "approved"), ("provision", "provisioning"),
                              ("activate", "active"), ("terminate", "terminated")):
            self.assertEqual(self.act(resource, action, {"reason": action})["state"], state)
        history = self.owner.all(f"/v1/resources/{resource['id']}/history")
        self.assertEqual([each["number"] for each in history], [5, 4, 3, 2, 1])
        self.assertEqual([each["to_state"] for each in history],
                         ["terminated", "active", "provisioning", "approved", "requested"])
        self.assertEqual(history[0]["reason"], "terminate")
        self.assertIsNone(history[-1]["from_state"])

    def test_history_comes_in_pages(self):
        resource = self.activated()
        pages = self.owner.all(f"/v1/resources/{resource['id']}/history", query={"limit": 1})
        self.assertEqual([each["number"] for each in pages], [4, 3, 2, 1])

    def test_rejection_is_final(self):
        resource = self.make()
        self.assertEqual(self.act(resource, "reject")["actions"], [])
        self.act(resource, "approve", status=409, code="state_conflict")

    def test_failure_can_be_retried_where_it_says_so(self):
        for retryable in (True, False):
            resource = self.make()
            self.act(resource, "approve")
            self.act(resource, "provision")
            failed = self.act(resource, "fail", {"code": "no-signal", "retryable": retryable})
            self.assertEqual(failed["failure"],
                             {"code": "no-signal", "detail": "", "retryable": retryable})
            self.assertEqual("retry" in failed["actions"], retryable)
            if retryable:
                self.assertIsNone(self.act(resource, "retry")["failure"])
            else:
                self.act(resource, "retry", status=409, code="state_conflict")

    def test_a_line_is_taken_down_before_it_ends(self):
        line = self.activated("broadband")
        self.assertEqual(self.act(line, "terminate", client=self.owner)["state"], "terminating")
        self.act(line, "terminate", client=self.owner, status=409, code="state_conflict")
        self.assertEqual(self.act(line, "terminate")["state"], "terminated")
        again = self.order("broadband")
        again["broadband"]["line"] = line["broadband"]["login"].partition("@")[0]
        self.expect(self.owner.post("/v1/resources", again), 201)

    def test_if_match_guards_actions_and_patch(self):
        resource = self.make()
        path = f"/v1/resources/{resource['id']}"
        etag = self.owner.get(path).etag
        self.expect(self.owner.patch(path, {"name": "新名"}), 428)
        renamed = self.expect(self.owner.patch(path, {"name": "新名"}, if_match=etag), 200)
        self.assertEqual(renamed["name"], "新名")
        self.expect(self.owner.patch(path, {"name": "x"}, if_match=etag), 412)
        stale = self.platform.post(f"{path}/approve", headers={"If-Match": etag})
        self.expect(stale, 412, "precondition_failed")
        self.assertEqual(self.expect(self.owner.get(path), 200)["state"], "requested")

    def test_a_repeated_key_acts_once(self):
        key = {"Idempotency-Key": unique("key")}
        order = self.order("software")
        first = self.owner.post("/v1/resources", order, headers=key)
        again = self.owner.post("/v1/resources", order, headers=key)
        self.assertEqual(self.expect(again, 201)["id"], self.expect(first, 201)["id"])
        self.expect(self.owner.post("/v1/resources", order, headers={"Idempotency-Key": None}),
                    400, "idempotency_key_missing")


class TestHolds(ResourceTest):
    def test_active_again_when_no_hold_is_left(self):
        resource = self.activated()
        self.act(resource, "suspend", {"hold": "billing"})
        held = self.act(resource, "suspend", client=self.owner)
        self.assertEqual(held["holds"], ["billing", "tenant"])
        self.act(resource, "resume", {"hold": "billing"}, client=self.owner, status=403,
                 code="forbidden")
        self.assertEqual(self.act(resource, "resume", client=self.owner)["state"], "suspended")
        self.assertEqual(self.act(resource, "resume", {"hold": "billing"})["state"], "active")
        self.act(resource, "resume", status=409, code="state_conflict")

    def test_two_who_resume_at_once_leave_it_active(self):
        resource = self.activated()
        kinds = ("billing", "abuse", "operator")
        for hold in kinds:
            self.act(resource, "suspend", {"hold": hold})
        with concurrent.futures.ThreadPoolExecutor(len(kinds)) as pool:
            list(pool.map(lambda hold: self.act(resource, "resume", {"hold": hold}), kinds))
        last = self.expect(self.owner.get(f"/v1/resources/{resource['id']}"), 200)
        self.assertEqual((last["state"], last["holds"]), ("active", []))


class TestChange(ResourceTest):
    def test_a_plan_changes_now_or_ahead_of_time(self):
        resource = self.activated()
        offering = resource["offering_id"]
        other = self.expect(self.platform.post("/v1/plans", {
            "offering_id": offering, "code": unique("plan"), "name": "其他", "charges": [
                {"code": "seat", "name": "月租", "kind": "recurring",
                 "price": {"model": "flat", "amount": "1.00"}}]}), 201)
        self.act(resource, "change", {"plan_id": other["id"]}, status=422, code="plan_unavailable")
        self.expect(self.platform.post(f"/v1/plans/{other['id']}/publish"), 200)
        ahead = self.act(resource, "change", {"plan_id": other["id"], "effective_at": days_ago(-20)},
                         client=self.owner)
        self.assertEqual(ahead["plan_id"], resource["plan_id"])
        self.assertEqual(ahead["next_plan"]["plan_id"], other["id"])
        now = self.act(resource, "change", {"plan_id": other["id"]}, client=self.owner)
        self.assertEqual((now["plan_id"], now["next_plan"]), (other["id"], None))
        foreign = self.catalog()["broadband"]["plan"]["id"]
        self.act(resource, "change", {"plan_id": foreign}, status=422, code="plan_unavailable")

    def test_the_last_seats_are_taken_once(self):
        resource = self.activated(software={"seats": 50})
        path = f"/v1/resources/{resource['id']}/seats"

        def take(number):
            return self.owner.post(path, {"person": str(number), "email": f"p{number}@x.example"})

        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            answers = list(pool.map(take, range(200)))
        self.assertEqual(sorted(each.status for each in answers), [201] * 50 + [409] * 150)
        self.assertEqual({each.code for each in answers if each.status == 409}, {"seats_exhausted"})
        self.assertEqual(len(self.owner.all(path)), 50)

    def test_seats_never_fall_below_those_assigned(self):
        resource = self.activated()
        path = f"/v1/resources/{resource['id']}/seats"
        for name in ("a", "b"):
            self.expect(self.owner.post(path, {"person": name, "email": f"{name}@x.example"}), 201)
        extra = {"person": "c", "email": "c@x.example"}
        self.expect(self.owner.post(path, extra), 409, "seats_exhausted")
        self.act(resource, "change", {"software": {"seats": 1}}, status=409, code="seats_in_use")
        more = self.act(resource, "change", {"software": {"seats": 3}}, client=self.owner)
        self.assertEqual((more["quantity"], more["software"]),
                         ("3", {"seats": 3, "assigned_seats": 2, "dashboard_url": None}))
        seat = self.owner.post(path, extra)
        where = f"{path}/{self.expect(seat, 201)['id']}"
        self.expect(self.owner.post(path, extra), 409)
        self.expect(self.owner.delete(where), 428)
        released = self.expect(self.owner.delete(where, if_match=seat.etag), 200)
        self.assertIsNotNone(released["released_at"])
        self.assertEqual(len(self.owner.all(path, query={"released": False})), 2)

    def test_bug_0046_a_seat_released_before_stays_as_it_was(self):
        path = f"/v1/resources/{self.activated()['id']}/seats"
        seat = self.owner.post(path, {"person": "a", "email": "a@x.example"})
        where = f"{path}/{self.expect(seat, 201)['id']}"
        first = self.owner.delete(where, if_match=seat.etag)
        again = self.owner.delete(where, if_match=first.etag)
        self.assertEqual((self.expect(again, 200), again.etag), (first.json, first.etag))

    def test_the_last_seat_is_given_once(self):
        resource = self.activated()
        path = f"/v1/resources/{resource['id']}/seats"
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: self.owner.post(
                path, {"person": str(i), "email": f"p{i}@x.example"}).status, range(8)))
        self.assertEqual(sorted(answers), [201] * 2 + [409] * 6)

    def test_a_line_is_the_operators_to_change(self):
        line = self.activated("broadband")
        for change in ({"maximum_downstream_kbit": 1}, {"static_address": "203.0.113.9"}):
            self.act(line, "change", {"broadband": change}, client=self.owner, status=403)
        changed = self.act(line, "change", {"broadband": {"maximum_downstream_kbit": 200000}})
        self.assertEqual(changed["broadband"]["maximum_downstream_kbit"], 200000)
        self.act(line, "change", {"software": {"seats": 3}}, status=422, code="change_refused")
        self.act(line, "change", {"broadband": {"committed_upstream_kbit": 900000}}, status=422)

    def test_a_password_is_never_shown(self):
        line = self.activated("broadband")
        self.assertFalse(line["broadband"]["has_password"])
        for client in (self.owner, self.platform):
            answer = client.post(f"/v1/resources/{line['id']}/change",
                                 {"broadband": {"password": "kT9-wes-31q"}})
            self.assertTrue(self.expect(answer, 200)["broadband"]["has_password"])
            self.assertNotIn(b"kT9-wes", answer.body)
        self.assertNotIn("kT9-wes", self.daemon.log())


class TestEffectiveTimes(ResourceTest):
    def test_only_the_operator_says_from_when_it_counted(self):
        resource = self.make()
        self.act(resource, "terminate", {"effective_at": days_ago(1)}, client=self.owner,
                 status=403, code="backdating_forbidden")
        self.expect(self.owner.post("/v1/resources",
                                    self.order("software", effective_at=days_ago(3))),
                    403, "backdating_forbidden")

    def test_effective_times_ascend(self):
        order = self.order("software", effective_at=days_ago(60), tenant=self.renter["id"])
        resource = self.expect(self.platform.post("/v1/resources", order), 201)
        self.act(resource, "approve", {"effective_at": days_ago(50)})
        for wrong in (days_ago(51), days_ago(500), days_ago(-3)):
            self.act(resource, "provision", {"effective_at": wrong}, status=422,
                     code="effective_at_refused")
        provisioned = days_ago(40)
        self.act(resource, "provision", {"effective_at": provisioned})
        history = self.owner.all(f"/v1/resources/{resource['id']}/history")
        self.assertEqual(history[0]["effective_at"], provisioned)

    def test_bug_0040_what_begins_later_can_be_changed_before(self):
        begins = days_ago(-0.5)
        resource = self.expect(self.platform.post("/v1/resources", self.order(
            "software", tenant=self.renter["id"], effective_at=begins)), 201)
        changed = self.act(resource, "change", {"software": {"seats": 3}}, client=self.owner)
        self.assertEqual(changed["quantity"], "3")
        history = self.owner.all(f"/v1/resources/{resource['id']}/history")
        self.assertEqual([each["effective_at"] for each in history], [begins, begins])


class TestDays(ResourceTest):
    def test_a_day_counts_once_when_any_of_it_was_active(self):
        first = datetime.datetime.now(datetime.timezone.utc).replace(
            hour=0, minute=0, second=0, microsecond=0) - datetime.timedelta(days=30)

        def at(day, hour=0, second=0):
            moment = first + datetime.timedelta(days=day, hours=hour, seconds=second)
            return {"effective_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}

        resource = self.expect(self.platform.post("/v1/resources", self.order(
            "software", tenant=self.renter["id"], **at(0))), 201)
        for action, body in (
                ("approve", at(0)), ("provision", at(1)), ("activate", at(2, second=86399)),
                ("suspend", at(4)), ("resume", at(7, hour=12)),
                ("change", {"software": {"seats": 5}, **at(9, hour=10)}),
                ("change", {"software": {"seats": 3}, **at(10, hour=10)}), ("terminate", at(11))):
            self.act(resource, action, body)
        days = self.database().rows(
            "select day - date '{0}' as day, quantity from resource_days('{0}T00:00:00Z', now(), 'UTC') "
            "where resource_id = '{1}' order by day".format(first.date(), resource["id"]))
        self.assertEqual([(each["day"], each["quantity"]) for each in days],
                         [(2, 2), (3, 2), (7, 2), (8, 2), (9, 5), (10, 5)])


class TestKeptDocument(ResourceTest):
    """That what is kept is right, the harness looks at after every file."""

    def kept(self, resource):
        return self.database().rows(
            "select holds_until > now() as holds, made_in from resource_documents "
            f"where resource_id = '{resource['id']}' and document is not null")

    def test_it_is_made_with_the_resource_and_each_change(self):
        seats = self.activated(software={"seats": 3})
        self.assertEqual([row["holds"] for row in self.kept(seats)], [True, True])
        made = self.kept(seats)
        path = f"/v1/resources/{seats['id']}/seats"
        seat = self.owner.post(path, {"person": "王芳", "email": "w@a.example"})
        self.assertNotEqual(self.kept(seats), made)
        self.assertEqual(self.get(seats)["software"]["assigned_seats"], 1)
        where = f"{path}/{self.expect(seat, 201)['id']}"
        self.expect(self.owner.delete(where, if_match=seat.etag), 200)
        self.assertEqual(self.get(seats)["software"]["assigned_seats"], 0)

    def test_a_plan_that_begins_later_ends_it(self):
        line = self.activated("broadband")
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
        self.act(line, "change", {"plan_id": line["plan_id"], "effective_at": later.isoformat()})
        self.assertIsNotNone(self.get(line)["next_plan"])
        self.eventually(lambda: self.get(line)["next_plan"] is None)
        self.assertEqual([row["holds"] for row in self.kept(line)], [False, False])

    def test_bug_0095_what_changed_without_its_version_is_sent(self):
        """Its ETag said that nothing had changed."""
        software, other = (self.resource(self.owner, kind) for kind in ("software", "terminal"))
        paths = [f"/v1/resources/{each['id']}" for each in (software, other)]
        seen = [self.owner.get(path) for path in paths]
        self.expect(self.owner.post(f"{paths[0]}/seats", {"person": "李娜", "email": "li@example.com"}), 201)
        device = seen[1].json["terminal"]["terminal"]["id"]
        self.expect(self.platform.post(f"/v1/terminals/{device}/check-in", {"condition": "good"}), 200)
        now = [self.expect(self.owner.get(path, headers={"If-None-Match": before.etag}), 200)
               for path, before in zip(paths, seen)]
        self.assertEqual(now[0]["software"]["assigned_seats"], 1)
        self.assertIsNone(now[1]["terminal"]["terminal"])

    def test_many_who_change_it_at_once(self):
        seats = self.activated(software={"seats": 16})
        path = f"/v1/resources/{seats['id']}/seats"

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: self.owner.post(
                path, {"person": str(i), "email": f"p{i}@x.example"}).status, range(16)))
        self.assertEqual(answers, [201] * 16)
        self.assertEqual(self.get(seats)["software"]["assigned_seats"], 16)

    def get(self, resource):
        return self.expect(self.owner.get(f"/v1/resources/{resource['id']}"), 200)


class TestList(ResourceTest):
    def test_filters_and_expansion(self):
        software = self.make(external_id="crm-1")
        line = self.make("broadband")
        listed = self.owner.all("/v1/resources", query={"limit": 1})
        self.assertEqual([each["id"] for each in listed], [line["id"], software["id"]])
        for query, wanted in (({"kind": "software"}, software), ({"kind": "broadband"}, line),
                              ({"external_id": "crm-1"}, software),
                              ({"offering_id": line["offering_id"]}, line)):
            self.assertEqual([each["id"] for each in self.owner.all("/v1/resources", query=query)],
                             [wanted["id"]])
        self.assertEqual(self.owner.all("/v1/resources", query={"state": "active,failed"}), [])
        seen = self.platform.all("/v1/resources", query={"tenant": self.renter["id"],
                                                         "expand": "tenant"})
        self.assertEqual({each["tenant"]["code"] for each in seen}, {self.renter["code"]})
        self.assertEqual(len(seen), 2)

    def test_requests_are_checked(self):
        self.expect(self.owner.post("/v1/resources", {"kind": "software"}), 422)
        order = self.order("software", plan_id=self.catalog()["terminal"]["plan"]["id"])
        self.expect(self.owner.post("/v1/resources", order), 422, "plan_unavailable")
        order = self.order("software", offering_id=self.catalog()["terminal"]["offering"]["id"])
        self.expect(self.owner.post("/v1/resources", order), 422, "reference_unknown")
        self.make(external_id="once")
        self.expect(self.owner.post("/v1/resources", self.order("software", external_id="once")),
                    409, "conflict_unique")

    def test_what_is_anothers_is_not_there(self):
        resource = self.activated()
        _, stranger = self.tenant()
        path = f"/v1/resources/{resource['id']}"
        self.expect(stranger.get(path), 404)
        self.expect(stranger.patch(path, {"name": "x"}, if_match="*"), 404)
        for action in ("suspend", "terminate"):
            self.act(resource, action, client=stranger, status=404)
        self.expect(stranger.post(f"{path}/seats", {"person": "x", "email": "x@x.example"}), 404)
        self.expect(stranger.get(f"{path}/history"), 404)
        self.assertEqual(self.expect(self.owner.get(path), 200), resource)


if __name__ == "__main__":
    unittest.main()
