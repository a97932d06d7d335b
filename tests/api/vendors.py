"""What tests of vendors stand on: a broker of theirs, and a plan of ours that it stands behind."""

from harness import ApiTest, unique
from vendor_broker import PASSWORD, SERVICE, USER, VendorBroker

QUICK = {"request_seconds": 1, "poll_seconds": 1, "deadline_seconds": 5}


class VendorTest(ApiTest):
    def setUp(self):
        super().setUp()
        self.vendor = VendorBroker()
        self.addCleanup(self.vendor.stop)
        self.broker = self.add_broker()
        self.path = f"/v1/vendor-brokers/{self.broker['id']}"
        self.eventually(lambda: self.catalog_of()["read_at"])
        self.offer_made = self.offer("software")
        self.plan = self.offer_made["plan"]
        self.link(self.plan, "small")
        self.tenant_made, self.owner = self.tenant()

    def add_broker(self, **fields):
        return self.expect(self.platform.post("/v1/vendor-brokers", {
            "name": unique("vendor"), "url": self.vendor.url, "username": USER, "password": PASSWORD,
            "authority": self.vendor.authority, **QUICK, **fields}), 201)

    def catalog_of(self):
        return self.expect(self.platform.get(self.path), 200)["catalog"]

    def link(self, plan, vendor_plan, service=SERVICE, **fields):
        return self.expect(self.platform.put(f"{self.path}/plans/{plan['id']}", {
            "service_id": service, "vendor_plan_id": vendor_plan, "seats_parameter": "seats",
            "parameters": {"region": "cn-north"}, **fields}), 200)

    def another_plan(self, vendor_plan, **fields):
        plan = self.expect(self.platform.post("/v1/plans", {
            "offering_id": self.offer_made["offering"]["id"], "code": unique("plan"), "name": "另一方案",
            "charges": [{"code": "seat", "name": "月租", "kind": "recurring", "price": {"model": "flat", "amount": "50.00"}}]}), 201)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        self.link(plan, vendor_plan, **fields)
        return plan

    # ---- One subscription ----

    def subscribe(self, seats=5):
        """Requested and approved; the vendor is asked by itself."""
        made = self.request_resource(self.owner, "software", offering_id=self.offer_made["offering"]["id"],
                                     plan_id=self.plan["id"], software={"seats": seats})
        return self.act(made, "approve")

    def subscribed(self, seats=5):
        return self.becomes(self.subscribe(seats), "active")

    def now(self, resource):
        return self.expect(self.platform.get(f"/v1/resources/{resource['id']}"), 200)

    def becomes(self, resource, state):
        return self.eventually(lambda: (found := self.now(resource))["state"] == state and not found["operation"] and found, 60)

    def settled(self, resource):
        """When no operation is under way."""
        return self.eventually(lambda: (found := self.now(resource))["operation"] is None and found, 60)

    def operations(self, resource, **query):
        return self.platform.all("/v1/vendor-operations", {"resource_id": resource["id"], **query})

    def history(self, resource):
        return [each["action"] for each in reversed(self.platform.all(f"/v1/resources/{resource['id']}/history"))]

    def change(self, resource, body, client=None):
        return self.act(resource, "change", body, client=client or self.owner)

    def no_orphan(self):
        """What the vendor has is what is active."""
        live = {each["instance_id"] for each in self.database().rows("""
            select i.instance_id from vendor_instances i join resources r on r.tenant_id = i.tenant_id and r.id = i.resource_id
            where i.state = 'live' and r.state in ('active', 'suspended')
              and i.broker_id = '%s'""" % self.broker["id"])}
        self.assertEqual(set(self.vendor.instances), live)
