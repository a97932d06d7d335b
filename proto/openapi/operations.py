"""Reads the operations of the contract and completes their documentation by a few simple rules,
so that the fragments need not repeat what the daemon does for all of them."""

import re

from fragments import join
from schemas import NAME, is_spellable, spelled

METHODS = ["get", "post", "put", "patch", "delete"]
AUDIENCES = {
    "public": [],
    "signed-in": [{"api_key": []}, {"session": []}],
    "operator": [{"api_key": []}, {"session": []}],
    "certificate": [{"client_certificate": []}],
}
KEYS = {"operationId", "tags", "summary", "description", "parameters", "requestBody", "responses",
        "deprecated", "externalDocs", "x-audience", "x-permission", "x-body-limit",
        "x-gzip", "x-idempotency-key", "x-if-match", "x-list"}
INTERNAL = ["x-audience", "x-body-limit", "x-gzip", "x-idempotency-key", "x-if-match", "x-list"]
SEGMENT = re.compile(r"[A-Za-z0-9._~-]+|\{([a-z][a-z0-9_]*)\}")
BODY_LIMIT = 65536
BODY_LIMIT_MOST = 64 * 1024 * 1024
# The bounds of proto/contract.h.
PARAMETERS_LIMIT, SEGMENTS_LIMIT, MEDIA_LIMIT = 24, 8, 6
PROBLEM = "#/components/responses/Problem"
ETAG, LOCATION = "#/components/headers/ETag", "#/components/headers/Location"


class Operation:
    """One operation, as struct contract_operation has it."""

    def __init__(self, contract, schemas, checker, path, method, node):
        self.contract, self.schemas, self.checker = contract, schemas, checker
        self.path, self.method, self.node = path, method, node
        self.pointer = join("#/paths", path, method)
        self.read()

    def error(self, message, *names):
        return self.contract.error(join(self.pointer, *names), message)

    def read(self):
        for key in self.node:
            if key not in KEYS:
                raise self.error("unknown key", key)
        self.id = self.node.get("operationId")
        if not NAME.fullmatch(str(self.id)):
            raise self.error("must be lower_snake_case", "operationId")
        self.read_access()
        self.read_path()
        self.keyed = self.choice("x-idempotency-key", ["required", "optional"])
        self.if_match = self.choice("x-if-match", [True]) is not None
        self.list = self.choice("x-list", ["number", *self.contract.document.get("x-ids", {})])
        self.read_body()
        self.gzip = self.choice("x-gzip", [True]) is not None
        if self.gzip and not self.media:
            raise self.error("needs a body", "x-gzip")
        self.add_standard_parameters()
        self.read_parameters()
        self.read_responses()

    def choice(self, key, values, fallback=None):
        value = self.node.get(key, fallback)
        if key in self.node and not any(value is known or value == known for known in values):
            raise self.error(f"must be one of {', '.join(map(str, values))}", key)
        return value

    def read_access(self):
        self.audience = self.choice("x-audience", list(AUDIENCES), "signed-in")
        self.permission = self.node.get("x-permission")
        if self.permission is None:
            return
        if self.audience == "public":
            raise self.error("a public operation has no permission", "x-permission")
        if self.permission not in self.contract.document.get("x-permissions", {}):
            raise self.error(f'"{self.permission}" is not in x-permissions', "x-permission")

    def read_path(self):
        if not self.path.startswith("/"):
            raise self.error("a path begins with a slash")
        parts = self.path[1:].split("/") if self.path != "/" else []
        self.segments, self.names = [], []
        for part in parts:
            match = SEGMENT.fullmatch(part)
            if not match:
                raise self.error(f'the segment "{part}" must be a literal or one "{{parameter}}"')
            self.segments.append(None if match[1] else part)
            if match[1]:
                self.names.append(match[1])
        if len(parts) > SEGMENTS_LIMIT or len(set(self.names)) < len(self.names):
            raise self.error(f"at most {SEGMENTS_LIMIT} segments, each parameter once")

    def read_body(self):
        self.media, self.body, self.body_required = [], None, False
        self.body_limit = self.node.get("x-body-limit", BODY_LIMIT)
        if type(self.body_limit) is not int or not 0 < self.body_limit <= BODY_LIMIT_MOST:
            raise self.error(f"must be 1 to {BODY_LIMIT_MOST} bytes", "x-body-limit")
        body = self.node.get("requestBody")
        if body is None:
            return
        if self.method == "get" or not isinstance(body, dict) or not body.get("content"):
            raise self.error('needs "content", and a method other than GET', "requestBody")
        self.body_required = body.get("required") is True
        self.media = list(body["content"])
        if len(self.media) > MEDIA_LIMIT:
            raise self.error(f"at most {MEDIA_LIMIT} media types", "requestBody")
        for media, content in body["content"].items():
            self.read_media(media, content, ("requestBody", "content", media, "schema"))

    def read_media(self, media, content, names):
        schema = content.get("schema") if isinstance(content, dict) else None
        if not isinstance(schema, dict):
            raise self.error("a schema is missing", *names)
        raw = schema.pop("x-raw", False)
        if media == "application/json" and not raw:
            self.body = self.schemas.compile(schema, join(self.pointer, *names))
        else:
            self.checker.compile(schema, join(self.pointer, *names))

    def add_standard_parameters(self):
        parameters = self.node.setdefault("parameters", [])
        if not isinstance(parameters, list):
            raise self.error("must be a list", "parameters")
        wanted = ["Limit", "Cursor"] if self.list else []
        if self.keyed:
            wanted.append(f"IdempotencyKey{self.keyed.title()}")
        if self.if_match:
            wanted.append("IfMatch")
        if self.gzip:
            wanted.append("ContentEncoding")
        for name in wanted:
            parameters.append({"$ref": f"#/components/parameters/{name}"})

    def read_parameters(self):
        shared = self.contract.document["paths"][self.path].get("parameters", [])
        found = {}
        for place, node in enumerate(shared + self.node["parameters"]):
            where = join(self.pointer, "parameters", place)
            parameter, pointer = self.parameter(node, where)
            key = (parameter.get("in"), parameter.get("name"))
            if key in found:
                raise self.contract.error(where, f'"{key[1]}" stands twice')
            found[key] = self.compile_parameter(parameter, pointer)
        for name in self.names:
            if ("path", name) not in found:
                raise self.error(f'the parameter "{name}" is not described', "parameters")
        in_path = [found.pop(("path", name)) for name in self.names]
        for place, name in found:
            if place == "path":
                raise self.error(f'"{name}" is not in the path', "parameters")
        in_query = [found[key] for key in found if key[0] == "query"]
        self.parameters = in_path + in_query
        binds = [parameter["bind"] for parameter in self.parameters]
        if len(binds) > PARAMETERS_LIMIT or len(set(binds)) < len(binds):
            raise self.error(f"at most {PARAMETERS_LIMIT}, each name once", "parameters")

    def parameter(self, node, pointer):
        if isinstance(node, dict) and "$ref" in node:
            pointer = node["$ref"]
            node = self.contract.resolve(node["$ref"], join(self.pointer, "parameters"))
        if not isinstance(node, dict) or not isinstance(node.get("schema"), dict):
            raise self.contract.error(pointer, "a parameter needs a schema")
        return node, pointer

    def compile_parameter(self, node, pointer):
        place, name, schema = node.get("in"), str(node.get("name")), node["schema"]
        if place not in ("path", "query", "header"):
            raise self.contract.error(join(pointer, "in"), "must be path, query or header")
        number = self.schemas.compile(schema, join(pointer, "schema"))
        if place == "header":
            return None
        if not is_spellable(self.schemas, number):
            raise self.contract.error(
                join(pointer, "schema"), "must be string, integer, boolean or an array of these")
        if place == "query" and self.schemas.rows[number]["types"] == ("array",):
            node.update(style="form", explode=False)
        bind = re.sub(r"\[(\w+)\]", r"_\1", name)
        if not NAME.fullmatch(bind):
            raise self.contract.error(join(pointer, "name"), "must be lower_snake_case")
        if place == "path" and node.get("required") is not True:
            raise self.contract.error(pointer, "a parameter of a path is required")
        if "$ref" in schema and "default" not in schema:
            schema = self.contract.resolve(schema["$ref"], pointer)
        return {"name": name, "bind": bind, "place": place, "schema": number,
                "required": node.get("required") is True,
                "fallback": spelled(schema.get("default"))}

    def read_responses(self):
        responses = self.node.get("responses")
        if not isinstance(responses, dict):
            raise self.error("missing", "responses")
        responses = {str(status): response for status, response in responses.items()}
        good = sorted(status for status in responses if re.fullmatch(r"[23]\d\d", status))
        if not good:
            raise self.error("a status of success is missing", "responses")
        self.success = int(good[0])
        for status in self.problem_statuses():
            responses.setdefault(status, {"$ref": PROBLEM})
        self.node["responses"] = dict(sorted(responses.items()))
        for status, response in self.node["responses"].items():
            self.check_response(status, response)

    def problem_statuses(self):
        statuses = {"400", "429", "503", "default"}
        if self.audience != "public":
            statuses |= {"401", "403"}
        if self.names:
            statuses.add("404")
        if self.keyed or (self.names and self.method != "get"):
            statuses.add("409")
        if self.media:
            statuses |= {"413", "415"}
        if self.body is not None or self.keyed:
            statuses.add("422")
        if self.if_match:
            statuses |= {"412", "428"}
        return statuses

    def check_response(self, status, response):
        names = ("responses", status)
        if not isinstance(response, dict):
            raise self.error("must be an object", *names)
        if status == "202":
            response.setdefault("headers", {})["Location"] = {"$ref": LOCATION}
        if status in ("200", "201") and self.versioned():
            response.setdefault("headers", {})["ETag"] = {"$ref": ETAG}
        for media, content in response.get("content", {}).items():
            if isinstance(content, dict) and "schema" in content:
                self.checker.compile(content["schema"],
                                     join(self.pointer, *names, "content", media, "schema"))

    def versioned(self):
        """True for what answers with an object that If-Match can speak of."""
        item = self.contract.document["paths"][self.path]
        return self.if_match or (self.method == "get" and any(
            isinstance(node, dict) and node.get("x-if-match") for node in item.values()))

    def document(self):
        """Replaces what only the compiler reads by what it means."""
        if self.audience == "operator":
            text = self.node.get("description", "")
            self.node["description"] = f"{text}\n\nFor the operator's side alone.".strip()
        self.node["security"] = AUDIENCES[self.audience]
        for key in INTERNAL:
            self.node.pop(key, None)

    def order(self):
        """By segment count, literals before parameters from the left: the first match is best."""
        return (len(self.segments), [(segment is None, segment or "") for segment in self.segments],
                METHODS.index(self.method))


def check_tags(contract, operation):
    known = {tag["name"] for tag in contract.document.get("tags", [])}
    tags = operation.node.get("tags")
    if not tags or not set(tags) <= known:
        raise operation.error("each operation has a tag, and each tag is declared", "tags")


def check_distinct(contract, operations):
    ids, shapes = {}, {}
    for operation in operations:
        if operation.id in ids:
            raise operation.error(f'"{operation.id}" is the operationId of '
                                  f"{ids[operation.id].pointer} already", "operationId")
        ids[operation.id] = operation
        other = shapes.setdefault(tuple(operation.segments), operation.path)
        if other != operation.path:
            raise operation.error(f'the path "{other}" has the same shape')


def read_operations(contract, schemas, checker):
    operations = []
    for path, item in contract.section("paths"):
        if not isinstance(item, dict):
            raise contract.error(join("#/paths", path), "must be an object")
        for method, node in item.items():
            if method == "parameters":
                continue
            if method not in METHODS or not isinstance(node, dict):
                raise contract.error(join("#/paths", path, method), "no method that is supported")
            operation = Operation(contract, schemas, checker, path, method, node)
            check_tags(contract, operation)
            operations.append(operation)
    operations.sort(key=Operation.order)
    check_distinct(contract, operations)
    for operation in operations:
        operation.document()
    return operations
