"""The inventory of terminals: check-out and check-in, CSV in and out."""

import csv
import io
import unittest

from harness import unique
from inventory import TerminalTest


class TestMoves(TerminalTest):
    def test_out_and_in_again(self):
        terminal, resource = self.add(), self.rented()
        target = {"resource_id": resource["id"]}
        self.assertEqual(self.act(terminal, "reserve", target)["state"], "reserved")
        out = self.act(terminal, "check-out", {**target, "condition": "good", "due_on": "2030-01-31"})
        self.assertEqual((out["state"], out["resource_id"], out["due_on"]),
                         ("rented", resource["id"], "2030-01-31"))
        self.act(self.add(), "check-out", target, 409, "state_conflict")
        shown = self.expect(self.platform.get(f"/v1/resources/{resource['id']}"), 200)
        self.assertEqual(shown["terminal"]["terminal"]["asset_tag"], terminal["asset_tag"])
        path = f"/v1/resources/{resource['id']}/terminate"
        self.assertEqual(self.expect(self.platform.post(path), 200)["state"], "terminating")
        self.expect(self.platform.post(path), 409, "terminal_not_returned")
        back = self.act(terminal, "check-in", {"condition": "damaged", "note": "屏幕裂"})
        self.assertEqual((back["state"], back["resource_id"]), ("in_repair", None))
        self.assertEqual(self.expect(self.platform.post(path), 200)["state"], "terminated")
        self.assertEqual(self.act(terminal, "restock", {"condition": "fair"})["state"], "in_stock")
        history = self.platform.all(f"/v1/terminals/{terminal['id']}/history")
        self.assertEqual([each["action"] for each in history],
                         ["restock", "check-in", "check-out", "reserve", "receive"])
        self.assertEqual(history[1]["resource_id"], resource["id"])

    def test_the_rest_of_a_life(self):
        terminal, resource = self.add(), self.rented()
        self.act(terminal, "reserve", {"resource_id": resource["id"]})
        self.assertEqual(self.act(terminal, "release")["state"], "in_stock")
        self.assertEqual(self.act(terminal, "repair", {"note": "键盘"})["state"], "in_repair")
        self.assertEqual(self.act(terminal, "restock", {"condition": "good"})["state"], "in_stock")
        self.assertEqual(self.act(terminal, "lose", {"note": "盘点未见"})["state"], "lost")
        self.act(terminal, "check-out", {"resource_id": resource["id"]}, 409, "state_conflict")
        self.assertEqual(self.act(terminal, "retire")["state"], "retired")

    def test_a_device_is_described_anew(self):
        answer = self.platform.get(f"/v1/terminals/{self.add()['id']}")
        path = f"/v1/terminals/{answer.json['id']}"
        change = {"location": "长安库房", "model": "M75q"}
        changed = self.expect(self.platform.patch(path, change, if_match=answer.etag), 200)
        self.assertEqual({name: changed[name] for name in change}, change)
        self.expect(self.platform.patch(path, change, if_match=answer.etag), 412,
                    "precondition_failed")

    def test_actions_keep_to_the_states(self):
        terminal = self.add()
        self.assertEqual(terminal["actions"], ["check-out", "lose", "repair", "reserve", "retire"])
        self.act(terminal, "check-in", {"condition": "good"}, 409, "state_conflict")
        self.act(terminal, "check-out", {"resource_id": "res_01k8x7g0v8e2v9m3b1q4t5y6z7"}, 422)
        self.act(terminal, "retire")
        self.act(terminal, "restock", status=409, code="state_conflict")

    def test_tags_and_serials_are_unique(self):
        terminal = self.add()
        self.expect(self.platform.post("/v1/terminals", {
            "asset_tag": terminal["asset_tag"], "serial": unique("SN"), "model": "x"}),
            409, "conflict_unique")
        other = self.platform.get(f"/v1/terminals/{self.add()['id']}")
        self.expect(self.platform.patch(f"/v1/terminals/{other.json['id']}",
                                        {"serial": terminal["serial"]}, if_match=other.etag), 409)

    def test_only_the_operator_sees_the_inventory(self):
        _, owner = self.tenant()
        terminal = self.add()
        self.expect(owner.get("/v1/terminals"), 403)
        self.expect(owner.get(f"/v1/terminals/{terminal['id']}"), 403)


class TestCsv(TerminalTest):
    def test_a_file_is_stored_whole(self):
        tags = [unique("CSV") for _ in range(3)]
        text = "asset_tag,serial,model,purchase_price,purchase_currency,location\r\n" + "".join(
            f'{tag},S{tag},"M70q, ""pro""",3299.5,CNY,=1+1\r\n' for tag in tags)
        self.assertEqual(self.load(text, dry_run=True), {"rows": 3, "dry_run": True})
        self.assertEqual(self.platform.all("/v1/terminals", query={"asset_tag": tags[0]}), [])
        self.assertEqual(self.load("\ufeff" + text), {"rows": 3, "dry_run": False})
        stored = self.platform.all("/v1/terminals", query={"asset_tag": tags[0]})[0]
        self.assertEqual(stored["model"], 'M70q, "pro"')
        self.assertEqual(stored["purchase_price"], {"amount": "3299.50", "currency": "CNY"})
        answer = self.platform.get("/v1/terminals/export", query={"model": 'M70q, "pro"'})
        rows = {row["asset_tag"]: row for row in csv.DictReader(io.StringIO(answer.body.decode()))}
        self.assertEqual(rows[tags[1]]["location"], "'=1+1")
        self.assertEqual(rows[tags[1]]["purchase_price"], "3299.5")

    def test_every_error_is_told_by_row_and_column(self):
        taken = self.add()
        new = unique("T")
        problem = self.load("asset_tag,serial,model,condition\n"
                            f"{new},S{new},m,good\n"
                            f"bad tag,S2{new},m,broken\n"
                            ",x,\n".replace(",x,\n", f"X{new},,m,\n"), 422, "validation_failed")
        self.assertEqual({error["pointer"] for error in problem["errors"]},
                         {"/rows/3/asset_tag", "/rows/3/condition", "/rows/4/serial"})
        problem = self.load("asset_tag,serial,model\n"
                            f"{new},S{new},m\n{new},T{new},m\n{unique('U')},{taken['serial']},m\n",
                            409, "conflict_unique")
        self.assertEqual([error["pointer"] for error in problem["errors"]],
                         ["/rows/3/asset_tag", "/rows/4/serial"])
        self.assertEqual(self.platform.all("/v1/terminals", query={"asset_tag": new}), [])

    def test_what_is_no_csv_is_refused(self):
        for text, pointer in (('asset_tag,serial,model\n"a,b,c\n', "/rows/2/1"),
                              ("asset_tag,serial,model\na,b\n", "/rows/2/2"),
                              ("asset_tag,colour\n", "/rows/1/2")):
            problem = self.load(text, 422)
            self.assertEqual(problem["errors"][0]["pointer"], pointer)


if __name__ == "__main__":
    unittest.main()
