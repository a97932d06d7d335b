"""Stock-takes by scan."""

import random
import unittest

from harness import unique
from inventory import TerminalTest


class TestStockTakes(TerminalTest):
    def begin(self, place, status=201, code=None, **fields):
        return self.expect(self.platform.post("/v1/stock-takes", {"location": place, **fields}), status, code)

    def scan(self, take, *codes, status=200, code=None):
        return self.expect(self.platform.post(f"/v1/stock-takes/{take['id']}/scans", {"codes": list(codes)}),
                           status, code)

    def end(self, take, action="close", body=None, status=200, code=None):
        return self.expect(self.platform.post(f"/v1/stock-takes/{take['id']}/{action}", body), status, code)

    def differences(self, take):
        """By kind: the terminals, or the codes that are unknown."""
        found = {"missing": [], "unexpected": [], "unknown": []}
        for each in self.platform.all(f"/v1/stock-takes/{take['id']}/differences", {"limit": 2}):
            found[each["kind"]].append(each["terminal_id"] or each["code"])
        return {kind: sorted(each) for kind, each in found.items()}

    def numbers(self, take):
        return tuple(take[name] for name in ("expected", "found", "missing", "unexpected", "unknown"))

    def test_a_count(self):
        place, elsewhere = unique("库"), unique("库")
        stock = [self.add(location=place) for _ in range(4)]
        kept, repaired = self.add(location=place), self.add(location=place)
        self.act(kept, "reserve", {"resource_id": self.rented()["id"]})
        self.act(repaired, "repair")
        resource = self.rented()
        rented, other = self.add(location=place), self.add(location=elsewhere)
        self.act(rented, "check-out", {"resource_id": resource["id"]})
        take = self.begin(place)
        self.assertEqual(self.numbers(take), (6, 0, 6, 0, 0))
        unknown = unique("X")
        shown = self.scan(take, stock[0]["asset_tag"], stock[1]["serial"], rented["asset_tag"],
                          other["serial"], unknown, kept["serial"])
        self.assertEqual(self.numbers(shown), (6, 3, 3, 2, 1))
        again = self.scan(take, stock[0]["asset_tag"], stock[0]["serial"], other["asset_tag"], unknown,
                          unknown)
        self.assertEqual(self.numbers(again), (6, 3, 3, 2, 1))
        self.assertEqual(self.differences(take), {
            "missing": sorted([stock[2]["id"], stock[3]["id"], repaired["id"]]),
            "unexpected": sorted([rented["id"], other["id"]]), "unknown": [unknown]})
        said = {each["terminal_id"]: each for each in
                self.platform.all(f"/v1/stock-takes/{take['id']}/differences")}
        self.assertEqual((said[other["id"]]["location"], said[other["id"]]["state"]), (elsewhere, "in_stock"))
        self.assertEqual((said[rented["id"]]["state"], said[rented["id"]]["resource_id"],
                          said[rented["id"]]["tenant_id"]), ("rented", resource["id"], resource["tenant_id"]))
        closed = self.end(take)
        self.assertEqual((closed["state"], closed["applied"], self.numbers(closed)),
                         ("closed", [], (6, 3, 3, 2, 1)))
        self.assertEqual(self.shown(stock[2])["state"], "in_stock")

    def test_what_is_applied(self):
        place, elsewhere = unique("库"), unique("库")
        missing, kept = self.add(location=place), self.add(location=place)
        self.act(kept, "reserve", {"resource_id": self.rented()["id"]})
        other, lost, rented = (self.add(location=elsewhere) for _ in range(3))
        self.act(lost, "lose")
        self.act(rented, "check-out", {"resource_id": self.rented()["id"]})
        take = self.begin(place)
        self.scan(take, other["asset_tag"], lost["asset_tag"], rented["asset_tag"])
        before = self.differences(take)
        closed = self.end(take, body={"apply": ["move_unexpected", "lose_missing"]})
        self.assertEqual(closed["applied"], ["lose_missing", "move_unexpected"])
        states = [(self.shown(each)["state"], self.shown(each)["location"])
                  for each in (missing, kept, other, lost, rented)]
        self.assertEqual(states, [("lost", place), ("lost", place), ("in_stock", place),
                                  ("in_stock", place), ("rented", elsewhere)])
        self.assertEqual([each["action"] for each in self.history(kept)],
                         ["lose", "release", "reserve", "receive"])
        for terminal, action in ((missing, "lose"), (other, "move"), (lost, "restock")):
            last = self.history(terminal)[0]
            self.assertEqual((last["action"], last["note"]), (action, f"stock-take {take['id']}"))
        self.assertEqual(self.differences(take), before)
        self.scan(take, other["serial"], status=409, code="state_conflict")
        self.end(take, status=409, code="state_conflict")
        self.end(take, "cancel", status=409, code="state_conflict")

    def test_what_moved_meanwhile_is_not_missing(self):
        place = unique("库")
        sold, moved, gone = (self.add(location=place) for _ in range(3))
        take = self.begin(place)
        self.act(sold, "check-out", {"resource_id": self.rented()["id"]})
        answer = self.platform.get(f"/v1/terminals/{moved['id']}")
        self.expect(self.platform.patch(f"/v1/terminals/{moved['id']}", {"location": unique("库")},
                                        if_match=answer.etag), 200)
        late = self.add(location=place)
        self.scan(take, late["asset_tag"])
        self.assertEqual(self.differences(take), {"missing": [gone["id"]], "unexpected": [], "unknown": []})
        self.end(take, body={"apply": ["lose_missing", "move_unexpected"]})
        self.assertEqual([self.shown(each)["state"] for each in (sold, moved, gone, late)],
                         ["rented", "in_stock", "lost", "in_stock"])

    def test_one_model_alone(self):
        place, model = unique("库"), self.model()["name"]
        one, other = self.add(location=place, model=model), self.add(location=place)
        take = self.begin(place, model=model)
        self.assertEqual((take["model"], take["expected"]), (model, 1))
        self.begin(place, 409, "conflict_unique", model=model)
        whole = self.begin(place)
        self.begin(place, 409, "conflict_unique")
        self.assertEqual(self.numbers(self.scan(take, one["serial"], other["serial"])), (1, 1, 0, 0, 0))
        self.assertEqual(self.differences(take), {"missing": [], "unexpected": [], "unknown": []})
        cancelled = self.end(whole, "cancel")
        self.assertEqual((cancelled["state"], cancelled["missing"]), ("cancelled", 2))
        self.begin(place)
        found = self.platform.all("/v1/stock-takes", {"location": place, "state": "cancelled",
                                                      "sort": "created_at"})
        self.assertEqual([each["id"] for each in found], [whole["id"]])
        self.assertEqual(self.expect(self.platform.get(f"/v1/stock-takes/{whole['id']}"), 200), cancelled)

    def test_one_is_open_whoever_begins(self):
        place = self.location()["name"]
        answers = self.at_once([lambda: self.platform.post("/v1/stock-takes", {"location": place})
                                for _ in range(12)])
        self.assertEqual(sorted(answer.status for answer in answers), [201] + [409] * 11, answers)
        take = next(answer.json for answer in answers if answer.status == 201)
        answers = self.at_once([lambda action=action: self.platform.post(
            f"/v1/stock-takes/{take['id']}/{action}") for action in ("close", "cancel") * 6])
        self.assertEqual(sorted(answer.status for answer in answers), [200] + [409] * 11, answers)

    def test_what_is_refused(self):
        self.begin(unique("库"), 422, "reference_unknown")
        place = self.location()["name"]
        self.begin(place, 422, "reference_unknown", model=unique("M"))
        take = self.begin(place)
        self.scan(take, *["A"] * 1001, status=422)
        self.scan(take, "not a code", status=422)
        self.end(take, body={"apply": ["sell"]}, status=422)
        nowhere = {"id": "stk_01k8x7g0v8e2v9m3b1q4t5y6z7"}
        self.scan(nowhere, "A", status=404)
        self.end(nowhere, status=404)
        self.end(nowhere, "cancel", status=404)
        self.expect(self.platform.get(f"/v1/stock-takes/{nowhere['id']}/differences"), 404)
        self.expect(self.operator("park_manager").get(f"/v1/stock-takes/{take['id']}"), 404)

    def test_a_tag_goes_before_a_serial(self):
        place, code = unique("库"), unique("C")
        tagged = self.add(location=place, asset_tag=code)
        self.add(location=place, serial=code)
        take = self.begin(place)
        self.assertEqual(self.scan(take, code)["found"], 1)
        self.assertNotIn(tagged["id"], self.differences(take)["missing"])

    def test_a_thousand_codes_at_once_by_many(self):
        """Scanners overlap; each code and each terminal counts once."""
        place, mark = unique("库"), unique("S")
        self.load("asset_tag,serial,model,location\n" + "".join(
            f"{mark}-{n},N{mark}-{n},m,{place}\n" for n in range(800)))
        take = self.begin(place)
        codes = [f"{mark}-{n}" for n in range(800)] + [f"N{mark}-{n}" for n in range(0, 800, 2)] + \
            [f"X{mark}-{n}" for n in range(100)]
        answers = self.at_once([lambda sample=random.sample(codes, 1000): self.platform.post(
            f"/v1/stock-takes/{take['id']}/scans", {"codes": sample}) for _ in range(8)])
        self.assertEqual({answer.status for answer in answers}, {200}, answers)
        self.scan(take, *codes[:1000])
        shown = self.scan(take, *codes[1000:])
        self.assertEqual((shown["scanned"], self.numbers(shown)), (1300, (800, 800, 0, 0, 100)))

    def test_closing_while_terminals_move(self):
        """What goes out at the same time is not lost, or was lost before; nothing fails."""
        place = unique("库")
        terminals = [self.add(location=place) for _ in range(10)]
        resources = [self.rented() for _ in terminals]
        take = self.begin(place)
        answers = self.at_once([
            lambda: self.platform.post(f"/v1/stock-takes/{take['id']}/close", {"apply": ["lose_missing"]}),
            *[lambda each=each, resource=resource: self.platform.post(
                f"/v1/terminals/{each['id']}/check-out", {"resource_id": resource["id"]})
              for each, resource in zip(terminals, resources)]])
        self.assertEqual(self.expect(answers[0], 200)["state"], "closed")
        self.assertEqual({answer.status for answer in answers} - {200, 409}, set(), answers)
        missing = self.differences(take)["missing"]
        for terminal, answer in zip(terminals, answers[1:]):
            self.assertEqual(self.shown(terminal)["state"], "rented" if answer.status == 200 else "lost")
            self.assertEqual(terminal["id"] in missing, answer.status == 409)


if __name__ == "__main__":
    unittest.main()
