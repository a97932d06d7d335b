"""daemon/db/compile.py: what it makes of statements, and what it refuses."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMPILER = os.path.join(TOP, "daemon", "db", "compile.py")


class Compile(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.files = []

    def add(self, name, text):
        path = os.path.join(self.place.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.files.append(path)

    def run_compiler(self, *options):
        return subprocess.run([sys.executable, "-B", COMPILER, *options, *self.files],
                              capture_output=True, text=True, check=False)

    def outputs(self):
        paths = [os.path.join(self.place.name, name) for name in ("s.h", "s.c", "m.c")]
        done = self.run_compiler("--statements-header", paths[0], "--statements", paths[1],
                                 "--migrations", paths[2])
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 0)
        texts = []
        for path in paths:
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
        return texts

    def wordings(self, text, name="x"):
        """The four texts of the statement in `text`, and its parameters."""
        self.add("daemon/tenants/a.sql", text)
        source = self.outputs()[1]
        constants = {}
        for match in re.finditer(r'static const char (\w+)\[\] =\n((?:    ".*";?\n)+)', source):
            pieces = re.findall(r'    "(.*)";?\n', match.group(2))
            constants[match.group(1)] = "".join(pieces).replace('\\"', '"').replace(
                "\\n", "\n").replace("\\?", "?").replace("\\\\", "\\")
        body = source[source.index(f"statement_{name} = {{"):]
        body = body[:body.index("};")]
        texts = [constants[constant] for constant in re.findall(r"= (text_\w+),", body)]
        self.assertEqual(len(texts), 4)
        parameters = re.search(r"\.parameters = \{(.*)\}", body)
        return texts, re.findall(r'"(\w+)"', parameters.group(1)) if parameters else []

    def refused(self, text, *expected, name="daemon/tenants/a.sql"):
        self.add(name, text)
        done = self.run_compiler("--statements", os.path.join(self.place.name, "s.c"))
        self.assertEqual(done.returncode, 1)
        for words in expected:
            self.assertIn(words, done.stderr)

    def test_parameters_are_numbered_in_order(self):
        texts, parameters = self.wordings(
            "-- statement: x\nselect :b::text, :a, ':c', \"d:e\", $q$:f$q$, E'\\':g', a := :b\n")
        self.assertEqual(texts[0], "select $1::text, $2, ':c', \"d:e\", $q$:f$q$, E'\\':g', a := $1")
        self.assertEqual(parameters, ["b", "a"])
        self.assertEqual(len(set(texts)), 1)

    def test_comments_and_blanks_go(self):
        texts, _ = self.wordings("-- a word before\n-- statement: x\nselect 1, -- why :no\n\n"
                                 "   /* and ' this */  '-- kept  ', 'a'\n  'b';\n")
        self.assertEqual(texts[0], "select 1, '-- kept  ', 'a'\n'b'")

    def test_fragments_are_put_in(self):
        texts, parameters = self.wordings(
            "-- fragment: document(t, part)\nobject(t.id, t.part, 't', {{nested t}}, :late, text)\n"
            "-- fragment: nested(u)\n(u.x, {{own u}})\n"
            "-- statement: x\nselect {{document y, coalesce(a, b)}} from t y where :first = 1\n")
        self.assertEqual(texts[0], "select object(y.id, y.coalesce(a, b), 't', (y.x, "
                                   "y.tenant_id = $1), $2, text) from t y where $3 = 1")
        self.assertEqual(parameters, ["tenant", "late", "first"])

    def test_built_ins_have_four_wordings(self):
        texts, parameters = self.wordings(
            "-- statement: x\nselect t.id from t where {{own t}} {{page t.id}}\n")
        end = " limit $3::bigint + 1"
        tenant = "select t.id from t where t.tenant_id = $1 and ($2::text is null or t.id "
        every = ("select t.id from t where ($1::text is null or t.tenant_id = $1) and "
                 "($2::text is null or t.id ")
        descending, ascending = "< $2) order by t.id desc", "> $2) order by t.id asc"
        self.assertEqual(texts, [tenant + descending + end, tenant + ascending + end,
                                 every + descending + end, every + ascending + end])
        self.assertEqual(parameters, ["tenant", "cursor", "limit"])

    def test_pages_by_number_compare_numbers(self):
        texts, _ = self.wordings(
            "-- statement: x\nselect t.n from t where true {{page_by_number t.n}}\n")
        self.assertEqual(texts[0], "select t.n from t where true and ($1::text is null or t.n < "
                                   "$1::bigint) order by t.n desc limit $2::bigint + 1")

    def test_keyed_statements_keep_their_answer(self):
        texts, parameters = self.wordings(
            "-- statement: x keyed\nwith n as (insert into t (a) values (:a) returning id)\n"
            "select 'ok' as outcome, n.id as document from n\n")
        self.assertTrue(texts[0].startswith(
            "with n as (insert into t (a) values ($1) returning id), answer as (select 'ok' as "
            "outcome, n.id as document from n"))
        self.assertTrue(texts[0].endswith("and a.outcome = 'ok') select answer.* from answer"))
        self.assertEqual(parameters, ["a", "actor", "idempotency_key", "idempotency_digest",
                                      "idempotency_status"])
        self.assertIn(".keyed = true", self.outputs()[1])

    def test_outputs_are_numbered_and_repeatable(self):
        self.add("daemon/b/b.sql", "-- statement: second\nselect 2\n")
        self.add("daemon/a/a.sql", "-- statement: first\nselect {{two}}\n")
        self.add("daemon/c/c.sql", "-- fragment: two\n2\n")
        first = self.outputs()
        self.files.reverse()
        self.assertEqual(first, self.outputs())
        header, source, _ = first
        self.assertIn("extern const struct statement statement_first; /* daemon/a/a.sql */", header)
        self.assertIn("    &statement_first,\n    &statement_second,\n    0,\n", source)
        self.assertIn("const size_t statement_count = 2;", source)
        self.assertIn('.file = "daemon/b/b.sql"', source)

    def test_migrations_are_kept(self):
        text = "create table \"t\" (a text default 'x\\?');\n\n-- kept\n"
        self.add("deploy/schema/0002_b.sql", "select 2;\n")
        self.add("deploy/schema/0001_a.sql", text)
        source = self.outputs()[2]
        self.assertLess(source.index("0001_a"), source.index("0002_b"))
        self.assertIn("{1, \"0001_a\",", source)
        self.assertIn("x\\\\\\?", source)
        self.assertIn("-- kept\\n", source)
        self.assertIn("const size_t migration_count = 2;", source)
        digest = __import__("hashlib").sha256(text.encode()).hexdigest()
        self.assertIn(digest, source)

    def test_mistakes_name_their_place(self):
        for text, *expected in [
                ("-- statement: x\n\nselect :a, {{none a}}\n", "a.sql:3: there is no fragment none"),
                ("-- statement: x\nselect *\nfrom t\n", "a.sql:2: 'select *' is banned"),
                ("-- statement: x\ndelete from t\nreturning *\n", "a.sql:3: 'returning *' is banned"),
                ("-- statement: x\nselect $1\n", "a.sql:2: write a parameter as :name"),
                ("-- statement: x\nselect 1;\nselect 2\n", "a.sql:2: a statement is one statement"),
                ("-- statement: x\nselect 'a\n", "a.sql:2: ' is not closed"),
                ("-- statement: x\n-- nothing\n", "a.sql:1: statement x is empty"),
                ("-- statement: X\nselect 1\n", "a.sql:1: a statement's name"),
                ("-- statement: x y\nselect 1\n", "a.sql:1: behind a statement's name"),
                ("-- statement: x keyed\ndelete from t\n", "a.sql:1: a keyed statement gives"),
                ("-- fragment: f(\nselect 1\n", "a.sql:1: a fragment is headed"),
                ("select 1\n", "a.sql:1: SQL before"),
                ("-- statement: x\nselect 1\n-- statement: x\nselect 1\n", "a.sql:3: statement x is"),
                ("-- fragment: own(t)\n1\n", "a.sql:1: fragment own is"),
                ("-- fragment: f(a)\n{{g a}}\n-- fragment: g(a)\n{{f a}}\n-- statement: x\n"
                 "select {{f 1}}\n", "a.sql:4: fragment f uses itself"),
                ("-- fragment: f(a)\na\n-- statement: x\nselect {{f}}\n", "a.sql:4: fragment f takes"),
                ("-- statement: x\nselect " + ", ".join(f":p{i}" for i in range(33)) + "\n",
                 "a.sql:1: x has 33 parameters"),
        ]:
            with self.subTest(text=text):
                self.files.clear()
                self.refused(text, *expected)

    def test_migration_numbers_are_unique(self):
        self.add("deploy/schema/0001_a.sql", "select 1;\n")
        self.refused("select 2;\n", "number 0001 is taken", name="deploy/schema/0001_b.sql")

    def test_ownership(self):
        self.add("deploy/schema/0001_a.sql",
                 "comment on table public.tenant is 'domain: tenants; the enterprises';\n"
                 "comment on table bill\n  is 'domain: billing';\n"
                 "do $$ comment on table nothing is 'domain: billing' $$;\n")
        self.add("daemon/tenants/t.sql",
                 "-- fragment: tenant_touch\nupdate tenant set a = 1\n"
                 "-- statement: a\nwith x as (insert into tenant (a) values (1)) delete from tenant\n"
                 "-- statement: b\ninsert into tenant (a) values (1) on conflict (a) do update set"
                 " a = 2\n-- statement: c\nselect 1 from bill for no key update\n"
                 "-- statement: d\nselect 1 from bill for update of bill\n"
                 "-- statement: e\nmerge into tenant using bill on true when matched then update set"
                 " a = 1\n")
        self.add("daemon/billing/b.sql", "-- statement: f\nwith t as ({{tenant_touch}}) select 1\n")
        done = self.run_compiler("--check-ownership")
        self.assertEqual((done.stdout, done.returncode), ("", 0))
        self.add("daemon/billing/bad.sql",
                 "-- statement: g\nselect 1\n\n-- statement: h\nwith x as (\n"
                 "  update only public.tenant set a = 1) select 1\n"
                 "-- statement: i\ntruncate table \"tenant\"\n-- statement: j\ndelete from unknown\n"
                 "-- statement: k\nmerge into tenant using bill on true when matched then delete\n"
                 "-- statement: l\ninsert into tenant (a) values (1)\n")
        done = self.run_compiler("--check-ownership")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(re.findall(r"bad\.sql:(\d+): (\w+)", done.stdout),
                         [("6", "h"), ("8", "i"), ("10", "table"), ("12", "k"), ("14", "l")])


if __name__ == "__main__":
    unittest.main()
