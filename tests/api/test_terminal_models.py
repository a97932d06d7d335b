"""Models, locations and book values of terminals."""

import csv
import datetime
import decimal
import io
import os
import random
import unittest

from database import quote
from harness import unique
from inventory import TerminalTest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCHEMA = os.path.join(TOP, "deploy", "schema")
NO_STOCK = {"in_stock": 0, "reserved": 0, "rented": 0, "in_repair": 0, "lost": 0, "retired": 0}


def cny(amount):
    return {"amount": amount, "currency": "CNY"}


class TestModels(TerminalTest):
    def test_a_model_is_kept(self):
        fields = {"name": unique("M"), "maker": "联想", "category": "pc", "purchase_price": cny("3299.00"),
                  "depreciation_months": 36, "residual_percent": 5, "lost_after_days": 45,
                  "overdue_day_rate": cny("3.00"), "deposit": cny("500.00"), "metadata": {"a": "b"}}
        made = self.platform.post("/v1/terminal-models", fields)
        model = self.expect(made, 201)
        self.assertEqual({name: model[name] for name in fields}, fields)
        self.assertEqual((model["state"], model["stock"]), ("active", NO_STOCK))
        path = made.header("Location")
        self.assertEqual(path, f"/v1/terminal-models/{model['id']}")
        changed = self.expect(self.platform.patch(path, {"deposit": None, "residual_percent": 0},
                                                  if_match=made.etag), 200)
        self.assertEqual((changed["deposit"], changed["residual_percent"]), (None, 0))
        self.assertEqual(changed["overdue_day_rate"], cny("3.00"))
        self.expect(self.platform.patch(path, {"maker": "x"}, if_match=made.etag), 412)
        self.expect(self.platform.post("/v1/terminal-models", fields), 409, "conflict_unique")
        found = self.platform.all("/v1/terminal-models", {"name": fields["name"], "category": "pc",
                                                          "state": "active", "sort": "created_at"})
        self.assertEqual([each["id"] for each in found], [model["id"]])

    def test_defaults_and_bounds(self):
        model = self.model()
        self.assertEqual((model["category"], model["lost_after_days"], model["residual_percent"],
                          model["depreciation_months"]), ("other", 30, 0, None))
        for wrong in ({"depreciation_months": 0}, {"depreciation_months": 241}, {"residual_percent": 101},
                      {"lost_after_days": 0}, {"lost_after_days": 366}, {"category": "car"},
                      {"deposit": cny("1.001")}, {"deposit": cny("0")}):
            self.expect(self.platform.post("/v1/terminal-models", {"name": unique("M"), **wrong}), 422)

    def test_an_unknown_name_makes_a_model_and_a_location(self):
        model, place, other = unique("M"), unique("库"), unique("库")
        terminal = self.add(model=model, location=place)
        found = self.platform.all("/v1/terminal-models", {"name": model})
        self.assertEqual([each["stock"]["in_stock"] for each in found], [1])
        found = self.platform.all("/v1/terminal-locations", {"name": place})
        self.assertEqual([(each["kind"], each["terminals"]) for each in found], [("warehouse", 1)])
        answer = self.platform.get(f"/v1/terminals/{terminal['id']}")
        changed = self.expect(self.platform.patch(
            f"/v1/terminals/{terminal['id']}", {"location": other, "model": model + "b"},
            if_match=answer.etag), 200)
        self.assertEqual((changed["location"], changed["model"]), (other, model + "b"))
        self.assertEqual(len(self.platform.all("/v1/terminal-locations", {"name": other})), 1)
        self.assertEqual(self.platform.all("/v1/terminal-models", {"name": model})[0]["stock"], NO_STOCK)
        answer = self.platform.get(f"/v1/terminals/{terminal['id']}")
        nowhere = self.expect(self.platform.patch(f"/v1/terminals/{terminal['id']}", {"location": ""},
                                                  if_match=answer.etag), 200)
        self.assertEqual(nowhere["location"], "")

    def test_a_new_name_is_that_of_all(self):
        place, renamed, moved = self.location(kind="office"), unique("M"), unique("库")
        model = self.model()
        terminals = [self.add(model=model["name"], location=place["name"]) for _ in range(3)]
        for path, name in ((f"/v1/terminal-models/{model['id']}", renamed),
                           (f"/v1/terminal-locations/{place['id']}", moved)):
            answer = self.platform.get(path)
            self.expect(self.platform.patch(path, {"name": name}, if_match=answer.etag), 200)
        for terminal in terminals:
            now = self.shown(terminal)
            self.assertEqual((now["model"], now["location"]), (renamed, moved))
        taken = self.platform.get(f"/v1/terminal-models/{self.model()['id']}")
        self.expect(self.platform.patch(f"/v1/terminal-models/{taken.json['id']}", {"name": renamed},
                                        if_match=taken.etag), 409, "conflict_unique")

    def test_a_retired_model_takes_no_new_terminals(self):
        model = self.model()
        path = f"/v1/terminal-models/{model['id']}"
        old, other = self.add(model=model["name"]), self.add()
        self.assertEqual(self.expect(self.platform.post(path + "/retire"), 200)["state"], "retired")
        self.expect(self.platform.post(path + "/retire"), 409, "state_conflict")
        self.expect(self.platform.post("/v1/terminals", {
            "asset_tag": unique("PC"), "serial": unique("SN"), "model": model["name"]}),
            409, "state_conflict")
        answer = self.platform.get(f"/v1/terminals/{other['id']}")
        self.expect(self.platform.patch(f"/v1/terminals/{other['id']}", {"model": model["name"]},
                                        if_match=answer.etag), 409, "state_conflict")
        tag = unique("T")
        problem = self.load(f"asset_tag,serial,model\n{tag},{tag},{model['name']}\n", 409,
                            "state_conflict")
        self.assertEqual(problem["errors"][0]["pointer"], "/rows/2/model")
        answer = self.platform.get(f"/v1/terminals/{old['id']}")
        self.expect(self.platform.patch(f"/v1/terminals/{old['id']}", {"condition": "fair"},
                                        if_match=answer.etag), 200)
        answer = self.platform.get(path)
        self.expect(self.platform.patch(path, {"name": unique("M")}, if_match=answer.etag), 200)
        self.assertEqual(self.expect(self.platform.post(path + "/restore"), 200)["state"], "active")
        self.expect(self.platform.post(path + "/restore"), 409, "state_conflict")
        self.expect(self.platform.post("/v1/terminal-models/mdl_01k8x7g0v8e2v9m3b1q4t5y6z7/retire"), 404)

    def test_a_model_is_retired_while_terminals_come(self):
        """They wait for who retires it, and are refused."""
        model = self.model()
        other = self.platform.get(f"/v1/terminals/{self.add()['id']}")
        answers = self.behind(
            f"update terminal_models set state = 'retired' where id = '{model['id']}'", "terminals",
            lambda: self.platform.post("/v1/terminals", {
                "asset_tag": unique("PC"), "serial": unique("SN"), "model": model["name"]}),
            lambda: self.platform.patch(f"/v1/terminals/{other.json['id']}", {"model": model["name"]},
                                        if_match=other.etag))
        self.assertEqual({(answer.status, answer.code) for answer in answers}, {(409, "state_conflict")})

    def test_a_location_is_kept(self):
        fields = {"name": unique("库"), "kind": "repair_shop", "address": "锦业路 1 号", "note": "周末无人"}
        made = self.platform.post("/v1/terminal-locations", fields)
        place = self.expect(made, 201)
        self.assertEqual({name: place[name] for name in fields}, fields)
        path = f"/v1/terminal-locations/{place['id']}"
        changed = self.expect(self.platform.patch(path, {"kind": "customer"}, if_match=made.etag), 200)
        self.assertEqual((changed["kind"], changed["note"]), ("customer", "周末无人"))
        self.expect(self.platform.patch(path, {"kind": "office"}, if_match=made.etag), 412)
        self.assertEqual(self.expect(self.platform.get(path), 200), changed)
        found = self.platform.all("/v1/terminal-locations", {"name": fields["name"], "kind": "customer",
                                                             "sort": "created_at"})
        self.assertEqual([each["id"] for each in found], [place["id"]])

    def test_what_a_park_sees(self):
        """Models and locations of what its tenants hold, and no other's name."""
        model, place, other = self.model(), self.location(), self.model()
        terminal = self.add(model=model["name"], location=place["name"])
        self.add(model=other["name"])
        self.act(terminal, "check-out", {"resource_id": self.rented()["id"]})
        manager = self.operator("park_manager")
        for path, seen in ((f"/v1/terminal-models/{model['id']}", 200),
                           (f"/v1/terminal-locations/{place['id']}", 200),
                           (f"/v1/terminal-models/{other['id']}", 404)):
            self.expect(manager.get(path), seen)
        self.expect(manager.post("/v1/terminal-models", {"name": unique("M")}), 403)

    def test_many_name_the_same_at_once(self):
        """Each file names the same new models and locations, in an order of its own."""
        names = [unique("M") for _ in range(6)]
        places = [unique("库") for _ in range(6)]

        def text():
            rows = [(unique("A"), name, place) for name in names for place in places]
            random.shuffle(rows)
            return "asset_tag,serial,model,location\n" + "".join(
                f"{tag},S{tag},{name},{place}\n" for tag, name, place in rows)

        answers = self.at_once([lambda body=text(): self.platform.post(
            "/v1/terminals/import", body.encode(), content_type="text/csv") for _ in range(12)])
        self.assertEqual([answer.status for answer in answers], [200] * 12, answers)
        for name in names:
            found = self.platform.all("/v1/terminal-models", {"name": name})
            self.assertEqual([each["stock"]["in_stock"] for each in found], [12 * len(places)])

    def test_names_are_registered_in_their_order(self):
        """Another has the first name and wants the rest while the file waits: were one of those the
        file's already, each would wait for the other."""
        names = [f"{unique('M')}-{n}" for n in range(8)]
        names.sort()
        held = ", ".join(f"(make_identifier('mdl'), {quote(name)})" for name in names[1:])
        another = f"""
            begin;
            insert into terminal_models (id, name) values (make_identifier('mdl'), {quote(names[0])});
            do $$ begin
                for attempt in 1..100 loop
                    exit when exists (select from pg_stat_activity where wait_event_type = 'Lock'
                                      and query like '%register_terminal_names%');
                    perform pg_sleep(0.1), pg_stat_clear_snapshot();
                end loop;
            end $$;
            insert into terminal_models (id, name) values {held};
            commit;"""
        rows = [f"{unique('A')},{unique('S')},{name}\n" for name in reversed(names)]
        there = "select count(*) from pg_stat_activity where query like '%for attempt in%' and pid <> pg_backend_pid()"

        def send():
            self.eventually(lambda: self.database().value(there) > 0)
            return self.load("asset_tag,serial,model\n" + "".join(rows))

        told, answer = self.at_once([lambda: self.database().script(another, stop=False), send])
        self.assertNotIn("ERROR", told)
        self.assertEqual(answer["rows"], len(names))

    def test_renaming_while_terminals_come_and_go(self):
        """No rename waits for ever, and every terminal has a name that is its model's."""
        model, place = self.model(), self.location()
        terminals = [self.add(model=model["name"], location=place["name"]) for _ in range(8)]

        def rename(path):
            for _ in range(6):
                answer = self.platform.get(path)
                self.expect(self.platform.patch(path, {"name": unique("N")}, if_match=answer.etag), 200)

        def move(terminal):
            for action in ("repair", "restock") * 5:
                self.act(terminal, action)

        self.at_once([lambda: rename(f"/v1/terminal-models/{model['id']}"),
                      lambda: rename(f"/v1/terminal-locations/{place['id']}"),
                      *[lambda each=each: move(each) for each in terminals]])
        stock = self.expect(self.platform.get(f"/v1/terminal-models/{model['id']}"), 200)["stock"]
        self.assertEqual(stock["in_stock"], len(terminals))

    def test_filters(self):
        model, place = self.model(category="phone"), self.location()
        here = self.add(model=model["name"], location=place["name"])
        self.add(model=model["name"])
        self.add(location=place["name"])
        found = self.platform.all("/v1/terminals", {"location": place["name"], "category": "phone"})
        self.assertEqual([each["id"] for each in found], [here["id"]])

    def test_a_file_with_a_wrong_row_leaves_nothing(self):
        taken, model, place = self.add(), unique("M"), unique("库")
        for serial, status in ((taken["serial"], 409), ("", 422)):
            self.load("asset_tag,serial,model,location\n" + "".join(
                f"{unique('A')},{unique('S')},{model},{place}\n" for _ in range(50)) +
                f"{unique('A')},{serial},{model},{place}\n", status)
            self.assertEqual(self.platform.all("/v1/terminal-models", {"name": model}), [])
            self.assertEqual(self.platform.all("/v1/terminal-locations", {"name": place}), [])
        self.assertEqual(self.platform.all("/v1/terminals", {"model": model}), [])
        text = f"asset_tag,serial,model\n{unique('A')},{unique('S')},{model}\n"
        self.load(text, dry_run=True)
        self.assertEqual(self.platform.all("/v1/terminal-models", {"name": model}), [])

    def test_ten_thousand_rows(self):
        head, mark = "asset_tag,serial,model,location\n", unique("R")
        rows = [f"{mark}-{n},S{mark}-{n},{mark}-{n % 7},{mark}-{n % 5}\n" for n in range(10001)]
        problem = self.load(head + "".join(rows), 422, "validation_failed")
        self.assertEqual(problem["errors"][0]["pointer"], "/rows/10002/1")
        self.assertEqual(self.load(head + "".join(rows[:-1])), {"rows": 10000, "dry_run": False})
        stock = [each["stock"]["in_stock"] for n in range(7)
                 for each in self.platform.all("/v1/terminal-models", {"name": f"{mark}-{n}"})]
        self.assertEqual((len(stock), sum(stock)), (7, 10000))


def whole_months(since, until):
    """How many times the day of the month has come round: the first of the next where there is none."""
    return (until.year - since.year) * 12 + until.month - since.month - (until.day < since.day)


def book_value(price, since, months, residual, until):
    """The formula, exactly, with Python's Decimal."""
    with decimal.localcontext() as context:
        context.prec = 80
        elapsed = max(0, min(months, whole_months(since, until)))
        exact = price - price * (100 - residual) / 100 * elapsed / months
        return exact.quantize(decimal.Decimal("0.01"), rounding=decimal.ROUND_HALF_UP)


class TestBookValue(TerminalTest):
    def test_property(self):
        """Of any price, age, months and residual value; many of them fall on half a cent."""
        seed = random.randrange(2 ** 32)
        chance = random.Random(seed)
        cases = []
        for _ in range(3000):
            months = chance.choice((1, 3, 8, 16, 24, 36, 48, 60, 125, 240, chance.randint(1, 240)))
            since = datetime.date(2000, 1, 1) + datetime.timedelta(days=chance.randrange(9500))
            until = since + datetime.timedelta(days=chance.randrange(-100, 8000))
            price = decimal.Decimal(chance.randrange(10 ** chance.randint(1, 20))) / 100
            cases.append((price, since, months, chance.choice((0, 5, 50, 100, chance.randint(0, 100))), until))
        values = ", ".join(f"({n}, {price}, date '{since}', {months}, {residual}, date '{until}')"
                           for n, (price, since, months, residual, until) in enumerate(cases))
        rows = self.database().script(
            f"select terminal_book_value(c.p, c.s, c.m, c.r, c.u) "
            f"from (values {values}) as c(n, p, s, m, r, u) order by c.n;").split()
        self.assertEqual(len(rows), len(cases))
        for row, case in zip(rows, cases):
            self.assertEqual(row, str(book_value(*case)), f"seed {seed}: {case}")

    def test_it_only_falls_and_ends_at_the_residual(self):
        last = None
        for month in range(40):
            day = datetime.date(2024 + month // 12, month % 12 + 1, 15)
            value = decimal.Decimal(str(self.database().value(
                f"select terminal_book_value(1000, '2024-01-15', 36, 10, '{day}')::text")))
            self.assertTrue(last is None or value < last or month > 36, (month, value, last))
            last = value
        self.assertEqual(last, decimal.Decimal("100.00"))

    def test_it_is_shown_and_exported(self):
        model = self.model(depreciation_months=36, residual_percent=5)
        bought = self.today().replace(day=1) - datetime.timedelta(days=200)
        terminal = self.add(model=model["name"], purchase_price=cny("3299.00"), purchased_on=str(bought))
        expected = str(book_value(decimal.Decimal("3299.00"), bought, 36, 5, self.today()))
        self.assertEqual(self.shown(terminal)["book_value"], cny(expected))
        self.assertIsNone(self.shown(self.add(model=model["name"]))["book_value"])
        self.assertIsNone(self.add(purchase_price=cny("1.00"), purchased_on=str(bought))["book_value"])
        text = self.platform.get("/v1/terminals/export", query={"model": model["name"]}).body.decode()
        rows = {row["asset_tag"]: row["book_value"] for row in csv.DictReader(io.StringIO(text))}
        self.assertEqual(rows[terminal["asset_tag"]], expected)
        self.assertEqual(sorted(rows.values()), ["", expected])

    def test_what_changes_without_its_version_is_sent(self):
        answer = self.platform.get(f"/v1/terminals/{self.add()['id']}")
        again = self.platform.get(f"/v1/terminals/{answer.json['id']}",
                                  headers={"If-None-Match": answer.etag})
        self.expect(again, 200)


class TestMigration(TerminalTest):
    """An inventory of before 0017 is taken over."""

    def migrate(self, name, numbers):
        database = self.database()
        for file in sorted(os.listdir(SCHEMA)):
            if int(file[:4]) in numbers:
                database.script(f"\\connect {name}\nset client_min_messages = warning;\nbegin;\n"
                                f"\\i {os.path.join(SCHEMA, file)}\ncommit;")

    def test_rows_of_before(self):
        name = unique("m").replace("-", "_")
        self.database().execute(f"create database {name}")
        self.migrate(name, range(1, 17))
        rows = ", ".join(f"('trm_{n}', 'T{n}', 'S{n}', {quote(model)}, {quote(place)})"
                         for n, (model, place) in enumerate(
                             [("M'1", "一号库"), ("M'1", ""), ("M2", "一号库"), ("M2", "二号库")]))
        self.database().script(f"\\connect {name}\ninsert into terminals (id, asset_tag, serial, model, location) "
                               f"values {rows};")
        self.migrate(name, [17])
        found = self.database().script(
            f"\\connect {name}\n"
            "select string_agg(name, ' ' order by name) from terminal_models;\n"
            "select string_agg(name, ' ' order by name) from terminal_locations;\n"
            "select string_agg(coalesce(location, '-'), ' ' order by id) from terminals;\n"
            "select count(*) from terminal_models where id !~ '^mdl_[0-7][0-9a-hjkmnp-tv-z]{25}$';\n")
        self.assertEqual(found.splitlines()[-4:], ["M'1 M2", "一号库 二号库", "一号库 - 一号库 二号库", "0"])
        self.database().execute(f"drop database {name}")


if __name__ == "__main__":
    unittest.main()
