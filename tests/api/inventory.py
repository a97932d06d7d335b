"""What tests of the inventory of terminals share."""

import concurrent.futures
import datetime
import threading

from harness import ApiTest, unique


class TerminalTest(ApiTest):
    def add(self, **fields):
        return self.expect(self.platform.post("/v1/terminals", {
            "asset_tag": unique("PC"), "serial": unique("SN"), "model": "M70q", **fields}), 201)

    def rented(self, renter=None, model=None):
        """A resource of kind terminal that waits for its device."""
        renter = renter or self.tenant()[0]
        chosen = self.catalog()["terminal"]
        resource = self.expect(self.platform.post("/v1/resources", {
            "tenant": renter["id"], "kind": "terminal", "offering_id": chosen["offering"]["id"],
            "plan_id": chosen["plan"]["id"], "name": "终端",
            **({} if model is None else {"terminal": {"model": model}})}), 201)
        for action in ("approve", "provision"):
            self.expect(self.platform.post(f"/v1/resources/{resource['id']}/{action}"), 200)
        return resource

    def act(self, terminal, action, body=None, status=200, code=None):
        return self.expect(self.platform.post(f"/v1/terminals/{terminal['id']}/{action}", body),
                           status, code)

    def load(self, text, status=200, code=None, **query):
        return self.expect(self.platform.post("/v1/terminals/import", text.encode(), query=query,
                                              content_type="text/csv"), status, code)

    def model(self, **fields):
        return self.expect(self.platform.post("/v1/terminal-models", {
            "name": unique("model"), **fields}), 201)

    def location(self, **fields):
        return self.expect(self.platform.post("/v1/terminal-locations", {
            "name": unique("库"), **fields}), 201)

    def shown(self, terminal):
        return self.expect(self.platform.get(f"/v1/terminals/{terminal['id']}"), 200)

    def history(self, terminal):
        return self.platform.all(f"/v1/terminals/{terminal['id']}/history")

    def today(self):
        """By the calendar of the platform."""
        return datetime.date.fromisoformat(self.database().value(
            "select (clock_timestamp() at time zone time_zone)::date from platform"))

    def at_once(self, calls):
        """What the calls answer, each on a thread of its own that begins when all are there."""
        barrier = threading.Barrier(len(calls))

        def run(call):
            barrier.wait()
            return call()

        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(run, calls))
