"""Reservations of a model, swaps, extensions, deposits: who has what, whatever happens at once."""

import concurrent.futures
import datetime
import random
import unittest

from harness import unique
from inventory import TerminalTest

UNKNOWN = "trm_01k8x7g0v8e2v9m3b1q4t5y6z7"


def cny(amount):
    return {"amount": amount, "currency": "CNY"}


class TestReserveAny(TerminalTest):
    def any(self, resource, status=200, code=None, **fields):
        return self.expect(self.platform.post("/v1/terminals/reserve-any", {
            "resource_id": resource["id"], **fields}), status, code)

    def test_the_oldest_first(self):
        model = self.model()["name"]
        for bought in (None, "2026-02-01", "2025-12-31", "2026-01-01"):
            self.add(model=model, purchased_on=bought)
        taken = [self.any(self.rented(model=model))["purchased_on"] for _ in range(4)]
        self.assertEqual(taken, ["2025-12-31", "2026-01-01", "2026-02-01", None])

    def test_what_the_resource_wishes_for(self):
        wished, other = self.model()["name"], self.model()["name"]
        self.add(model=wished), self.add(model=other)
        resource = self.rented(model=wished)
        found = self.any(resource, note="月底前送达")
        self.assertEqual((found["model"], found["state"], found["resource_id"]),
                         (wished, "reserved", resource["id"]))
        self.assertEqual(self.history(found)[0]["note"], "月底前送达")
        self.any(resource, 409, "state_conflict")
        self.assertEqual(self.any(self.rented(), model=other)["model"], other)
        self.any(self.rented(), 422, "reference_unknown")
        self.any(self.rented(), 422, "reference_unknown", model=unique("M"))
        self.any({"id": "res_01k8x7g0v8e2v9m3b1q4t5y6z7"}, 422, "reference_unknown", model=other)

    def test_none_is_left(self):
        model = self.model()["name"]
        self.act(self.add(model=model), "repair")
        self.act(self.add(model=model), "check-out", {"resource_id": self.rented()["id"],
                                                      "due_on": "2031-01-01"})
        problem = self.any(self.rented(), 409, "stock_exhausted", model=model)
        self.assertEqual(problem["detail"], f"No terminal of the model {model} is in stock; "
                                            "1 are in repair, 1 are due back.")

    def test_the_serial_is_chosen_at_the_door(self):
        model, resource = self.model()["name"], self.rented()
        kept, handed = self.add(model=model), self.add(model=model)
        self.act(kept, "reserve", {"resource_id": resource["id"]})
        self.act(handed, "check-out", {"resource_id": resource["id"]})
        self.assertEqual((self.shown(kept)["state"], self.shown(kept)["resource_id"]), ("in_stock", None))
        last = self.history(kept)[0]
        self.assertEqual((last["action"], last["resource_id"], last["other_terminal_id"]),
                         ("release", resource["id"], handed["id"]))
        self.act(kept, "check-out", {"resource_id": resource["id"]}, 409, "state_conflict")
        self.assertEqual(self.shown(handed)["state"], "rented")

    def test_what_another_takes_but_gives_back_is_waited_for(self):
        model = self.model()["name"]
        terminal, resource = self.add(model=model), self.rented()
        [answer] = self.behind(
            f"select from terminals where id = '{terminal['id']}' for update", "terminal_reserve_any",
            lambda: self.platform.post("/v1/terminals/reserve-any",
                                       {"resource_id": resource["id"], "model": model}))
        self.assertEqual(self.expect(answer, 200)["id"], terminal["id"])

    def test_bug_0096_it_is_read_when_it_is_locked(self):
        """One that was put back meanwhile had its history told as if it had not been."""
        model, renter = unique("model"), self.tenant()[0]
        back, gone = self.add(model=model), self.add(model=model)
        self.act(back, "reserve", {"resource_id": self.rented(renter, model)["id"]})
        resource = self.rented(renter, model)
        [answer] = self.behind(
            f"update terminals set state = 'in_repair' where id = '{gone['id']}'; "
            "update terminals set state = 'in_stock', condition = 'fair', holder_tenant_id = null, "
            f"resource_id = null where id = '{back['id']}'", "terminal_reserve_any",
            lambda: self.platform.post("/v1/terminals/reserve-any", {"resource_id": resource["id"]}))
        self.assertEqual(self.expect(answer, 200)["id"], back["id"])
        last = self.history(back)[0]
        self.assertEqual([last[name] for name in ("from_state", "to_state", "condition", "resource_id")],
                         ["in_stock", "reserved", "fair", resource["id"]])

    def test_two_hundred_for_fifty(self):
        model = self.model()["name"]
        self.load("asset_tag,serial,model\n" + "".join(
            f"{unique('R')},{unique('S')},{model}\n" for _ in range(50)))
        renter, _ = self.tenant()
        resources = [self.rented(renter, model) for _ in range(200)]
        answers = self.at_once([lambda each=each: self.platform.post(
            "/v1/terminals/reserve-any", {"resource_id": each["id"]}) for each in resources])
        taken = [answer.json for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status != 200]
        self.assertEqual((len(taken), len(refused)), (50, 150))
        self.assertEqual(len({each["id"] for each in taken}), 50)
        self.assertEqual(len({each["resource_id"] for each in taken}), 50)
        self.assertEqual({(answer.status, answer.code) for answer in refused}, {(409, "stock_exhausted")})
        stock = self.platform.all("/v1/terminal-models", {"name": model})[0]["stock"]
        self.assertEqual((stock["in_stock"], stock["reserved"]), (0, 50))


class BugTest(TerminalTest):
    """What was wrong once; each by its number."""

    def test_bug_0060_the_one_of_stock_is_asked_for_once(self):
        """It was asked for anew for each row of terminals. When another one was the oldest before the row of
        the first was looked at, none was found, and there was said to be none in stock."""
        model, resource = self.model()["name"], self.rented()
        rows = [f"{unique('B')},{unique('S')},{model},2026-01-01",
                *(f"B{each}-{unique('B')},S{each}-{unique('S')},M70q,2026-01-01" for each in range(3000)),
                f"{unique('B')},{unique('S')},{model},2026-02-01"]
        self.load("asset_tag,serial,model,purchased_on\n" + "\n".join(rows) + "\n")
        oldest, newest = self.platform.all("/v1/terminals", {"model": model, "sort": "created_at"})
        holding = f"""
            begin;
            select from terminals where id = '{oldest['id']}' for update;
            do $$ begin
                for attempt in 1..2000 loop
                    exit when exists (select from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()
                                      and query like '%terminal_reserve_any%');
                    perform pg_sleep(0.005), pg_stat_clear_snapshot();
                end loop;
            end $$;
            commit;"""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            holder = pool.submit(self.database().execute, holding)
            self.eventually(lambda: self.database().value(
                "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and query like '%for attempt in%'") > 0)
            answer = self.platform.post("/v1/terminals/reserve-any", {"resource_id": resource["id"], "model": model})
            holder.result()
        self.assertEqual(self.expect(answer, 200)["id"], newest["id"])


class TestOutAndIn(TerminalTest):
    def test_who_signed(self):
        terminal, resource = self.add(), self.rented()
        self.act(terminal, "check-out", {"resource_id": resource["id"], "signed_by": "李娜", "note": "含电源"})
        place = unique("库")
        self.act(terminal, "check-in", {"condition": "good", "signed_by": "王芳", "location": place})
        self.assertEqual(self.shown(terminal)["location"], place)
        history = self.history(terminal)
        self.assertEqual([(each["action"], each["signed_by"], each["note"]) for each in history],
                         [("check-in", "王芳", ""), ("check-out", "李娜", "含电源"), ("receive", "", "")])
        self.act(terminal, "check-out", {"resource_id": resource["id"], "signed_by": "x" * 201}, 422)

    def test_extend(self):
        terminal, resource = self.add(), self.rented()
        self.act(terminal, "extend", {"due_on": "2031-01-01"}, 409, "state_conflict")
        self.act(terminal, "check-out", {"resource_id": resource["id"], "due_on": "2030-01-31"})
        longer = self.act(terminal, "extend", {"due_on": "2031-01-31", "note": "续租"})
        self.assertEqual((longer["state"], longer["due_on"], longer["resource_id"]),
                         ("rented", "2031-01-31", resource["id"]))
        shown = self.expect(self.platform.get(f"/v1/resources/{resource['id']}"), 200)
        self.assertEqual(shown["terminal"]["terminal"]["due_on"], "2031-01-31")
        self.assertIn("extend", longer["actions"])

    def test_overdue_by_the_calendar(self):
        today = self.today()
        late, due = self.add(), self.add()
        for terminal, days in ((late, 3), (due, 0)):
            self.act(terminal, "check-out", {"resource_id": self.rented()["id"],
                                             "due_on": str(today - datetime.timedelta(days=days))})
        self.assertEqual((self.shown(late)["overdue_days"], self.shown(due)["overdue_days"]), (3, 0))
        ids = {each["id"] for each in self.platform.all("/v1/terminals", {"overdue": True})}
        others = {each["id"] for each in self.platform.all("/v1/terminals", {"overdue": False})}
        self.assertTrue(late["id"] in ids and due["id"] not in ids)
        self.assertTrue(late["id"] not in others and due["id"] in others)
        before = self.platform.all("/v1/terminals", {"due_on[lt]": str(today)})
        self.assertEqual([each["id"] for each in before if each["id"] in (late["id"], due["id"])],
                         [late["id"]])
        self.act(late, "extend", {"due_on": str(today)})
        self.assertEqual(self.shown(late)["overdue_days"], 0)
        self.act(due, "check-in", {"condition": "good"})
        self.assertEqual(self.shown(due)["overdue_days"], 0)


class TestSwap(TerminalTest):
    def out(self, terminal, resource, **fields):
        return self.act(terminal, "check-out", {"resource_id": resource["id"], **fields})

    def resource_shown(self, resource):
        return self.expect(self.platform.get(f"/v1/resources/{resource['id']}"), 200)

    def test_the_rent_goes_on(self):
        first, second, resource = self.add(), self.add(), self.rented()
        self.out(first, resource, due_on="2030-01-31")
        before = self.resource_shown(resource)
        history = self.platform.all(f"/v1/resources/{resource['id']}/history")
        back = self.act(first, "swap", {"replacement_id": second["id"], "condition": "fair",
                                        "outcome": "stock", "note": "键盘失灵", "signed_by": "李娜",
                                        "location": "门市"})
        self.assertEqual((back["state"], back["condition"], back["resource_id"], back["due_on"],
                          back["location"]), ("in_stock", "fair", None, None, "门市"))
        new = self.shown(second)
        self.assertEqual((new["state"], new["condition"], new["resource_id"], new["due_on"],
                          new["location"]), ("rented", "new", resource["id"], "2030-01-31", ""))
        for terminal, other in ((first, second), (second, first)):
            last = self.history(terminal)[0]
            self.assertEqual((last["action"], last["other_terminal_id"], last["resource_id"],
                              last["note"], last["signed_by"]),
                             ("swap", other["id"], resource["id"], "键盘失灵", "李娜"))
        after = self.resource_shown(resource)
        self.assertEqual(after["terminal"]["terminal"]["id"], second["id"])
        self.assertEqual({**after, "terminal": None}, {**before, "terminal": None})
        self.assertEqual(self.platform.all(f"/v1/resources/{resource['id']}/history"), history)

    def test_outcomes(self):
        resource = self.rented()
        current = self.add()
        self.out(current, resource)
        for outcome, condition, state in (("stock", None, "in_stock"), ("repair", "fair", "in_repair"),
                                          ("lost", None, "lost"), ("stock", "damaged", "in_repair")):
            replacement = self.add()
            body = {"replacement_id": replacement["id"], "outcome": outcome}
            if condition:
                body["condition"] = condition
            self.assertEqual(self.act(current, "swap", body)["state"], state)
            current = replacement

    def test_a_replacement_may_be_reserved_before(self):
        first, kept, other, resource = self.add(), self.add(), self.add(), self.rented()
        self.out(first, resource)
        self.act(kept, "reserve", {"resource_id": resource["id"]})
        self.act(other, "reserve", {"resource_id": resource["id"]}, 409, "state_conflict")
        self.assertEqual(self.resource_shown(resource)["terminal"]["terminal"]["id"], first["id"])
        self.act(first, "swap", {"replacement_id": kept["id"], "outcome": "stock"})
        self.assertEqual(self.resource_shown(resource)["terminal"]["terminal"]["id"], kept["id"])
        self.act(first, "reserve", {"resource_id": resource["id"]})
        self.act(kept, "swap", {"replacement_id": other["id"], "outcome": "lost"})
        self.assertEqual((self.shown(first)["state"], self.shown(other)["state"]), ("in_stock", "rented"))

    def test_what_cannot_be_swapped(self):
        first, second, third, resource = self.add(), self.add(), self.add(), self.rented()
        body = {"replacement_id": second["id"], "outcome": "stock"}
        self.act(first, "swap", body, 409, "state_conflict")
        self.out(first, resource)
        self.act(first, "swap", {**body, "replacement_id": first["id"]}, 422, "reference_unknown")
        self.act(first, "swap", {**body, "replacement_id": UNKNOWN}, 422, "reference_unknown")
        self.act(second, "reserve", {"resource_id": self.rented()["id"]})
        self.act(first, "swap", body, 409, "state_conflict")
        self.act(third, "repair")
        self.act(first, "swap", {**body, "replacement_id": third["id"]}, 409, "state_conflict")
        self.act({"id": UNKNOWN}, "swap", body, 404)
        self.assertEqual(self.shown(first)["state"], "rented")

    def test_many_want_the_same_replacement(self):
        out = [(self.add(), self.rented()) for _ in range(8)]
        for terminal, resource in out:
            self.out(terminal, resource)
        spare = self.add()
        answers = self.at_once([lambda each=each: self.platform.post(
            f"/v1/terminals/{each['id']}/swap", {"replacement_id": spare["id"], "outcome": "stock"})
            for each, _ in out])
        self.assertEqual(sorted(answer.status for answer in answers), [200] + [409] * 7, answers)

    def test_everything_at_once(self):
        """Whoever wins: no failure, no deadlock, each resource with a terminal or two at most."""
        chance = random.Random(17)
        terminals = [self.add() for _ in range(8)]
        resources = [self.rented() for _ in range(4)]
        bodies = {
            "reserve": lambda: {"resource_id": chance.choice(resources)["id"]},
            "check-out": lambda: {"resource_id": chance.choice(resources)["id"]},
            "check-in": lambda: {"condition": "good"},
            "swap": lambda: {"replacement_id": chance.choice(terminals)["id"], "outcome": "stock"},
            "release": lambda: None,
        }

        def work():
            found = []
            for _ in range(25):
                action = chance.choice(list(bodies))
                found.append(self.platform.post(
                    f"/v1/terminals/{chance.choice(terminals)['id']}/{action}", bodies[action]()))
            return found

        answers = [answer for each in self.at_once([work] * 12) for answer in each]
        refused = [answer for answer in answers if answer.status != 200]
        self.assertEqual({answer.code for answer in refused} - {"state_conflict", "reference_unknown"}, set(),
                         [answer for answer in refused if answer.code not in ("state_conflict", "reference_unknown")])
        self.assertGreater(sum(answer.status == 200 for answer in answers), 20)
        last = {each["id"]: self.history(each)[0]["to_state"] for each in terminals}
        self.assertEqual(last, {each["id"]: self.shown(each)["state"] for each in terminals})


class TestDeposits(TerminalTest):
    def entries(self, resource, client=None):
        found = (client or self.platform).all("/v1/deposits", {"resource_id": resource["id"],
                                                               "sort": "created_at"})
        return [(each["kind"], each["amount"]["amount"], each["balance"]["amount"]) for each in found]

    def out(self, deposit="500.00", **fields):
        """A terminal that is out, with the resource and the tenant."""
        renter, owner = self.tenant()
        model = self.model(deposit=cny(deposit))["name"]
        terminal, resource = self.add(model=model), self.rented(renter)
        self.act(terminal, "check-out", {"resource_id": resource["id"], **fields})
        return terminal, resource, owner

    def test_held_and_released(self):
        terminal, resource, owner = self.out()
        self.assertEqual(self.entries(resource), [("hold", "500.00", "500.00")])
        self.act(terminal, "check-in", {"condition": "good"})
        expected = [("hold", "500.00", "500.00"), ("release", "500.00", "0.00")]
        self.assertEqual(self.entries(resource), expected)
        self.act(terminal, "check-out", {"resource_id": resource["id"]})
        self.assertEqual(self.entries(resource, owner), [*expected, ("hold", "500.00", "500.00")])
        listed = self.platform.all("/v1/deposits", {"tenant": resource["tenant_id"]})
        self.assertEqual([each["number"] for each in listed], [3, 2, 1])

    def test_claims(self):
        terminal, resource, _ = self.out()
        claim = {**cny("500.01"), "reason": "屏幕破裂"}
        back = {"condition": "damaged", "claim": claim}
        self.act(terminal, "check-in", back, 422, "deposit_exceeded")
        self.act(terminal, "check-in", {**back, "claim": {**claim, "amount": "1", "currency": "USD"}},
                 422, "deposit_exceeded")
        self.act(terminal, "check-in", {**back, "claim": {**claim, "amount": "0.001"}}, 422)
        self.assertEqual(self.shown(terminal)["state"], "rented")
        self.act(terminal, "check-in", {**back, "claim": {**claim, "amount": "120.50"}})
        self.assertEqual(self.entries(resource), [
            ("hold", "500.00", "500.00"), ("claim", "120.50", "379.50"), ("release", "379.50", "0.00")])
        listed = self.platform.all("/v1/deposits", {"resource_id": resource["id"]})
        self.assertEqual([each["reason"] for each in listed], ["", "屏幕破裂", ""])

    def test_loss(self):
        terminal, resource, _ = self.out()
        self.act(terminal, "lose", {"note": "被盗", "claim": {**cny("500.00"), "reason": "丢失"}})
        self.assertEqual(self.entries(resource), [("hold", "500.00", "500.00"), ("claim", "500.00", "0.00")])
        self.act(self.add(), "lose", {"claim": {**cny("1.00"), "reason": "无"}}, 422, "deposit_exceeded")

    def test_a_swap_leaves_it(self):
        terminal, resource, _ = self.out()
        other = self.add(model=self.model(deposit=cny("900.00"))["name"])
        self.act(terminal, "swap", {"replacement_id": other["id"], "outcome": "lost"})
        self.assertEqual(self.entries(resource), [("hold", "500.00", "500.00")])
        self.act(other, "check-in", {"condition": "good"})
        self.assertEqual(self.entries(resource)[1:], [("release", "500.00", "0.00")])

    def test_a_model_without_one(self):
        terminal, resource = self.add(), self.rented()
        self.act(terminal, "check-out", {"resource_id": resource["id"]})
        self.act(terminal, "check-in", {"condition": "good"})
        self.assertEqual(self.entries(resource), [])

    def test_who_sees_them(self):
        _, resource, owner = self.out()
        renter = {"id": resource["tenant_id"]}
        self.assertEqual(self.entries(resource, self.client_of("billing", renter)),
                         [("hold", "500.00", "500.00")])
        self.expect(self.client_of("member", renter).get("/v1/deposits"), 403)
        _, stranger = self.tenant()
        self.assertEqual(self.entries(resource, stranger), [])
        self.expect(owner.get("/v1/deposits"), 200)

    def test_back_once_whoever_asks(self):
        terminal, resource, _ = self.out()
        claim = {"condition": "good", "claim": {**cny("300.00"), "reason": "划痕"}}
        answers = self.at_once([lambda: self.platform.post(
            f"/v1/terminals/{terminal['id']}/check-in", claim) for _ in range(16)])
        self.assertEqual(sorted(answer.status for answer in answers), [200] + [409] * 15, answers)
        self.assertEqual([kind for kind, _, _ in self.entries(resource)], ["hold", "claim", "release"])

    def test_held_once_whoever_checks_out(self):
        renter, _ = self.tenant()
        model, resource = self.model(deposit=cny("500.00"))["name"], self.rented(renter)
        terminals = [self.add(model=model) for _ in range(10)]
        answers = self.at_once([lambda each=each: self.platform.post(
            f"/v1/terminals/{each['id']}/check-out", {"resource_id": resource["id"]}) for each in terminals])
        self.assertEqual(sorted(answer.status for answer in answers), [200] + [409] * 9, answers)
        self.assertEqual({answer.code for answer in answers if answer.status == 409}, {"state_conflict"})
        self.assertEqual(self.entries(resource), [("hold", "500.00", "500.00")])

    def test_the_database_itself_keeps_it(self):
        """Past all functions, by many at once: what is held never falls below zero."""
        _, resource, _ = self.out()

        def claim():
            return self.database().script(
                f"insert into terminal_deposits (id, tenant_id, resource_id, kind, amount, currency, actor) "
                f"values (make_identifier('dep'), '{resource['tenant_id']}', '{resource['id']}', 'claim', 200, "
                f"'CNY', 'test');", stop=False)

        told = self.at_once([claim] * 8)
        entries = self.entries(resource)
        balances = [float(balance) for _, _, balance in entries]
        self.assertEqual(sorted(balances, reverse=True), balances)
        self.assertTrue(0 <= balances[-1] < 500)
        self.assertEqual(len(entries) - 1, sum(not text for text in told), told)
        said = [claim() for _ in range(3)]
        self.assertIn("terminal_deposits_balance", said[-1])
        self.assertEqual(self.entries(resource)[-1][2], "100.00")


if __name__ == "__main__":
    unittest.main()
