"""Holds every answer against the contract, and notes what of the contract was reached."""

import datetime
import decimal
import json
import os
import re
import threading
import urllib.parse

import jsonschema

ID = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,12})?")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
METHODS = ("get", "post", "put", "patch", "delete")

formats = jsonschema.FormatChecker(formats=())


@formats.checks("instant", raises=ValueError)
def is_instant(value):
    if not isinstance(value, str):
        return True
    datetime.datetime.strptime(value[:19], "%Y-%m-%dT%H:%M:%S")
    return INSTANT.fullmatch(value) is not None


@formats.checks("decimal", raises=decimal.InvalidOperation)
def is_decimal(value):
    return not isinstance(value, str) or DECIMAL.fullmatch(value) is not None


@formats.checks("currency")
def is_currency(value):
    return not isinstance(value, str) or re.fullmatch("[A-Z]{3}", value) is not None


@formats.checks("date", raises=ValueError)
def is_date(value):
    return not isinstance(value, str) or datetime.date.fromisoformat(value) is not None


def check_id(prefix):
    @formats.checks(f"id-{prefix}")
    def is_id(value):
        return not isinstance(value, str) or (
            value.startswith(prefix + "_") and ID.fullmatch(value[len(prefix) + 1:]) is not None)
    return is_id


class Broken(AssertionError):
    """The daemon answered otherwise than the contract says."""


class Operation:
    def __init__(self, contract, path, method, item):
        self.path, self.method, node = path, method, item[method]
        self.node = node
        self.id = node["operationId"]
        self.permission = node.get("x-permission")
        self.security = [name for each in node.get("security", []) for name in each]
        self.for_operator = "For the operator's side alone." in node.get("description", "")
        self.parameters = [contract.resolve(parameter) for parameter in
                           item.get("parameters", []) + node.get("parameters", [])]
        body = contract.resolve(node.get("requestBody", {}))
        self.media = body.get("content", {})
        self.body_required = body.get("required", False)
        self.responses = {status: contract.resolve(response)
                          for status, response in node["responses"].items()}
        self.success = int(min(status for status in self.responses if status[0] in "23"))
        segments = path.strip("/").split("/")
        self.pattern = re.compile("/" + "/".join(
            "[^/]+" if segment.startswith("{") else re.escape(segment) for segment in segments))
        self.literals = [segment.startswith("{") for segment in segments]

    def body_schema(self):
        return self.media.get("application/json", {}).get("schema")

    def named(self, place):
        return [parameter for parameter in self.parameters if parameter["in"] == place]


class Contract:
    """The OpenAPI document that the daemon serves."""

    def __init__(self, document):
        self.document = document
        self.operations = {}
        for path, item in document["paths"].items():
            for method in METHODS:
                if method in item:
                    operation = Operation(self, path, method, item)
                    self.operations[operation.id] = operation
        # A literal segment goes before a parameter.
        self.ordered = sorted(self.operations.values(), key=lambda each: each.literals)
        for prefix in [name[3:] for name in document["components"].get("x-formats", {})
                       if name.startswith("id-")]:
            check_id(prefix)
        self.validators = {}
        self.lock = threading.Lock()

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for name in node["$ref"][2:].split("/"):
                target = target[name.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def find(self, method, path):
        method = "get" if method == "HEAD" else method.lower()
        for operation in self.ordered:
            if operation.method == method and operation.pattern.fullmatch(path):
                return operation
        return None

    def validator(self, schema):
        """Keyed by the schema's identity: it belongs to the document, which stays."""
        with self.lock:
            found = self.validators.get(id(schema))
            if found is None:
                whole = {**schema, "components": self.document["components"]}
                found = jsonschema.Draft202012Validator(whole, format_checker=formats)
                self.validators[id(schema)] = found
        return found

    def check(self, method, target, answer):
        """Raises Broken where the answer is not what the contract says."""
        path, _, query = target.partition("?")
        operation = self.find(method, path)
        if answer.header("Request-Id") is None:
            raise Broken(f"{method} {target}: no Request-Id in the answer")
        if answer.status >= 400:
            self.check_problem(operation, method, target, answer)
        elif operation is None:
            if path.startswith(("/v1/", "/radius/")):
                raise Broken(f"{method} {target}: {answer.status}, and no such operation")
            return
        elif answer.status != 304:
            self.check_success(operation, method, target, answer)
        if operation is not None:
            note_coverage(operation, query, answer.status)

    def check_problem(self, operation, method, target, answer):
        where = f"{method} {target}: {answer.status}"
        if operation is not None and "default" not in operation.responses \
                and str(answer.status) not in operation.responses:
            raise Broken(f"{where} is not in the contract of {operation.id}")
        if method == "HEAD":
            return
        if answer.header("Content-Type") != "application/problem+json":
            raise Broken(f"{where}: a problem of type {answer.header('Content-Type')}")
        problem = answer.json
        self.check_schema(where, self.document["components"]["schemas"]["Problem"], problem)
        declared = self.document["components"]["x-problems"].get(problem["code"])
        if declared is None:
            raise Broken(f"{where}: the code {problem['code']} is not among x-problems")
        if problem["status"] != answer.status or declared["status"] != answer.status:
            raise Broken(f"{where}: {problem['code']} has status {declared['status']}")
        if problem.get("request_id") != answer.header("Request-Id"):
            raise Broken(f"{where}: request_id is not what Request-Id says")

    def check_success(self, operation, method, target, answer):
        where = f"{method} {target}: {answer.status}"
        response = operation.responses.get(str(answer.status))
        if response is None:
            raise Broken(f"{where} is not in the contract of {operation.id}")
        content = response.get("content")
        if method == "HEAD":
            return
        if not content:
            if answer.body:
                raise Broken(f"{where}: the contract has no body, the answer has one")
            return
        media = (answer.header("Content-Type") or "").partition(";")[0].strip()
        declared = content.get(media, content.get("*/*"))
        if declared is None:
            raise Broken(f"{where}: {media} is not one of {', '.join(content)}")
        if media == "application/json" and "schema" in declared:
            self.check_schema(where, declared["schema"], answer.json)

    def check_schema(self, where, schema, document):
        errors = [f"  {error.json_path}: {error.message[:300]}"
                  for error in self.validator(schema).iter_errors(document)]
        if errors:
            raise Broken("\n".join([f"{where} breaks the contract:", *errors[:20]]))


def note_coverage(operation, query, status):
    """A line an answer, for the check that nothing of the contract was left untried."""
    path = os.environ.get("CONTRACT_COVERAGE")
    if path is None:
        return
    names = sorted({name for name, _ in urllib.parse.parse_qsl(query, keep_blank_values=True)})
    line = json.dumps([operation.id, names, status]) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
