"""Compiles JSON Schema, in the subset that proto/schema.h knows, into rows of one table.

A keyword that C does not enforce is an error, so that the document never promises more than the
daemon checks. Equal schemas share a row.

Requests are closed: an object that states its properties but not `additionalProperties` gets
`additionalProperties: false`, in the document too. Members with `readOnly` are no part of a
request.
"""

import re

from fragments import join

TYPES = ["object", "array", "string", "integer", "boolean", "null"]
ANNOTATIONS = {"title", "description", "example", "examples", "default", "deprecated", "readOnly",
               "writeOnly", "$comment"}
KEYWORDS = {  # and the type that each is about
    "properties": "object", "required": "object", "additionalProperties": "object",
    "minProperties": "object", "maxProperties": "object", "propertyNames": "object",
    "items": "array", "minItems": "array", "maxItems": "array",
    "minLength": "string", "maxLength": "string", "format": "string", "enum": "string",
    "const": "string", "minimum": "integer", "maximum": "integer",
}
COUNTS = {
    "minProperties": "minimum_properties", "maxProperties": "maximum_properties",
    "minItems": "minimum_items", "maxItems": "maximum_items",
    "minLength": "minimum_length", "maxLength": "maximum_length",
}
INTEGER_MINIMUM, INTEGER_MAXIMUM = -2**63, 2**63 - 1


class Schemas:
    """The table: each row is a dict of the fields of struct schema, references as row numbers."""

    def __init__(self, contract, formats, request):
        self.contract = contract
        self.formats = formats
        self.request = request  # False: only checks, for what the daemon itself writes
        self.rows = []
        self.numbers = {}  # of rows by their content
        self.references = {}  # of rows by $ref; None while it is being compiled
        self.reserved = {}  # rows of references met within themselves

    def error(self, pointer, message):
        return self.contract.error(pointer, message)

    def compile(self, node, pointer):
        """The number of the row of a schema."""
        if not isinstance(node, dict):
            raise self.error(pointer, "a schema must be an object")
        if "$ref" in node:
            self.check_keywords(node, pointer, {"$ref"})
            return self.compile_reference(node["$ref"], pointer)
        if "oneOf" in node or "anyOf" in node:
            return self.add(self.union(node, pointer))
        return self.add(self.plain(node, pointer))

    def add(self, row):
        content = repr(sorted(row.items()))
        if content not in self.numbers:
            self.numbers[content] = len(self.rows)
            self.rows.append(row)
        return self.numbers[content]

    def compile_reference(self, reference, pointer):
        node = self.contract.resolve(reference, pointer)
        if not reference.startswith("#/components/schemas/"):
            raise self.error(pointer, f'"{reference}" is no schema')
        if reference not in self.references:
            self.references[reference] = None
            number = self.compile(node, reference)
            self.references[reference] = number
            if reference in self.reserved:
                self.rows[self.reserved[reference]] = self.rows[number]
                if self.rows[number] is None:
                    raise self.error(pointer, f'"{reference}" is nothing but itself')
        if self.references[reference] is None:
            if reference not in self.reserved:
                self.reserved[reference] = len(self.rows)
                self.rows.append(None)
            return self.reserved[reference]
        return self.references[reference]

    def check_keywords(self, node, pointer, known):
        for keyword in node:
            if keyword not in known and keyword not in ANNOTATIONS:
                raise self.error(join(pointer, keyword), "this keyword is not supported here")

    def types(self, node, pointer):
        types = node.get("type", [])
        types = [types] if isinstance(types, str) else types
        if not isinstance(types, list) or not all(name in TYPES for name in types):
            raise self.error(join(pointer, "type"), f"must be of {', '.join(TYPES)}")
        return types

    def plain(self, node, pointer):
        self.check_keywords(node, pointer, {"type", *KEYWORDS})
        types = self.types(node, pointer)
        for keyword, owner in KEYWORDS.items():
            if keyword in node and owner not in types:
                raise self.error(join(pointer, keyword), f'needs the type "{owner}"')
        row = {"types": tuple(name for name in TYPES if name in types)}
        for keyword, field in COUNTS.items():
            if keyword in node:
                row[field] = self.count(node[keyword], join(pointer, keyword))
        if "object" in types:
            self.members(node, pointer, row)
        if "array" in types:
            if "items" not in node:
                raise self.error(pointer, 'an array needs "items"')
            row["items"] = self.compile(node["items"], join(pointer, "items"))
        self.values(node, pointer, row)
        self.bounds(node, pointer, row)
        if "format" in node:
            row["format"] = self.format(node["format"], join(pointer, "format"))
        return row

    def count(self, value, pointer):
        if type(value) is not int or value < 0:
            raise self.error(pointer, "must be an integer, 0 or more")
        return value

    def members(self, node, pointer, row):
        properties = node.get("properties", {})
        if not isinstance(properties, dict):
            raise self.error(join(pointer, "properties"), "must be an object")
        required = node.get("required", [])
        for name in required:
            if name not in properties:
                raise self.error(join(pointer, "required"), f'"{name}" is no property')
        row["properties"] = tuple(
            (name, self.compile(schema, join(pointer, "properties", name)), name in required)
            for name, schema in sorted(properties.items())
            if not (self.request and isinstance(schema, dict) and schema.get("readOnly")))
        if self.request and "additionalProperties" not in node:
            if not properties:
                raise self.error(pointer, "an object in a request needs properties or "
                                          "additionalProperties")
            node["additionalProperties"] = False
        self.additional(node, pointer, row)

    def additional(self, node, pointer, row):
        additional = node.get("additionalProperties", True)
        row["open"] = additional is not False
        if isinstance(additional, dict):
            row["additional"] = self.compile(additional, join(pointer, "additionalProperties"))
        elif not isinstance(additional, bool):
            raise self.error(join(pointer, "additionalProperties"), "must be a schema or a boolean")
        if "propertyNames" in node:
            where = join(pointer, "propertyNames")
            names = node["propertyNames"]
            if not isinstance(names, dict) or set(names) != {"maxLength"}:
                raise self.error(where, "only maxLength is supported here")
            row["maximum_name_length"] = self.count(names["maxLength"], where)

    def values(self, node, pointer, row):
        values = node.get("enum", [node["const"]] if "const" in node else None)
        if values is None:
            return
        if "null" in row["types"]:
            values = [value for value in values if value is not None]
        if not values or not all(isinstance(value, str) for value in values):
            raise self.error(pointer, "enum and const must be texts")
        row["values"] = tuple(values)

    def bounds(self, node, pointer, row):
        if "minimum" not in node and "maximum" not in node:
            return
        row["bounded"] = True
        for keyword, bound in (("minimum", INTEGER_MINIMUM), ("maximum", INTEGER_MAXIMUM)):
            row[keyword] = node.get(keyword, bound)
            if type(row[keyword]) is not int or \
                    not INTEGER_MINIMUM <= row[keyword] <= INTEGER_MAXIMUM:
                raise self.error(join(pointer, keyword), "must be an integer of 64 bits")

    def format(self, name, pointer):
        if name not in self.formats:
            raise self.error(pointer, f'"{name}" is not in x-formats')
        return self.formats.index(name)

    def union(self, node, pointer):
        """`X or null`, or objects told apart by a property."""
        keyword = "oneOf" if "oneOf" in node else "anyOf"
        self.check_keywords(node, pointer, {keyword, "discriminator", "type"})
        branches = node[keyword]
        if not isinstance(branches, list) or not branches:
            raise self.error(join(pointer, keyword), "must be a list of schemas")
        others = [number for number, branch in enumerate(branches) if branch != {"type": "null"}]
        if len(branches) == 2 and len(others) == 1 and "discriminator" not in node:
            return self.nullable(branches[others[0]], join(pointer, keyword, others[0]))
        if keyword != "oneOf" or not isinstance(node.get("discriminator"), dict):
            raise self.error(pointer, "needs a discriminator, or to be one schema or null")
        return self.discriminated(node, pointer)

    def nullable(self, branch, pointer):
        row = self.rows[self.compile(branch, pointer)]
        if row is None:
            raise self.error(pointer, "a schema within itself cannot be nullable")
        if not row["types"]:
            return row
        return {**row, "types": tuple(name for name in TYPES if name in (*row["types"], "null"))}

    def discriminated(self, node, pointer):
        name = node["discriminator"].get("propertyName")
        branches = {}
        for place, branch in enumerate(node["oneOf"]):
            where = join(pointer, "oneOf", place)
            number = self.compile(branch, where)
            for value in self.discriminating(number, name, where):
                if value in branches:
                    raise self.error(where, f'"{value}" of "{name}" names two branches')
                branches[value] = number
            self.check_mapping(node["discriminator"], branch, branches, pointer)
        return {"types": ("object",), "discriminator": name, "branches": tuple(branches.items())}

    def discriminating(self, number, name, pointer):
        row = self.rows[number]
        for property_name, schema, required in (row or {}).get("properties", ()):
            if property_name == name and required and "values" in self.rows[schema]:
                return self.rows[schema]["values"]
        raise self.error(pointer, f'needs a required property "{name}" with const or enum')

    def check_mapping(self, discriminator, branch, branches, pointer):
        for value, reference in discriminator.get("mapping", {}).items():
            if reference == branch.get("$ref") and value not in branches:
                raise self.error(join(pointer, "discriminator"), f'"{value}" is mapped wrongly')


def is_spellable(schemas, number):
    """True for what a parameter can be: a text, a number, a boolean, or a list of these."""
    row = schemas.rows[number]
    types = set(row["types"])
    if types == {"array"}:
        return is_spellable(schemas, row["items"]) and \
            set(schemas.rows[row["items"]]["types"]) != {"array"}
    return bool(types) and types <= {"string", "integer", "boolean"}


def spelled(value):
    """A default as a client would have spelled it; None for what is no text, number or list."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value) if isinstance(value, (str, int)) else None


NAME = re.compile(r"[a-z][a-z0-9_]*")
