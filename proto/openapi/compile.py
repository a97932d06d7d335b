#!/usr/bin/env python3
"""Compiles the contract: the YAML fragments of this folder into C tables and one OpenAPI document.

    compile.py --contract OUT.c --operations-header OUT.h --operations OUT.c --document OUT.json
        FRAGMENT.yaml...

Output depends on the fragments alone. Nothing is written when there is an error; exit status 1.
"""

import sys

sys.dont_write_bytecode = True  # the folder may be read-only

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402

import emit  # noqa: E402
from fragments import ContractError, join, read  # noqa: E402
from operations import read_operations  # noqa: E402
from schemas import NAME, Schemas  # noqa: E402

ORDER = ["openapi", "info", "servers", "externalDocs", "tags", "paths", "components"]
# Tables that stand among the document's components, and the text fields of each.
TABLES = {
    "x-problems": ["title", "title_zh", "detail", "detail_zh"],
    "x-formats": ["expected", "expected_zh"],
    "x-ids": ["name", "name_zh"],
}
NAMES = {
    "x-problems": NAME,
    "x-formats": re.compile(r"(?!id-)[a-z][a-z0-9]*(-[a-z0-9]+)*"),
    "x-ids": re.compile(r"[a-z]{3}|op"),
}
PERMISSION = re.compile(r"[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*")


def check_tables(contract):
    for table, texts in TABLES.items():
        for name, row in contract.section(table):
            pointer = join("#", table, name)
            known = {*texts, "status"} if table == "x-problems" else set(texts)
            if not isinstance(row, dict) or set(row) != known:
                raise contract.error(pointer, f"must have {', '.join(sorted(known))}")
            for key in texts:
                if not isinstance(row[key], str) or not row[key]:
                    raise contract.error(join(pointer, key), "must be a text")
            status = row.get("status", 400)
            if type(status) is not int or not 400 <= status <= 599:
                raise contract.error(join(pointer, "status"), "must be 400 to 599")
            if not NAMES[table].fullmatch(name):
                raise contract.error(pointer, "not a name")
    for name, description in contract.section("x-permissions"):
        if not PERMISSION.fullmatch(name) or not isinstance(description, str):
            raise contract.error(join("#/x-permissions", name), 'must be "things:verb: a text"')


def check_transitions(contract):
    """Each action is an operation on a resource, the operator's alone where no tenant may take it, and each row names
    kinds and states that there are."""
    schemas = contract.document["components"]["schemas"]
    kinds, states = (set(schemas[name]["enum"]) for name in ("ResourceKind", "ResourceState"))
    for action, table in contract.section("x-transitions"):
        pointer = join("#/x-transitions", action)
        operation = contract.document["paths"].get(f"/v1/resources/{{resource_id}}/{action}", {}).get("post")
        if operation is None:
            raise contract.error(pointer, "is no action of a resource")
        if any(row["by_tenant"] for row in table) == (operation.get("x-audience") == "operator"):
            raise contract.error(pointer, "by_tenant does not agree with the operation's x-audience")
        for number, row in enumerate(table):
            known = {"kinds": kinds, "from": states, "to": states | {"unchanged"}, "to_with_vendor": states}
            for name, values in known.items():
                given = row.get(name, [])
                if not set(given if isinstance(given, list) else [given]) <= values:
                    raise contract.error(join(pointer, str(number), name), "names what there is not")


def add_id_formats(contract):
    """Each prefix of x-ids is a format: "ten" is "id-ten"."""
    formats = contract.document.setdefault("x-formats", {})
    for prefix, row in contract.section("x-ids"):
        formats[f"id-{prefix}"] = {
            "expected": f'the id of {row["name"]}, "{prefix}_..."',
            "expected_zh": f'{row["name_zh"]}的编号“{prefix}_...”',
        }


def check_components(contract, checker):
    """Every schema keeps to the subset, those of answers too."""
    components = contract.document["components"]
    for name in components.get("schemas", {}):
        pointer = join("#/components/schemas", name)
        checker.compile_reference(pointer, pointer)
    for name, response in components.get("responses", {}).items():
        for media, content in response.get("content", {}).items():
            if "schema" in content:
                checker.compile(content["schema"], join("#/components/responses", name, "content",
                                                        media, "schema"))


def render_document(contract):
    document = contract.document
    for table in ("x-problems", "x-permissions", "x-formats", "x-transitions"):
        document["components"][table] = dict(contract.section(table))
    ordered = {name: document[name] for name in ORDER if name in document}
    ordered["paths"] = dict(contract.section("paths"))
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))


def compile_contract(paths):
    contract = read(paths)
    contract.check_references()
    check_tables(contract)
    if "x-transitions" in contract.document:
        check_transitions(contract)
    add_id_formats(contract)
    formats = [name for name, _ in contract.section("x-formats")]
    schemas = Schemas(contract, formats, request=True)
    checker = Schemas(contract, formats, request=False)
    operations = read_operations(contract, schemas, checker)
    check_components(contract, checker)
    return contract, schemas, operations


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contract", required=True, help="the C tables of proto/contract.h")
    parser.add_argument("--operations-header", required=True, help="the operations' prototypes")
    parser.add_argument("--operations", required=True, help="the table of handlers")
    parser.add_argument("--document", required=True, help="the OpenAPI document")
    parser.add_argument("fragments", nargs="+", metavar="FRAGMENT.yaml")
    return parser.parse_args()


def main():
    options = arguments()
    try:
        contract, schemas, operations = compile_contract(options.fragments)
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    document = render_document(contract)
    include = os.path.relpath(options.operations_header, os.path.dirname(options.operations) or ".")
    outputs = {
        options.contract: emit.contract_c(contract, schemas, operations, document),
        options.operations_header: emit.operations_header(operations),
        options.operations: emit.operations_c(operations, include),
        options.document: document + "\n",
    }
    for path, content in outputs.items():
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
