"""The matrix of the tenants' walls, made from the contract: every place in every operation where an
id can stand, and requests that put one there."""

import base64
import copy
import json
import re

RANDOM = "01k8x7g0v8e2v9m3b1q4t5y6z7"  # of a UUIDv7 that was never made
SHARED = {"fam", "off", "pln", "mtr", "tir"}  # of the catalog: the same for all tenants


class Slot:
    """A place for an id: in the path, the query or the body of an operation."""

    def __init__(self, operation, place, name, prefix):
        self.operation, self.place, self.name, self.prefix = operation, place, name, prefix

    def __repr__(self):
        where = "/".join(self.name) if self.place == "body" else self.name
        return f"{self.operation.id}({self.place} {where})"


def prefix_of(contract, schema):
    """"res" of a schema for ids of resources; else None."""
    schema = contract.resolve(schema)
    match = re.fullmatch(r"id-([a-z]+)", schema.get("format", ""))
    return match[1] if match else None


def body_places(contract, schema, names=(), depth=0):
    """Paths to fields for ids in a body."""
    schema = contract.resolve(schema or {})
    for each in schema.get("oneOf", []) + schema.get("anyOf", []):
        yield from body_places(contract, each, names, depth)
    for name, field in schema.get("properties", {}).items():
        prefix = prefix_of(contract, field)
        if prefix:
            yield names + (name,), prefix
        elif depth < 3:
            yield from body_places(contract, field, names + (name,), depth + 1)


def slots(contract, operation):
    found = {}
    for parameter in operation.parameters:
        prefix = prefix_of(contract, parameter["schema"])
        if prefix and parameter["in"] in ("path", "query"):
            found[(parameter["in"], parameter["name"])] = prefix
    for names, prefix in body_places(contract, operation.body_schema()):
        found[("body", names)] = prefix
    return [Slot(operation, place, name, prefix) for (place, name), prefix in found.items()
            if prefix not in SHARED]


def example(contract, schema, ids):
    """A value that keeps to the schema: its example, with ids of what is one's own."""
    schema = contract.resolve(schema)
    prefix = prefix_of(contract, schema)
    if prefix:
        return ids.get(prefix, f"{prefix}_{RANDOM}")
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return example(contract, schema[choice][0], ids)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example(contract, schema["properties"][name], ids)
                for name in schema.get("required", []) if name in schema.get("properties", {})}
    if kind == "array":
        return [example(contract, schema["items"], ids)] * max(schema.get("minItems", 0), 1)
    if schema.get("examples"):
        return schema["examples"][0]
    return {"integer": schema.get("minimum", 1), "boolean": False}.get(kind, "a")


def place_in(body, names, value):
    body = copy.deepcopy(body)
    target = body
    for name in names[:-1]:
        target = target.setdefault(name, {})
    target[names[-1]] = value
    return body


class Asker:
    """Sends an operation's request with ids of its own and, in one slot, a given one."""

    def __init__(self, contract, client, ids):
        self.contract, self.client, self.ids = contract, client, ids

    def fill_path(self, operation, slot, value):
        path = operation.path
        for parameter in operation.named("path"):
            name = parameter["name"]
            prefix = prefix_of(self.contract, parameter["schema"])
            if slot is not None and slot.place == "path" and slot.name == name:
                text = value
            elif prefix:
                text = self.ids.get(prefix, f"{prefix}_{RANDOM}")
            else:
                text = parameter.get("example", example(self.contract, parameter["schema"], {}))
            path = path.replace("{" + name + "}", str(text))
        return path

    def ask(self, operation, slot=None, value=None, headers=None):
        path = self.fill_path(operation, slot, value)
        query = {parameter["name"]: parameter.get("example", example(
            self.contract, parameter["schema"], self.ids)) for parameter in operation.named("query")
            if parameter.get("required") or (operation.id, parameter["name"]) == ("get_entitlement", "email")}
        body, media = None, "application/json"
        if operation.body_schema() is not None:
            body = example(self.contract, operation.body_schema(), self.ids)
        elif operation.media:
            media = next(iter(operation.media))
            body = b""
        if slot is not None and slot.place == "query":
            query[slot.name] = value
        if slot is not None and slot.place == "body":
            body = place_in(body, slot.name, value)
        conditional = any(parameter["name"] == "If-Match" for parameter in operation.parameters)
        return self.client.request(operation.method.upper(), path, body, query=query,
                                   if_match="*" if conditional else None, content_type=media,
                                   headers=headers)


def claims(token):
    """What a signed token says, whenever it was made."""
    payload = token.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {name: value for name, value in found.items() if name not in ("iat", "nbf", "exp")}


def blurred(answer, value):
    """Status and body, less what tells one request or one id from another."""
    if "json" not in (answer.header("Content-Type") or "") or not answer.body:
        return answer.status, answer.body
    body = answer.json
    if isinstance(body, dict):
        for name in ("request_id", "as_of", "checked_at", "valid_until"):
            body.pop(name, None)
        if "token" in body:
            body["token"] = claims(body["token"])
    return answer.status, json.dumps(body, sort_keys=True).replace(value, "ID")
