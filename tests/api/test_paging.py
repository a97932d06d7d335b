"""Every list, page by page, gives what it gives at once, each entry once."""

import datetime
import json
import re
import unittest

import matrix
from harness import ApiTest, numbers, recurring, unique


class ListTest(ApiTest):
    def lists(self):
        return [operation for operation in self.contract.operations.values()
                if any(parameter["name"] == "cursor" for parameter in operation.parameters)]

    def path(self, operation, ids):
        """Ids that are not given are of nothing that ever was."""
        return matrix.Asker(self.contract, self.platform, ids).fill_path(operation, None, None)

    def world(self):
        """Things with more than one entry below each, by prefix."""
        tenant, owner = self.tenant("paged")
        month = (datetime.date.today().replace(day=1) - datetime.timedelta(days=1)).strftime("%Y-%m")
        software, _ = (self.resource(self.platform, "software", f"{month}-10T00:00:00Z",
                                     tenant=tenant["id"]) for _ in range(2))
        for kind in ("broadband", "terminal", "terminal"):
            self.resource(owner, kind)
        for name in ("one", "two"):
            self.user(tenant)
            self.expect(owner.post(f"/v1/resources/{software['id']}/seats",
                                   {"person": name, "email": f"{name}@example.com"}), 201)
        self.bill(month, tenant, finalize=True)
        invoices = self.platform.all("/v1/invoices", {"tenant": tenant["id"]})
        note = self.expect(self.platform.post("/v1/credit-notes", {
            "invoice_id": invoices[0]["id"], "reason": "退还"}), 201)
        plan = self.catalog()["software"]["plan"]
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/draft",
                                       {"charges": [recurring("seat", "31.00")]}), 200)
        terminals = self.platform.all("/v1/terminals", {"tenant": tenant["id"]})
        self.catalog_of(tenant, owner, software)
        return {"ten": tenant["id"], "res": software["id"], "inv": invoices[0]["id"], "crn": note["id"],
                "pln": plan["id"], "trm": terminals[0]["id"], "stk": self.stock_take()["id"],
                "apl": self.pool()["id"], "vbr": self.broker(), "lic": self.licence_key(software),
                "quo": self.quota(owner, software), **self.orders_and_faults(tenant, owner, software)}

    def quota(self, owner, software):
        """Two that are passed, at two thresholds, and two reservations."""
        code = unique("paged")
        self.expect(self.platform.post("/v1/meters", {
            "code": code, "name": "paged", "event_type": code, "aggregation": "count", "unit": "X"}), 201)
        made = [self.expect(owner.post("/v1/quotas", {"meter": code, "kind": "soft", "period": "total", "limit": "1"}), 201)["id"]
                for _ in range(2)]
        self.expect(owner.post("/v1/events", [{
            "specversion": "1.0", "id": code, "source": "/paged", "type": code, "subject": software["id"],
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(), "data": {}}]), 200)
        for _ in range(2):
            self.expect(owner.post("/v1/reservations", {"meter": code, "subject": software["id"], "quantity": "1"}), 201)
        return made[0]

    def broker(self):
        """A vendor's, behind two plans."""
        broker = self.expect(self.platform.post("/v1/vendor-brokers", {
            "name": unique("vendor"), "url": "https://127.0.0.1:1"}), 201)
        self.database().execute(f"""
            update vendor_brokers set catalog_due = 'infinity', catalog = '[{{
                "id": "s", "name": "s", "description": null, "plan_updateable": true, "plans": [{{
                    "id": "p", "name": "p", "description": null, "plan_updateable": null, "maximum_polling_duration": null}}]}}]'
            where id = '{broker["id"]}'""")
        for each in (self.offer("software")["plan"] for _ in range(2)):
            self.expect(self.platform.put(f"/v1/vendor-brokers/{broker['id']}/plans/{each['id']}", {
                "service_id": "s", "vendor_plan_id": "p"}), 200)
        return broker["id"]

    def licence_key(self, software):
        """One of two, seen twice."""
        path = f"/v1/resources/{software['id']}/licence-keys"
        added = self.expect(self.platform.post(path, {"keys": [{"key": unique("K")}, {"key": unique("K")}]}), 201)
        key = added["data"][0]["id"]
        for _ in range(2):
            self.expect(self.platform.post(f"{path}/{key}/reveal"), 200)
        return key

    def catalog_of(self, tenant, owner, base):
        """Two families, certificates, add-ons of a resource, and entries of the waiting list."""
        for _ in range(2):
            self.expect(self.platform.post("/v1/offering-families", {"code": unique("fam"), "name": "paged"}), 201)
            self.expect(self.platform.post(f"/v1/tenants/{tenant['id']}/certificates", {
                "code": "iso_27001", "name": "paged", "valid_from": "2026-01-01"}), 201)
            extra = self.offer("software")
            self.expect(self.platform.patch(f"/v1/offerings/{extra['offering']['id']}", {
                "requires_offering_ids": [base["offering_id"]]}, if_match="*"), 200)
            self.database().execute(f"update offerings set add_on = true where id = '{extra['offering']['id']}'")
            self.expect(owner.post("/v1/resources", {
                "kind": "software", "offering_id": extra["offering"]["id"], "plan_id": extra["plan"]["id"],
                "name": "paged", "software": {"seats": 1}, "base_resource_id": base["id"]}), 201)
            point = self.expect(self.platform.post("/v1/access-points", {
                "code": unique("acp"), "name": "paged", "capacity": 1, "access_technology": "gpon"}), 201)
            self.expect(owner.post("/v1/waiting-list-entries", {
                "offering_id": self.catalog()["broadband"]["offering"]["id"], "access_point_id": point["id"],
                "quantity": 2}), 201)

    def pool(self):
        """Of addresses, with two prefixes."""
        pool = self.expect(self.platform.post("/v1/address-pools", {
            "code": unique("apl"), "name": "paged", "family": 4, "purpose": "static"}), 201)
        for _ in range(2):
            self.expect(self.platform.post(f"/v1/address-pools/{pool['id']}/prefixes",
                                           {"prefix": f"10.251.{next(numbers) % 256}.0/30"}), 201)
        return pool

    def orders_and_faults(self, tenant, owner, resource):
        order = self.expect(owner.post("/v1/orders", {"items": [
            {"action": "change", "resource_id": resource["id"], "software": {"seats": 6}}]}), 201)
        self.expect(owner.post(f"/v1/orders/{order['id']}/place"), 200)
        work = self.expect(self.platform.post("/v1/work-orders", {
            "tenant": tenant["id"], "kind": "other", "title": "paged"}), 201)
        self.expect(self.platform.post(f"/v1/work-orders/{work['id']}/cancel"), 200)
        ticket = self.expect(owner.post("/v1/tickets", {
            "resource_id": resource["id"], "category": "slow", "title": "paged"}), 201)
        self.expect(owner.post(f"/v1/tickets/{ticket['id']}/note", {"note": "more"}), 200)
        return {"ord": order["id"], "wor": work["id"], "tkt": ticket["id"]}

    def stock_take(self):
        """With two terminals missing and two codes that nobody knows."""
        place = self.expect(self.platform.post("/v1/terminal-locations", {"name": unique("paged")}), 201)["name"]
        for _ in range(2):
            self.expect(self.platform.post("/v1/terminals", {
                "asset_tag": unique("PC"), "serial": unique("SN"), "model": "m", "location": place}), 201)
        take = self.expect(self.platform.post("/v1/stock-takes", {"location": place}), 201)
        return self.expect(self.platform.post(f"/v1/stock-takes/{take['id']}/scans",
                                              {"codes": [unique("X"), unique("X")]}), 200)


class PagingTest(ListTest):
    def pages(self, path):
        cursor, found = None, []
        while True:
            query = {"limit": 1} if cursor is None else {"limit": 1, "cursor": cursor}
            page = self.expect(self.platform.get(path, query=query), 200)
            self.assertLessEqual(len(page["data"]), 1)
            found += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def test_pages_give_the_whole(self):
        for _ in range(2):
            self.tenant("paged")
        ids = self.world()
        self.database().execute("""
            insert into periods (period, starts_at, ends_at, gate, closed_at) values
                ('2019-01', '2018-12-31T16:00:00Z', '2019-01-31T16:00:00Z', '[]', now()),
                ('2019-02', '2019-01-31T16:00:00Z', '2019-02-28T16:00:00Z', '[]', now()),
                ('2019-03', '2019-02-28T16:00:00Z', '2019-03-31T16:00:00Z', '[]', now())""")
        tried = 0
        for operation in self.lists():
            with self.subTest(operation.id):
                if operation.id in ("list_audit_events", "list_api_keys"):  # which looking adds to
                    continue
                path = self.path(operation, ids)
                whole = self.expect(self.platform.get(path, query={"limit": 500}), 200)["data"]
                self.assertEqual(self.pages(path), whole)
                tried += len(whole) > 1
        self.assertGreaterEqual(tried, 15)

    def test_a_cursor_that_is_none_is_refused(self):
        self.expect(self.platform.get("/v1/tenants", query={"cursor": "no such thing"}), 400,
                    "cursor_invalid")


class BugTest(ListTest):
    """What was wrong once; each by its number."""

    def test_bug_0010_below_what_is_absent_there_is_no_list(self):
        """It was an empty list, as below what is there and has nothing."""
        tried = 0
        for operation in self.lists():
            if operation.named("path"):
                with self.subTest(operation.id):
                    self.expect(self.platform.get(self.path(operation, {})), 404, "not_found")
                    tried += 1
        self.assertGreaterEqual(tried, 7)
        tenant, owner = self.tenant("empty")
        resource = f"/v1/resources/{self.resource(owner, 'software')['id']}"
        for path in (f"/v1/tenants/{tenant['id']}/members", f"{resource}/seats",
                     f"{resource}/sessions", f"{resource}/history?cursor=1"):
            self.assertEqual(self.expect(owner.get(path), 200), {"data": [], "next_cursor": None})
        path = f"/v1/stock-takes/{self.stock_take()['id']}/differences?cursor=1"
        self.assertEqual(self.expect(self.platform.get(path), 200), {"data": [], "next_cursor": None})

    def test_bug_0012_a_cursor_is_of_one_kind(self):
        """An id was taken for a number, and the answer was 422, or a page of anything."""
        ids = self.world()
        prefixes = set(re.findall(r'"id-([a-z]+)"', json.dumps(self.contract.document)))
        cursors = ["1", *(f"{prefix}_{matrix.RANDOM}" for prefix in prefixes)]
        for operation in self.lists():
            with self.subTest(operation.id):
                path, taken = self.path(operation, ids), []
                for cursor in cursors:
                    answer = self.platform.get(path, query={"cursor": cursor})
                    if answer.status == 200:
                        taken.append(cursor)
                    else:
                        self.expect(answer, 400, "cursor_invalid")
                self.assertEqual(len(taken), 1, taken)


if __name__ == "__main__":
    unittest.main()
