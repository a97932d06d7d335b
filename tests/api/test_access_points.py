"""Access points: places that lines take and free, however many come at once; and moves."""

import random
import unittest

from broadband import BroadbandTest
from harness import unique

CROWD, PLACES = 200, 50


class TestAccessPoints(BroadbandTest):
    def test_what_is_written_is_read(self):
        server = self.make("/v1/network-access-servers", {"identifier": unique("bras")})
        point = self.access_point(code=unique("gaoxin"), name="一号机房", name_en="Exchange 1",
                                  address="长江大道 315 号", park_id=self.park()["id"], capacity=7,
                                  network_access_server_id=server["id"], metadata={"floor": "1"})
        self.assertEqual((point["lines"], point["free"], point["state"]), (0, 7, "active"))
        path = f"/v1/access-points/{point['id']}"
        answer = self.platform.get(path)
        self.assertEqual(self.expect(answer, 200), point)
        listed = self.platform.all("/v1/access-points", {"code": point["code"], "state": "active",
                                                         "park_id": self.park()["id"]})
        self.assertEqual(listed, [point])
        changed = self.expect(self.platform.patch(path, {
            "name": "二号机房", "network_access_server_id": None, "capacity": 8}, if_match=answer.etag), 200)
        self.assertEqual((changed["name"], changed["network_access_server_id"], changed["free"]),
                         ("二号机房", None, 8))
        self.expect(self.platform.patch(path, {"name": "x"}, if_match=answer.etag), 412)
        self.expect(self.platform.post("/v1/access-points", {
            "code": point["code"], "name": "x", "capacity": 1, "access_technology": "gpon"}),
            409, "conflict_unique")
        self.expect(self.owner.post("/v1/access-points", {
            "code": unique("acp"), "name": "x", "capacity": 1, "access_technology": "gpon"}), 403)

    def test_a_tenant_sees_those_of_its_park_alone(self):
        other = self.make("/v1/parks", {"code": unique("park"), "name": "别处"})
        foreign = self.access_point(park_id=other["id"])
        near, common = self.access_point(park_id=self.park()["id"]), self.access_point()
        seen = {each["id"] for each in self.owner.all("/v1/access-points")}
        self.assertLessEqual({near["id"], common["id"]}, seen)
        self.assertNotIn(foreign["id"], seen)
        self.expect(self.owner.get(f"/v1/access-points/{foreign['id']}"), 404)
        self.request_line(access_point_id=foreign["id"], status=422, code="reference_unknown")
        self.request_line(access_point_id=near["id"])

    def test_a_line_has_its_place_until_it_ends(self):
        point = self.access_point(capacity=1)
        line = self.line(access_point_id=point["id"])
        self.assertEqual(line["broadband"]["access_point_id"], point["id"])
        self.assertEqual((self.point(point)["lines"], self.point(point)["free"]), (1, 0))
        refused = self.request_line(access_point_id=point["id"], status=409, code="capacity_exhausted")
        self.assertIn(point["id"], refused["detail"])
        self.assertIn(point["code"], refused["detail"])
        self.act(line, "terminate")
        self.assertEqual(self.point(point)["lines"], 1)
        self.act(line, "terminate")
        self.assertEqual(self.point(point)["lines"], 0)
        rejected = self.request_line(access_point_id=point["id"])
        self.act(rejected, "reject")
        self.assertEqual(self.point(point)["lines"], 0)
        withdrawn = self.request_line(access_point_id=point["id"])
        self.act(withdrawn, "terminate", client=self.owner)
        self.assertEqual(self.point(point)["lines"], 0)
        self.check_places()

    def test_its_version_tells_that_a_line_came(self):
        point = self.access_point()
        path = f"/v1/access-points/{point['id']}"
        before = self.platform.get(path)
        self.request_line(access_point_id=point["id"])
        answer = self.platform.get(path, headers={"If-None-Match": before.etag})
        self.assertEqual(self.expect(answer, 200)["lines"], 1)

    def test_a_retired_one_takes_no_more(self):
        point = self.access_point()
        line = self.line(access_point_id=point["id"])
        path = f"/v1/access-points/{point['id']}"
        self.assertEqual(self.expect(self.platform.post(f"{path}/retire"), 200)["state"], "retired")
        self.expect(self.platform.post(f"{path}/retire"), 409, "state_conflict")
        self.request_line(access_point_id=point["id"], status=409, code="state_conflict")
        self.end(line)
        self.assertEqual(self.expect(self.platform.post(f"{path}/reopen"), 200)["state"], "active")
        self.request_line(access_point_id=point["id"])

    def test_capacity_stays_above_its_lines(self):
        point = self.access_point(capacity=3)
        for _ in range(2):
            self.request_line(access_point_id=point["id"])
        path = f"/v1/access-points/{point['id']}"
        self.expect(self.platform.patch(path, {"capacity": 1}, if_match="*"), 409, "state_conflict")
        self.assertEqual(self.expect(self.platform.patch(path, {"capacity": 2}, if_match="*"), 200)["free"], 0)

    def test_the_last_places_are_given_once(self):
        point = self.access_point(capacity=PLACES)

        def order(_):
            return self.platform.post("/v1/resources", {
                **self.order(access_point_id=point["id"]), "tenant": self.renter["id"]})

        answers = self.at_once(CROWD, order)
        refused = [answer for answer in answers if answer.status != 201]
        self.assertEqual(len(answers) - len(refused), PLACES)
        self.assertEqual({(answer.status, answer.code) for answer in refused}, {(409, "capacity_exhausted")})
        self.assertTrue(all(point["id"] in answer.json["detail"] for answer in refused))
        self.assertEqual(self.point(point)["free"], 0)
        self.check_places()
        self.assertNotIn("40P01", self.daemon.log())


class TestMoves(BroadbandTest):
    def move(self, line, point, status=200, code=None, client=None, **body):
        return self.expect((client or self.platform).post(f"/v1/resources/{line['id']}/move", {
            "access_point_id": point and point["id"], **body}), status, code)

    def test_a_move_takes_one_place_and_frees_the_other(self):
        here, there = self.access_point(capacity=1), self.access_point(capacity=1)
        line = self.line(access_point_id=here["id"])
        moved = self.move(line, there, site="5 层", reason="搬迁")
        self.assertEqual((moved["site"], moved["state"], moved["broadband"]["access_point_id"]),
                         ("5 层", "active", there["id"]))
        self.assertEqual((self.point(here)["lines"], self.point(there)["lines"]), (0, 1))
        [last, *_] = self.owner.all(f"/v1/resources/{line['id']}/history")
        self.assertEqual((last["action"], last["from_state"], last["to_state"], last["reason"]),
                         ("move", "active", "active", "搬迁"))
        self.assertEqual(self.move(line, there)["site"], "5 层")
        self.assertIsNone(self.move(line, None)["broadband"]["access_point_id"])
        self.assertEqual(self.point(there)["lines"], 0)

    def test_a_full_one_refuses_and_nothing_has_moved(self):
        here, full = self.access_point(), self.access_point(capacity=1)
        self.request_line(access_point_id=full["id"])
        line = self.line(access_point_id=here["id"])
        self.move(line, full, status=409, code="capacity_exhausted", site="别处")
        now = self.expect(self.owner.get(f"/v1/resources/{line['id']}"), 200)
        self.assertEqual((now["broadband"]["access_point_id"], now["site"]), (here["id"], ""))
        self.change(line, status=409, code="capacity_exhausted", access_point_id=full["id"])
        self.change(line, access_point_id=None)
        self.assertEqual(self.point(here)["lines"], 0)

    def test_in_which_states_and_by_whom(self):
        point = self.access_point()
        line = self.request_line()
        self.assertIn("move", self.expect(self.platform.get(f"/v1/resources/{line['id']}"), 200)["actions"])
        self.assertNotIn("move", line["actions"])
        self.move(line, point, client=self.owner, status=403)
        self.change(line, access_point_id=point["id"], client=self.owner, status=403, code="forbidden")
        for action in ("approve", "provision", "activate", "suspend"):
            self.move(line, point)
            line = self.act(line, action)
        self.move(line, None)
        self.end(line)
        self.move(line, point, status=409, code="state_conflict")
        software = self.request_resource(self.owner, "software")
        self.move(software, point, status=409, code="state_conflict")

    def test_addresses_of_the_old_place_go_back(self):
        here, there = self.access_point(), self.access_point()
        bound, _, network = self.plan(access_point_id=here["id"])
        common, _, other = self.plan()
        line = self.line(access_point_id=here["id"])
        self.change(line, static_address=str(network[7]))
        kept = self.give(line, pool_id=common["id"])
        self.give(line, pool_id=bound["id"])
        moved = self.move(line, there)["broadband"]
        self.assertEqual([each["address"] for each in moved["addresses"]], [str(other[1])])
        self.assertEqual(moved["addresses"][0]["id"], kept["id"])
        self.assertIsNone(moved["static_address"])
        self.assertEqual(self.database().value(
            f"select count(*) from addresses where pool_id = '{bound['id']}' and state = 'quarantined'"), 2)
        self.give(line, pool_id=bound["id"], status=409, code="address_unavailable")
        self.change(line, static_address=str(network[9]), status=409, code="address_unavailable")
        self.check_addresses()

    def test_two_that_change_places_at_once(self):
        points = [self.access_point(capacity=60) for _ in range(3)]
        lines = [self.line(self.platform, access_point_id=points[each % 3]["id"]) for each in range(12)]
        choose = random.Random(20261127)
        wanted = [[choose.choice(points) for _ in range(6)] for _ in lines]

        def run(number):
            for point in wanted[number]:
                self.move(lines[number], point)

        self.at_once(len(lines), run)
        self.check_places()
        for line, places in zip(lines, wanted):
            self.assertEqual(self.shown(line)["access_point_id"], places[-1]["id"])
        self.assertNotIn("40P01", self.daemon.log())


if __name__ == "__main__":
    unittest.main()
