"""Work on site: from the order to the signature, what it brings about, and what is due when."""

import base64
import concurrent.futures
import datetime
import hashlib
import random
import unittest

from harness import ApiTest, unique

SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
OPENS, CLOSES = 9, 18  # o'clock


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def spell(moment):
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class WorkTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()

    def rent(self, kind, count=None):
        offer = self.catalog()[kind]
        item = {"action": f"rent_{kind}", "offering_id": offer["offering"]["id"], "plan_id": offer["plan"]["id"],
                "name": unique(kind), "site": "A座3层"}
        if kind == "broadband":
            item["broadband"] = {"line": unique("line"), "access_technology": "gpon",
                                 "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000}
        return item if count is None else {**item, "count": count}

    def ordered(self, *items, **fields):
        order = self.expect(self.owner.post("/v1/orders", {"items": list(items), **fields}), 201)
        return self.expect(self.owner.post(f"/v1/orders/{order['id']}/place"), 200)

    def work_of(self, order):
        found = self.platform.all("/v1/work-orders", query={"order_id": order["id"], "sort": "created_at"})
        return sorted(found, key=lambda work: work["id"])

    def work(self, **fields):
        return self.expect(self.platform.post("/v1/work-orders", {
            "tenant": self.renter["id"], "kind": "repair", "title": "换光猫", **fields}), 201)

    def do(self, work, action, body=None, status=200, code=None, client=None):
        answer = (client or self.platform).post(f"/v1/work-orders/{work['id']}/{action}", body)
        return self.expect(answer, status, code)

    def see(self, path):
        return self.expect(self.platform.get(path), 200)

    def window(self, days=1):
        begins = datetime.datetime.now(SHANGHAI) + datetime.timedelta(days=days)
        return {"window_starts_at": spell(begins), "window_ends_at": spell(begins + datetime.timedelta(hours=3))}

    def started(self, work):
        self.do(work, "schedule", self.window())
        self.do(work, "accept")
        return self.do(work, "start")


class TestFromOrderToSignature(WorkTest):
    def test_a_line_and_terminals(self):
        order = self.ordered(self.rent("broadband"), self.rent("terminal", 3), note="联系物业")
        install, deliver = self.work_of(order)
        self.assertEqual([(each["kind"], each["state"], each["site"], each["instructions"], len(each["resources"]))
                          for each in (install, deliver)],
                         [("install", "draft", "A座3层", "联系物业", 1), ("deliver", "draft", "A座3层", "联系物业", 3)])
        self.assertEqual(install["actions"], ["cancel", "schedule"])
        self.started(install)
        line = self.see(f"/v1/resources/{install['resources'][0]['id']}")
        self.assertEqual(line["state"], "provisioning")
        done_at = spell(datetime.datetime.now(datetime.timezone.utc))
        install = self.do(install, "complete", {"readings": {"optical_power_dbm": "-18.2"}, "signed_by": "李娜",
                                                "done_at": done_at})
        self.assertEqual((install["state"], instant(install["done_at"]), install["readings"], install["signed_by"]),
                         ("closed_complete", instant(done_at), {"optical_power_dbm": "-18.2"}, "李娜"))
        history = self.owner.all(f"/v1/resources/{line['id']}/history")
        self.assertEqual((history[0]["to_state"], instant(history[0]["effective_at"]), history[0]["reason"]),
                         ("active", instant(done_at), install["id"]))
        devices = [self.terminal() for _ in range(3)]
        self.started(deliver)
        # One is missing: nothing happens.
        self.do(deliver, "complete", {"scans": [each["serial"] for each in devices[:2]]}, status=409, code="terminal_missing")
        self.assertEqual(self.see(f"/v1/terminals/{devices[0]['id']}")["state"], "in_stock")
        self.do(deliver, "complete", {"scans": [devices[0]["asset_tag"], "NO-SUCH"]}, status=422, code="reference_unknown")
        self.do(deliver, "complete", {"scans": [each["serial"] for each in devices], "due_on": "2028-01-31"})
        for each in devices:
            found = self.see(f"/v1/terminals/{each['id']}")
            self.assertEqual((found["state"], found["due_on"]), ("rented", "2028-01-31"))
        self.assertEqual(self.see(f"/v1/orders/{order['id']}")["state"], "completed")
        events = self.owner.all(f"/v1/work-orders/{install['id']}/history")
        self.assertEqual([each["event"] for each in reversed(events)],
                         ["create", "schedule", "accept", "start", "complete"])

    def test_what_is_given_back(self):
        rented = self.resource(self.owner, "terminal")
        line = self.resource(self.owner, "broadband")
        device = self.see(f"/v1/resources/{rented['id']}")["terminal"]["terminal"]
        order = self.ordered({"action": "return", "resource_id": rented["id"]}, {"action": "return", "resource_id": line["id"]})
        fetch, down = self.work_of(order)
        self.assertEqual([each["kind"] for each in (fetch, down)], ["remove", "remove"])
        self.started(fetch)
        self.do(fetch, "complete", status=409, code="terminal_not_returned")
        other = self.terminal()
        self.do(fetch, "complete", {"returns": [{"code": other["serial"], "condition": "good"}]}, status=409, code="state_conflict")
        self.do(fetch, "complete", {"returns": [{"code": device["asset_tag"], "condition": "damaged"}]})
        self.assertEqual(self.see(f"/v1/terminals/{device['id']}")["state"], "in_repair")
        self.started(down)
        self.do(down, "complete")
        self.assertEqual(self.see(f"/v1/orders/{order['id']}")["state"], "completed")
        self.assertEqual(self.see(f"/v1/resources/{line['id']}")["state"], "terminated")

    def test_bug_0091_what_failed_wants_no_visit(self):
        """The line of an item that failed was to be taken down by two visits."""
        line = self.resource(self.owner, "broadband")
        item = {"action": "return", "resource_id": line["id"]}
        late = self.expect(self.owner.post("/v1/orders", {"items": [item]}), 201)
        first = self.ordered(item)
        late = self.expect(self.owner.post(f"/v1/orders/{late['id']}/place"), 200)
        self.assertEqual((late["state"], late["items"][0]["failure"]["code"]),
                         ("cancelled", "state_conflict"))
        self.assertEqual([len(self.work_of(each)) for each in (first, late)], [1, 0])

    def test_a_reserved_device_goes_where_it_was_reserved_for(self):
        order = self.ordered(self.rent("terminal", 2))
        work = self.work_of(order)[0]
        second = work["resources"][1]["id"]
        kept, other = self.terminal(), self.terminal()
        self.expect(self.platform.post(f"/v1/terminals/{kept['id']}/reserve", {"resource_id": second}), 200)
        self.started(work)
        self.do(work, "complete", {"scans": [kept["asset_tag"], other["asset_tag"]]})
        self.assertEqual(self.see(f"/v1/terminals/{kept['id']}")["resource_id"], second)
        self.assertEqual(self.see(f"/v1/terminals/{other['id']}")["resource_id"], work["resources"][0]["id"])

    def test_it_could_not_be_done(self):
        order = self.ordered(self.rent("broadband"))
        work = self.work_of(order)[0]
        self.started(work)
        self.do(work, "stop", status=400)
        work = self.do(work, "stop", {"reason": "管道不通"})
        self.assertEqual((work["state"], work["outcome"], work["actions"]), ("closed_incomplete", "管道不通", []))
        line = self.see(f"/v1/resources/{work['resources'][0]['id']}")
        self.assertEqual((line["state"], line["failure"]), ("failed", {
            "code": "work-incomplete", "detail": "管道不通", "retryable": True}))
        again = self.work(kind="install", resource_ids=[line["id"]])
        self.started(again)
        self.do(again, "complete")
        self.assertEqual(self.see(f"/v1/orders/{order['id']}")["state"], "completed")

    def test_a_cancelled_order_needs_no_work(self):
        order = self.ordered(self.rent("broadband"))
        self.expect(self.owner.post(f"/v1/orders/{order['id']}/cancel"), 200)
        work = self.work_of(order)[0]
        self.assertEqual((work["state"], work["outcome"]), ("cancelled", "It is not needed any more."))

    def test_a_tenant_looks_on(self):
        order = self.ordered(self.rent("broadband"))
        work = self.work_of(order)[0]
        seen = self.expect(self.owner.get(f"/v1/work-orders/{work['id']}"), 200)
        self.assertEqual(seen, {**work, "actions": []})
        self.do(work, "accept", status=403, client=self.owner)
        self.expect(self.tenant()[1].get(f"/v1/work-orders/{work['id']}"), 404)


class TestStory(WorkTest):
    """A line and ten terminals, from the cart until nine are back and one is lost."""

    def story(self, resource):
        return [each["action"] for each in reversed(self.owner.all(f"/v1/resources/{resource['id']}/history"))]

    def billed_days(self, resource):
        """Of the running month, by the bill as it would be now."""
        preview = self.expect(self.owner.post("/v1/invoices/preview", {
            "period": datetime.datetime.now(SHANGHAI).strftime("%Y-%m")}), 200)
        return [each["quantity"] for each in preview["lines"] if each["resource_id"] == resource["id"]]

    def test_from_the_order_to_the_return(self):
        rule = self.expect(self.platform.post("/v1/approval-rules", {
            "name": "大单", "minimum_amount": {"amount": "500.00", "currency": "CNY"},
            "steps": [{"side": "operator", "roles": ["operator"]}]}), 201)
        order = self.ordered(self.rent("broadband"), {**self.rent("terminal", 10), "name": "终端"})
        self.assertEqual(order["state"], "pending_approval")
        self.expect(self.operator("operator").post(f"/v1/orders/{order['id']}/approve"), 200)
        self.expect(self.platform.patch(f"/v1/approval-rules/{rule['id']}", {"state": "retired"}, headers={"If-Match": "*"}), 200)
        install, deliver = self.work_of(order)
        self.assertEqual(deliver["title"], "终端 1 × 10")
        for work in (install, deliver):
            self.started(work)
        devices = [self.terminal() for _ in range(10)]
        self.assertEqual(self.billed_days(install["resources"][0]), [])
        self.do(install, "complete")
        self.do(deliver, "complete", {"scans": [each["serial"] for each in devices], "signed_by": "李娜"})
        self.assertEqual(self.see(f"/v1/orders/{order['id']}")["state"], "completed")
        line, rented = install["resources"][0], deliver["resources"]
        self.assertEqual([len(self.billed_days(each)) for each in (line, *rented)], [1] * 11)
        # One breaks, and is swapped: its rent goes on.
        broken = self.see(f"/v1/resources/{rented[0]['id']}")["terminal"]["terminal"]
        spare = self.terminal()
        self.expect(self.platform.post(f"/v1/terminals/{broken['id']}/swap", {
            "replacement_id": spare["id"], "condition": "damaged", "outcome": "repair", "signed_by": "李娜"}), 200)
        self.assertEqual(self.see(f"/v1/resources/{rented[0]['id']}")["terminal"]["terminal"]["id"], spare["id"])
        self.assertEqual(self.billed_days(rented[0]), self.billed_days(rented[1]))
        self.act(line, "suspend", {"reason": "搬迁"}, client=self.owner)
        self.act(line, "resume", client=self.owner)
        # Nine come back in one visit, the tenth is lost.
        back = self.ordered(*({"action": "return", "resource_id": each["id"]} for each in rented))
        fetch = self.work_of(back)
        self.assertEqual([(each["kind"], len(each["resources"])) for each in fetch], [("remove", 10)])
        held = [self.see(f"/v1/resources/{each['id']}")["terminal"]["terminal"] for each in rented]
        self.started(fetch[0])
        self.expect(self.platform.post(f"/v1/terminals/{held[9]['id']}/lose", {"note": "出租车上遗失"}), 200)
        self.do(fetch[0], "complete", {"returns": [{"code": each["asset_tag"], "condition": "good"} for each in held[:9]]})
        self.assertEqual(self.see(f"/v1/orders/{back['id']}")["state"], "completed")
        self.assertEqual([self.see(f"/v1/terminals/{each['id']}")["state"] for each in held], ["in_stock"] * 9 + ["lost"])
        self.assertEqual(self.story(line), ["create", "approve", "provision", "activate", "suspend", "resume"])
        for each in rented:
            self.assertEqual(self.story(each), ["create", "approve", "provision", "activate", "terminate", "terminate"])
        moves = [each["action"] for each in reversed(self.platform.all(f"/v1/terminals/{held[9]['id']}/history"))]
        self.assertEqual(moves, ["receive", "check-out", "lose"])


class TestSchedule(WorkTest):
    def test_actions_and_states(self):
        work = self.work(contact_name="李娜", contact_phone="0311-8888 1234")
        self.do(work, "start", status=409, code="state_conflict")
        late, early = self.window(2), self.window(1)
        self.do(work, "schedule", {**late, "window_ends_at": early["window_starts_at"]}, status=422, code="value_refused")
        self.do(work, "schedule", {**late, "assignee_id": self.user(self.renter)["id"]}, status=422, code="reference_unknown")
        person = self.daemon.create_operator(f"{unique('fitter')}@operator.example", "operator")
        me = self.expect(self.shared.client(person["api_key"]).get("/v1/me"), 200)
        work = self.do(work, "schedule", {**late, "assignee_id": self.assignee(me)})
        self.assertEqual((work["state"], instant(work["window_starts_at"])), ("scheduled", instant(late["window_starts_at"])))
        found = self.platform.all("/v1/work-orders", query={"assignee_id": work["assignee_id"]})
        self.assertEqual([each["id"] for each in found], [work["id"]])
        work = self.do(self.do(work, "accept"), "schedule", early)
        self.assertEqual((work["state"], instant(work["window_starts_at"])), ("accepted", instant(early["window_starts_at"])))
        path = f"/v1/work-orders/{work['id']}"
        changed = self.expect(self.platform.patch(path, {"title": "换机", "contact_phone": ""}, headers={"If-Match": "*"}), 200)
        self.assertEqual((changed["title"], changed["contact_phone"], changed["contact_name"]), ("换机", "", "李娜"))
        self.expect(self.platform.patch(path, {"title": "x"}, headers={"If-Match": '"1"'}), 412)
        self.do(work, "cancel", {"reason": "客户取消"})
        self.expect(self.platform.patch(path, {"title": "x"}, headers={"If-Match": "*"}), 409, "state_conflict")
        self.do(work, "start", status=409, code="state_conflict")

    def assignee(self, me):
        rows = self.database().rows("select user_id from operators order by user_id desc limit 1")
        return rows[0]["user_id"]

    def test_what_it_is_about_is_the_tenants(self):
        foreign = self.request_resource(self.tenant()[1], "broadband")
        body = {"tenant": self.renter["id"], "kind": "other", "title": "x"}
        self.expect(self.platform.post("/v1/work-orders", {**body, "resource_ids": [foreign["id"]]}), 422, "reference_unknown")
        own = self.request_resource(self.owner, "broadband")["id"]
        self.expect(self.platform.post("/v1/work-orders", {**body, "resource_ids": [own, own]}), 422, "reference_unknown")
        absent = {**body, "tenant": "ten_01k8x7g0v8e2v9m3b1q4t5y6z8"}
        self.expect(self.platform.post("/v1/work-orders", absent), 422, "reference_unknown")

    def test_one_completes_it(self):
        order = self.ordered(self.rent("terminal", 2))
        work = self.work_of(order)[0]
        self.started(work)
        devices = [self.terminal()["serial"] for _ in range(8)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda n: self.platform.post(
                f"/v1/work-orders/{work['id']}/complete", {"scans": devices[2 * n:2 * n + 2]}), range(4)))
        self.assertEqual(sorted(each.status for each in answers), [200, 409, 409, 409])

    def test_backdating_takes_a_permission(self):
        order = self.ordered(self.rent("broadband"))
        work = self.work_of(order)[0]
        self.started(work)
        key = self.shared.api_key("operator", scopes=["work-orders:write"])
        client = self.shared.client(key["secret"])
        self.do(work, "complete", {"done_at": spell(datetime.datetime.now(SHANGHAI))}, status=403,
                code="backdating_forbidden", client=client)
        self.do(work, "complete", client=client)


class TestDocuments(WorkTest):
    def add(self, work, body, media, status=201, code=None, **query):
        query = {"kind": "photo", "name": "机柜", **query}
        answer = self.platform.request("POST", f"/v1/work-orders/{work['id']}/documents", body, query=query,
                                       headers={"Content-Type": media})
        return self.expect(answer, status, code)

    def test_a_photograph_and_a_signature(self):
        work = self.work()
        photo = self.add(work, PNG, "image/png")
        self.assertEqual((photo["bytes"], photo["sha256"]), (len(PNG), hashlib.sha256(PNG).hexdigest()))
        jpeg = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4000
        self.add(work, jpeg, "image/jpeg", kind="signature", name="签名")
        seen = self.see(f"/v1/work-orders/{work['id']}")
        self.assertEqual([(each["kind"], each["name"]) for each in seen["documents"]],
                         [("photo", "机柜"), ("signature", "签名")])
        answer = self.owner.get(f"/v1/documents/{seen['documents'][1]['id']}/content")
        self.assertEqual((answer.status, answer.body, answer.header("Content-Type"), answer.header("Content-Disposition")),
                         (200, jpeg, "image/jpeg", "attachment"))
        self.expect(self.tenant()[1].get(f"/v1/documents/{photo['id']}/content"), 404)

    def test_bytes_are_what_they_are_called(self):
        work = self.work()
        for body, media in ((PNG, "image/jpeg"), (b"<svg onload=alert(1)>", "image/png"), (b"", "image/png"),
                            (b"RIFF....WAVE", "image/webp"), (b"%PD", "application/pdf")):
            self.add(work, body, media, status=422 if body else 400,
                     code="document_type_refused" if body else None)
        self.add(work, b"RIFF\0\0\0\0WEBPVP8 ", "image/webp")
        self.add(work, b"%PDF-1.7\n", "application/pdf", kind="paper")
        self.add(work, PNG, "image/gif", status=415)
        self.add(work, PNG + bytes(5 * 1024 * 1024), "image/png", status=413)

    def test_it_never_changes(self):
        photo = self.add(self.work(), PNG, "image/png")
        with self.assertRaisesRegex(AssertionError, "immutable"):
            self.database().execute(f"update documents set name = 'x' where id = '{photo['id']}'")


class TestCalendar(WorkTest):
    def setUp(self):
        super().setUp()
        self.exceptions = {each["day"]: each["works"] for year in (2025, 2026)
                           for each in self.see(f"/v1/business-days/{year}")["days"]}

    def works(self, day):
        return self.exceptions.get(day.isoformat(), day.isoweekday() < 6)

    def deadline(self, since, minutes):
        """An independent count, minute by minute."""
        moment = since.astimezone(SHANGHAI)
        while minutes > 0 or not (self.works(moment.date()) and OPENS <= moment.hour < CLOSES):
            if self.works(moment.date()) and OPENS <= moment.hour < CLOSES:
                minutes -= 1
            moment += datetime.timedelta(minutes=1)
            if minutes == 0:
                break
        return moment

    def test_holidays_and_the_days_worked_for_them(self):
        # Spring Festival of 2026, and the Saturdays worked for it; two ordinary days.
        for day, works in (("2026-02-13", True), ("2026-02-14", True), ("2026-02-15", False), ("2026-02-20", False),
                           ("2026-02-24", True), ("2026-02-28", True), ("2026-03-01", False), ("2026-10-10", True)):
            self.assertEqual(self.works(datetime.date.fromisoformat(day)), works, day)
            self.assertEqual(self.database().value(f"select is_business_day('{day}')"), works, day)

    def test_deadlines(self):
        choose = random.Random(20261127)
        start = datetime.datetime(2026, 1, 1, tzinfo=SHANGHAI)
        for _ in range(40):
            since = start + datetime.timedelta(minutes=choose.randrange(300 * 24 * 60))
            minutes = choose.choice((1, 60, 540, 541, choose.randrange(1, 3000)))
            rows = self.database().rows(
                f"select d as at, business_minutes('{since.isoformat()}', d) as minutes "
                f"from business_deadline('{since.isoformat()}', {minutes}) d")
            found = datetime.datetime.fromisoformat(rows[0]["at"]).astimezone(SHANGHAI)
            self.assertEqual((found, rows[0]["minutes"]), (self.deadline(since, minutes), minutes), f"{since} {minutes}")

    def test_a_year_is_loaded(self):
        days = [{"day": "2030-02-03", "works": False, "name": "春节"}, {"day": "2030-02-09", "works": True, "name": "春节调休"}]
        put = lambda body, status=200, code=None: self.expect(  # noqa: E731
            self.platform.put("/v1/business-days/2030", body, headers={"If-Match": "*"}), status, code)
        self.assertEqual(put({"days": days})["days"], days)
        self.assertEqual(put({"days": days[1:]})["days"], days[1:])
        self.assertEqual(self.see("/v1/business-days/2030")["days"], days[1:])
        put({"days": days + days[:1]}, 422, "value_refused")
        put({"days": [{**days[0], "day": "2031-01-01"}]}, 422, "value_refused")
        self.assertEqual(self.see("/v1/business-days/2030")["days"], days[1:])
        self.assertEqual(put({"days": []})["days"], [])

    def test_service_levels(self):
        self.assertEqual({each["kind"] for each in self.see("/v1/service-levels")["data"]},
                         {"install", "deliver", "remove", "repair", "other"})
        level = self.expect(self.platform.patch("/v1/service-levels/other", {"response_minutes": 30, "completion_minutes": 60}), 200)
        self.assertEqual((level["response_minutes"], level["warn_percent"]), (30, 80))
        work = self.work(kind="other")
        self.assertEqual(self.database().value(
            f"select business_minutes(created_at, completion_due_at) from work_orders where id = '{work['id']}'"), 60)


class TestPromises(WorkTest):
    def shift(self, work, **due):
        """Sets when something is due, in minutes of business hours from now."""
        for name, minutes in due.items():
            moment = (f"business_deadline(now(), {minutes})" if minutes >= 0 else f"now() + interval '{minutes} minutes'")
            self.database().execute(f"update work_orders set {name}_due_at = {moment} where id = '{work['id']}'")

    def late(self, work):
        self.database().execute("select work_orders_watch(100)")
        return self.see(f"/v1/work-orders/{work['id']}")["late"]

    def test_warned_and_broken_once(self):
        work = self.work()  # repair: 120 minutes to respond, 540 to complete; a warning after 80 per cent
        self.assertEqual(self.late(work), [])
        self.shift(work, response=27)
        self.assertEqual(self.late(work), [])
        self.shift(work, response=23)
        self.assertEqual(self.late(work), ["response_warning"])
        self.assertEqual(self.late(work), ["response_warning"])
        self.shift(work, response=-1)
        self.assertEqual(self.late(work), ["response_warning", "response_breach"])
        self.do(work, "schedule", self.window())
        self.do(work, "accept")
        self.shift(work, completion=-1)
        self.assertEqual(self.late(work)[2:], ["completion_warning", "completion_breach"])

    def test_who_responded_is_not_warned(self):
        work = self.work()
        self.do(work, "schedule", self.window())
        self.do(work, "accept")
        self.shift(work, response=-1)
        self.assertEqual(self.late(work), [])

    def test_a_pause_stops_the_clock(self):
        work = self.work()
        self.do(work, "schedule", self.window())
        self.do(work, "pause", {"reason": "等客户"})
        self.do(work, "accept", status=409, code="state_conflict")
        self.database().execute(f"update work_orders set paused_response = 17, paused_completion = 100, "
                                f"response_due_at = now() - interval '1 hour' where id = '{work['id']}'")
        self.assertEqual(self.late(work), [])
        work = self.do(work, "continue")
        self.assertIsNone(work["paused_at"])
        left = self.database().rows(f"select business_minutes(now(), response_due_at) as response, "
                                    f"business_minutes(now(), completion_due_at) as completion "
                                    f"from work_orders where id = '{work['id']}'")[0]
        self.assertLessEqual(abs(left["response"] - 17) + abs(left["completion"] - 100), 2)

    def test_the_job_watches(self):
        work = self.work()
        self.shift(work, response=-1)
        self.database().execute("update operations set not_before = now() where kind = 'watch_work_orders'; notify bccd_jobs")
        self.eventually(lambda: self.see(f"/v1/work-orders/{work['id']}")["late"])


if __name__ == "__main__":
    unittest.main()
