"""The contract compiler: what it writes, and that it refuses what would go wrong later."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import unittest

OPENAPI = pathlib.Path(os.environ.get("SOURCE_DIR", pathlib.Path(__file__).parents[2]),
                       "proto", "openapi")

FRAGMENT = """
    tags: [{name: things, description: Things.}]
    x-permissions: {'things:read': See things., 'things:write': Change things.}
    paths:
      /v1/things:
        get:
          operationId: list_things
          tags: [things]
          summary: List things
          x-permission: things:read
          x-list: res
          parameters:
            - $ref: '#/components/parameters/CreatedAtGte'
            - name: state
              in: query
              schema: {type: array, items: {type: string, enum: [a, b]}, default: [a, b]}
          responses: {200: {description: Things.}}
        post:
          operationId: create_thing
          tags: [things]
          summary: Create a thing
          x-audience: operator
          x-permission: things:write
          x-idempotency-key: required
          requestBody:
            required: true
            content:
              application/json: {schema: {$ref: '#/components/schemas/Thing'}}
              text/csv: {schema: {type: string}}
          responses: {202: {description: Under way.}}
      /v1/things/{thing_id}:
        parameters:
          - {name: thing_id, in: path, required: true, schema: {type: string, format: id-res}}
        get:
          operationId: get_thing
          tags: [things]
          summary: A thing
          responses: {200: {description: The thing.}}
        patch:
          operationId: update_thing
          tags: [things]
          summary: Change a thing
          x-permission: things:write
          x-if-match: true
          x-body-limit: 1000
          x-gzip: true
          requestBody:
            content: {application/json: {schema: {$ref: '#/components/schemas/Thing', x-raw: true}}}
          responses: {200: {description: The thing.}}
      /v1/things/summary:
        get:
          operationId: get_summary
          tags: [things]
          summary: All things
          x-audience: certificate
          responses: {204: {description: Nothing.}}
    components:
      schemas:
        Thing:
          type: object
          required: [name]
          properties:
            id: {type: string, format: id-res, readOnly: true}
            name: {type: string, maxLength: 10}
            note: {type: [string, 'null']}
            owner: {oneOf: [{$ref: '#/components/schemas/TenantId'}, {type: 'null'}]}
            parts: {type: array, items: {$ref: '#/components/schemas/Thing'}}
            shape:
              oneOf: [{$ref: '#/components/schemas/Round'}, {$ref: '#/components/schemas/Square'}]
              discriminator: {propertyName: kind}
        Round: {type: object, required: [kind], properties: {kind: {type: string, const: round}}}
        Square: {type: object, required: [kind], properties: {kind: {type: string, const: square}}}
"""


class Compilation(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def compile(self, *fragments):
        paths = [str(OPENAPI / "common.yaml")]
        for number, fragment in enumerate(fragments):
            path = self.directory / f"fragment{number}.yaml"
            path.write_text(textwrap.dedent(fragment), encoding="utf-8")
            paths.append(str(path))
        return subprocess.run(
            [sys.executable, str(OPENAPI / "compile.py"),
             "--contract", str(self.directory / "contract_data.c"),
             "--operations-header", str(self.directory / "operations.h"),
             "--operations", str(self.directory / "operations.c"),
             "--document", str(self.directory / "openapi.json"), *paths],
            capture_output=True, text=True, check=False)

    def output(self, name):
        return (self.directory / name).read_text(encoding="utf-8")

    def assert_compiles(self, *fragments):
        result = self.compile(*fragments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def assert_refused(self, old, new, *expected):
        """FRAGMENT with one thing changed is refused with a message that holds `expected`."""
        self.assertIn(old, FRAGMENT)
        result = self.compile(FRAGMENT.replace(old, new, 1))
        self.assertEqual(result.returncode, 1, "was compiled")
        for text in ("fragment0.yaml", *expected):
            self.assertIn(text, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertEqual(list(self.directory.glob("*.[ch]")), [])


class Output(Compilation):
    def setUp(self):
        super().setUp()
        self.assert_compiles(FRAGMENT)
        self.document = json.loads(self.output("openapi.json"))

    def operation(self, path, method):
        return self.document["paths"][path][method]

    def statuses(self, path, method):
        return " ".join(self.operation(path, method)["responses"])

    def row(self, name):
        """The text of one operation in the C table."""
        return self.output("contract_data.c").split(f'.id = "{name}"')[1].split("\n    },")[0]

    def test_is_the_same_each_time(self):
        names = ["contract_data.c", "operations.h", "operations.c", "openapi.json"]
        before = [self.output(name) for name in names]
        self.assert_compiles(FRAGMENT)
        self.assertEqual(before, [self.output(name) for name in names])

    def test_literals_come_before_parameters(self):
        names = ["list_things", "create_thing", "get_summary", "get_thing", "update_thing"]
        handlers = self.output("operations.c")
        places = [handlers.index(f"operation_{name},") for name in names]
        self.assertEqual(places, sorted(places))
        self.assertIn("OPERATION_GET_SUMMARY,", self.output("operations.h"))
        self.assertIn("enum step operation_get_thing(struct request *request);",
                      self.output("operations.h"))

    def test_operations_carry_their_conventions(self):
        self.assertIn(".keyed = true", self.row("create_thing"))
        self.assertIn(".success = 202", self.row("create_thing"))
        self.assertIn('.media = {"application/json", "text/csv"}', self.row("create_thing"))
        self.assertIn(".body = &schemas", self.row("create_thing"))
        self.assertIn(".body_limit = 65536", self.row("create_thing"))
        self.assertIn(".if_match = true", self.row("update_thing"))
        self.assertIn(".body_limit = 1000", self.row("update_thing"))
        self.assertIn(".gzip = true", self.row("update_thing"))
        self.assertNotIn(".gzip", self.row("create_thing"))
        self.assertNotIn(".body =", self.row("update_thing"), "x-raw")
        self.assertIn('.list = "res"', self.row("list_things"))
        self.assertIn("CONTRACT_CERTIFICATE", self.row("get_summary"))
        self.assertIn('.segments = {"v1", "things", NULL}', self.row("get_thing"))

    def test_parameters_bind_and_fall_back(self):
        row = self.row("list_things")
        self.assertIn('.name = "created_at[gte]", .bind = "created_at_gte"', row)
        self.assertRegex(row, r'"limit".*\.fallback = "50"')
        self.assertRegex(row, r'"state".*\.fallback = "a,b"')
        self.assertIs(self.operation("/v1/things", "get")["parameters"][1]["explode"], False)

    def test_answers_are_completed_by_rule(self):
        self.assertEqual(self.statuses("/v1/things", "get"), "200 400 401 403 429 503 default")
        self.assertEqual(self.statuses("/v1/things", "post"),
                         "202 400 401 403 409 413 415 422 429 503 default")
        self.assertEqual(self.statuses("/v1/things/{thing_id}", "patch"),
                         "200 400 401 403 404 409 412 413 415 428 429 503 default")
        accepted = self.operation("/v1/things", "post")["responses"]["202"]
        self.assertIn("Location", accepted["headers"])
        for method in ("get", "patch"):
            answer = self.operation("/v1/things/{thing_id}", method)["responses"]["200"]
            self.assertIn("ETag", answer["headers"])

    def test_document_says_what_the_keys_mean(self):
        post = self.operation("/v1/things", "post")
        self.assertEqual([key for key in post if key.startswith("x-")], ["x-permission"])
        self.assertEqual(post["security"], [{"api_key": []}, {"session": []}])
        self.assertIn("operator's side", post["description"])
        self.assertIn({"$ref": "#/components/parameters/IdempotencyKeyRequired"},
                      post["parameters"])
        self.assertIn({"$ref": "#/components/parameters/ContentEncoding"},
                      self.operation("/v1/things/{thing_id}", "patch")["parameters"])
        self.assertIn("not_found", self.document["components"]["x-problems"])
        self.assertIn("id-res", self.document["components"]["x-formats"])
        self.assertNotIn("x-problems", self.document)
        self.assertNotIn("x-raw", self.output("openapi.json"))

    def test_requests_are_closed_and_leave_out_what_is_read_only(self):
        thing = self.document["components"]["schemas"]["Thing"]
        self.assertIs(thing["additionalProperties"], False)
        self.assertNotIn("additionalProperties", self.document["components"]["schemas"]["Problem"])
        data = self.output("contract_data.c")
        table = data[data.index('{"name", &schemas') - 80:data.index('{"name", &schemas') + 20]
        self.assertNotIn('{"id"', table)

    def test_equal_schemas_stand_once(self):
        data = self.output("contract_data.c")
        self.assertEqual(data.count('"square", NULL') + data.count('"square",\n    NULL'), 1)
        self.assertEqual(data.count(".maximum = INT64_C(500)"), 1)


class Refusals(Compilation):
    def test_names_both_files_of_a_double_name(self):
        result = self.compile(FRAGMENT, "components: {schemas: {Round: {type: object}}}")
        self.assertEqual(result.returncode, 1)
        self.assertIn("fragment1.yaml: #/components/schemas/Round", result.stderr)
        self.assertIn("fragment0.yaml already", result.stderr)

    def test_yaml(self):
        self.assert_refused("tags: [{", "tags: [[{", "not YAML")
        self.assert_refused("summary: A thing", "summary: A thing\n          summary: B", "twice")
        self.assert_refused("x-permissions:", "x-permisions:", "unknown section")

    def test_yaml_keeps_words_as_texts(self):
        self.assert_compiles(FRAGMENT.replace("A thing", "no"))
        document = json.loads(self.output("openapi.json"))
        self.assertEqual(document["paths"]["/v1/things/{thing_id}"]["get"]["summary"], "no")

    def test_keywords_that_c_does_not_enforce(self):
        for keyword in ("pattern: a", "uniqueItems: true", "multipleOf: 2", "not: {}",
                        "x-raw: true"):
            self.assert_refused("maxLength: 10", keyword,
                                "#/components/schemas/Thing/properties/name", "not supported")
        self.assert_refused("type: [string, 'null']", "allOf: []", "not supported")

    def test_keywords_in_the_wrong_place(self):
        self.assert_refused("maxLength: 10", "maximum: 10", "integer")
        self.assert_refused("maxLength: 10", "maxLength: -1", "0 or more")
        self.assert_refused("maxLength: 10", "enum: [1]", "texts")
        self.assert_refused("type: string, maxLength: 10", "type: number", "must be of")
        self.assert_refused("required: [name]", "required: [nam]", '"nam" is no property')
        self.assert_refused("maxLength: 10", "format: no-such", "x-formats")
        self.assert_refused("type: string, maxLength: 10", "type: object",
                            "additionalProperties")
        self.assert_refused("{type: string, maxLength: 10}", "{type: array}", "items")

    def test_unions(self):
        self.assert_refused("discriminator: {propertyName: kind}", "title: x", "discriminator")
        self.assert_refused("const: square", "const: round", "two branches")
        self.assert_refused("const: square", "maxLength: 5", "const or enum")

    def test_references(self):
        self.assert_refused("schemas/Thing'}}\n", "schemas/Thign'}}\n", "names nothing")
        self.assert_refused("items: {$ref: '#/components/schemas/Thing'}",
                            "items: {$ref: '#/components/schemas/Loop'}", "names nothing")
        self.assert_refused(
            "{type: object, required: [kind], properties: {kind: {type: string, const: round}}}",
            "{$ref: '#/components/schemas/Round'}", "nothing but itself")
        self.assert_refused("'#/components/schemas/Thing', x-raw: true",
                            "'#/components/responses/Problem'", "no schema")

    def test_keys_of_an_operation(self):
        self.assert_refused("x-permission: things:read", "x-permision: things:read", "unknown key")
        self.assert_refused("x-permission: things:read", "x-permission: things:raed",
                            "not in x-permissions")
        self.assert_refused("x-audience: operator", "x-audience: public", "no permission")
        self.assert_refused("x-audience: operator", "x-audience: everybody", "must be one of")
        self.assert_refused("x-idempotency-key: required", "x-idempotency-key: true",
                            "must be one of")
        self.assert_refused("x-list: res", "x-list: true", "must be one of number")
        self.assert_refused("x-body-limit: 1000", "x-body-limit: 0", "bytes")
        self.assert_refused("x-gzip: true", "x-gzip: false", "must be one of")
        self.assert_refused("x-list: res", "x-gzip: true", "needs a body")
        self.assert_refused("operationId: get_thing", "operationId: list_things", "already")
        self.assert_refused("operationId: get_thing", "operationId: getThing", "snake_case")
        self.assert_refused("tags: [things]", "tags: [thing]", "declared")
        self.assert_refused("{200: {description: Things.}}", "{404: {description: None.}}",
                            "success")
        self.assert_refused("        patch:", "        trace:", "no method")

    def test_paths_and_parameters(self):
        self.assert_refused("/v1/things/summary", "/v1/things/{other}", "not described")
        self.assert_refused("/v1/things/summary", "/v1/things/a{b}", "segment")
        self.assert_refused("name: thing_id, in: path", "name: thing, in: path", "not described")
        self.assert_refused("in: path, required: true", "in: path", "is required")
        self.assert_refused("name: state", "name: State", "snake_case")
        self.assert_refused("name: state", "name: limit", "twice")
        self.assert_refused("in: query", "in: cookie", "must be path")
        self.assert_refused("items: {type: string, enum: [a, b]}", "items: {type: object}",
                            "additionalProperties")

    def test_paths_of_one_shape(self):
        self.assert_refused(
            "/v1/things/summary:\n        get:",
            "/v1/things/{other}:\n        parameters:\n"
            "          - {name: other, in: path, required: true, schema: {type: string}}\n"
            "        get:", "same shape")

    def test_tables(self):
        for problem, expected in (
                ("{status: 400}", "must have"),
                ("{status: 200, title: a, title_zh: b, detail: c, detail_zh: d}", "400 to 599"),
                ("{status: 400, title: a, title_zh: '', detail: c, detail_zh: d}", "a text")):
            self.assert_refused("    x-permissions:", f"    x-problems: {{bad: {problem}}}\n"
                                "    x-permissions:", "#/x-problems/bad", expected)
        self.assert_refused("'things:read'", "'things'", "things:verb")


if __name__ == "__main__":
    unittest.main()
