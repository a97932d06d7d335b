#!/usr/bin/env python3
"""What of the contract no test of the API reached. Operations never reached are a failure, and so
are operations that never succeeded; parameters and statuses are listed."""

import json
import os
import sys

METHODS = ("get", "post", "put", "patch", "delete")
# Given by the framework for every operation alike, and tested there.
COMMON = {"400", "401", "403", "404", "409", "412", "413", "415", "422", "428", "429", "503",
          "default"}


def resolve(document, node):
    while "$ref" in node:
        target = document
        for name in node["$ref"][2:].split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def operations(document):
    """Of each operation: its parameters of the query, and its own statuses."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                node = item[method]
                parameters = {parameter["name"] for parameter in
                              (resolve(document, each) for each in
                               item.get("parameters", []) + node.get("parameters", []))
                              if parameter["in"] == "query"}
                yield node["operationId"], parameters, set(node["responses"]) - COMMON


def main():
    path = os.environ["CONTRACT_COVERAGE"]
    contract = os.path.join(os.environ["BUILD_DIRECTORY"], "sanitizers", "proto", "openapi.json")
    with open(contract, encoding="utf-8") as file:
        document = json.load(file)
    reached = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                operation, names, status = json.loads(line)
                seen = reached.setdefault(operation, (set(), set()))
                seen[0].update(names)
                seen[1].add(str(status))
    failed = False
    for operation, parameters, statuses in operations(document):
        seen_parameters, seen_statuses = reached.get(operation, (set(), set()))
        if not any(status[0] in "23" for status in seen_statuses):
            failed = True
            print(f"{operation}: " + ("never succeeded" if seen_statuses else "never reached"))
            continue
        left = sorted(parameters - seen_parameters) + sorted(statuses - seen_statuses)
        if left:
            print(f"{operation}: not tried: {', '.join(left)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
