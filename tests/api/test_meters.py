"""Meters: who creates and reads them."""

import unittest

from harness import ApiTest, unique


class Meters(ApiTest):
    def body(self, **fields):
        code = unique("meter")
        return {"code": code, "name": "存储用量", "event_type": f"test.{code}",
                "aggregation": "sum", "value_property": "value", "unit": "GB", **fields}

    def test_an_operator_creates_and_everybody_reads(self):
        body = self.body(name_en="Storage")
        made = self.expect(self.platform.post("/v1/meters", body), 201)
        self.assertEqual({name: made[name] for name in body}, body)
        self.assertEqual(made["source"], "events")
        _, owner = self.tenant()
        self.assertEqual(self.expect(owner.get(f"/v1/meters/{made['id']}"), 200), made)
        listed = self.expect(owner.get("/v1/meters", query={"code": body["code"]}), 200)
        self.assertEqual(listed["data"], [made])

    def test_the_platform_has_meters_of_its_own(self):
        codes = {meter["code"]: meter for meter in self.platform.all("/v1/meters")}
        self.assertEqual(codes["seat-days"]["resource_kind"], "software")
        self.assertEqual(codes["line-days"]["aggregation"], "days")
        self.assertEqual(codes["seat-high-water"]["aggregation"], "max")
        self.assertEqual(codes["terminal-days"]["source"], "derived")
        self.assertEqual(codes["broadband-bytes"]["value_property"], "total_bytes")

    def test_a_tenant_creates_none(self):
        _, owner = self.tenant()
        self.expect(owner.post("/v1/meters", self.body()), 403, "forbidden")
        self.expect(self.operator("finance").post("/v1/meters", self.body()), 403, "forbidden")

    def test_a_code_is_taken_once(self):
        body = self.body()
        self.expect(self.platform.post("/v1/meters", body), 201)
        self.expect(self.platform.post("/v1/meters", body), 409, "conflict_unique")

    def test_the_aggregation_says_whether_a_property_is_read(self):
        body = self.body()
        del body["value_property"]
        self.expect(self.platform.post("/v1/meters", body), 422, "validation_failed")
        self.expect(self.platform.post("/v1/meters", {**body, "aggregation": "count"}), 201)
        self.expect(self.platform.post("/v1/meters", self.body(aggregation="count")), 422,
                    "validation_failed")
        self.expect(self.platform.post("/v1/meters", self.body(aggregation="days")), 422,
                    "validation_failed")

    def test_an_unknown_meter_is_absent(self):
        _, owner = self.tenant()
        self.expect(owner.get("/v1/meters/mtr_01k8x7g0v8e2v9m3b1q4t5y6z7"), 404, "not_found")


if __name__ == "__main__":
    unittest.main()
