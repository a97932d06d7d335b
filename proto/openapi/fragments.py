"""Reads the YAML fragments of the contract and merges them into one OpenAPI document.

A name stands in one fragment only. Each error names the fragment and the JSON pointer in it.
"""

import re

import yaml

MERGED = {"paths", "x-problems", "x-permissions", "x-formats", "x-ids", "x-transitions"}  # by name
COMPONENTS = {"schemas", "parameters", "responses", "headers", "securitySchemes"}
SINGLE = {"openapi", "info", "servers", "externalDocs"}


class ContractError(Exception):
    """What is wrong in the contract, and where."""


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # in C where it is to be had
    """YAML 1.2's core schema: `no` and `2026-10-31` are texts; a key twice is an error."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key "{key.value}" stands twice', key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
        ("null", r"^(?:null|~|)$", ["n", "~", ""]),
        ("bool", r"^(?:true|false)$", ["t", "f"]),
        ("int", r"^-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
        ("float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$", list("-0123456789")),
        ("merge", r"^<<$", ["<"])):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def escape(name):
    """A reference token of RFC 6901."""
    return str(name).replace("~", "~0").replace("/", "~1")


def join(pointer, *names):
    return "/".join([pointer, *map(escape, names)])


class Contract:
    """The merged document, with the fragment that each part came from."""

    def __init__(self):
        self.document = {"components": {}}
        self.origins = {}

    def error(self, pointer, message):
        """The error to raise: names the fragment that holds `pointer`."""
        return ContractError(f"{self.origin(pointer)}: {pointer}: {message}")

    def origin(self, pointer):
        while pointer and pointer not in self.origins:
            pointer = pointer.rpartition("/")[0]
        return self.origins.get(pointer, "contract")

    def claim(self, path, pointer):
        if pointer in self.origins:
            raise ContractError(f"{path}: {pointer}: stands in {self.origins[pointer]} already")
        self.origins[pointer] = path

    def add(self, path):
        fragment = load(path)
        for section, value in fragment.items():
            pointer = join("#", section)
            if section in SINGLE:
                self.claim(path, pointer)
                self.document[section] = value
            elif section == "tags":
                self.add_tags(path, value)
            elif section == "components":
                for kind, members in mapping(path, pointer, value).items():
                    if kind not in COMPONENTS:
                        raise ContractError(f"{path}: {join(pointer, kind)}: unknown section")
                    target = self.document["components"].setdefault(kind, {})
                    self.merge(path, join(pointer, kind), target, members)
            elif section in MERGED:
                self.merge(path, pointer, self.document.setdefault(section, {}), value)
            else:
                raise ContractError(f"{path}: {pointer}: unknown section")

    def merge(self, path, pointer, target, members):
        for name, value in mapping(path, pointer, members).items():
            self.claim(path, join(pointer, name))
            target[name] = value

    def add_tags(self, path, tags):
        if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
            raise ContractError(f"{path}: #/tags: must be a list of objects")
        for tag in tags:
            self.claim(path, join("#/tags", tag.get("name")))
            self.document.setdefault("tags", []).append(tag)

    def section(self, name):
        """Members of a merged section, in the order of their names."""
        return sorted(self.document.get(name, {}).items())

    def resolve(self, reference, pointer):
        """What a $ref names: always a whole component."""
        match = re.fullmatch(r"#/components/(\w+)/([\w.-]+)", str(reference))
        if not match:
            raise self.error(pointer, f'"{reference}" must be "#/components/<kind>/<name>"')
        kind, name = match.groups()
        try:
            return self.document["components"][kind][name]
        except KeyError:
            raise self.error(pointer, f'"{reference}" names nothing') from None

    def check_references(self, node=None, pointer="#"):
        node = self.document if node is None else node
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                self.resolve(node["$ref"], pointer)
            children = node.items()
        elif isinstance(node, list):
            children = enumerate(node)
        else:
            return
        for name, child in children:
            if child is not None:
                self.check_references(child, join(pointer, name))


def mapping(path, pointer, value):
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ContractError(f"{path}: {pointer}: must be an object with names of text")
    return value


def load(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return mapping(path, "#", yaml.load(stream, Loader))
    except OSError as error:
        raise ContractError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractError(f"{path}: not YAML: {error}") from None


def read(paths):
    contract = Contract()
    for path in paths:
        contract.add(path)
    return contract
