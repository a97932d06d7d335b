#!/usr/bin/env python3
"""Verifies what deploy/quickstart made: through the API, and with the programs that finance uses.

    verify_demonstration.py --summary FILE --shown FILE --passed FILE -- COMMAND...

--summary is the quickstart's summary, --shown what it printed, COMMAND what runs it once more. Each
check says a line; the number of checks goes into --passed when all of them held.
"""

import argparse
import csv
import decimal
import hashlib
import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

FORMATS = ("focus", "journal", "lines")
PAGE = 500
ANSWER_SECONDS, PROGRAM_SECONDS = 60, 300
AGAIN_SECONDS = 20  # for a second run, which has nothing to do


class Checks:
    """Counts what held, and says what did not."""

    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, holds, what, found=""):
        if holds:
            self.passed += 1
            print(f"  ok      {what}")
        else:
            self.failed += 1
            print(f"  FAILED  {what}{f': {found}' if found != '' else ''}")
        sys.stdout.flush()
        return holds

    def equal(self, found, wanted, what):
        return self.expect(found == wanted, what, f"{found!r} is not {wanted!r}")

    def program(self, what, *command):
        """A program that accepts; what it printed."""
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=PROGRAM_SECONDS)
        said = (done.stdout + done.stderr).strip()
        self.expect(done.returncode == 0, what, f"{' '.join(command)}: {said[-600:]}")
        return done.stdout


class Api:
    """The API as a credential sees it."""

    def __init__(self, summary, key):
        self.url, self.key = summary["url"], key
        self.context = ssl.create_default_context(cafile=summary["ca_file"])

    def call(self, method, path, body=None):
        """Status and bytes."""
        request = urllib.request.Request(self.url + path, method=method)
        if self.key is not None:
            request.add_header("Authorization", "Bearer " + self.key)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS,
                                        context=self.context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path):
        status, body = self.call("GET", path)
        if status != 200:
            raise ValueError(f"GET {path}: {status} {body[:600].decode(errors='replace')}")
        return json.loads(body)

    def list(self, path, **query):
        """All pages."""
        found, cursor = [], None
        while True:
            page = {**query, "limit": PAGE, **({"cursor": cursor} if cursor else {})}
            answer = self.get(f"{path}?{urllib.parse.urlencode(page)}")
            found += answer["data"]
            cursor = answer["next_cursor"]
            if cursor is None:
                return found


def total(amounts):
    return sum((decimal.Decimal(amount) for amount in amounts), decimal.Decimal(0))


def month_before(month):
    year, number = map(int, month.split("-"))
    return f"{year - (number == 1):04d}-{(number - 2) % 12 + 1:02d}"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def check_service(checks, summary, operator, shown):
    """What was printed works: the contract, the metrics, the sign-in, the keys, the line of curl."""
    public = Api(summary, None)
    contract = public.get("/openapi.json")
    checks.expect(contract["openapi"].startswith("3.1") and "/v1/invoices" in contract["paths"],
                  "the contract is served at /openapi.json")
    checks.equal(public.call("GET", "/readyz")[0], 200, "bccd is ready")
    with urllib.request.urlopen(summary["metrics_url"], timeout=ANSWER_SECONDS) as answer:
        checks.expect(b"# TYPE bccd_" in answer.read(), "the metrics are served")
    person = {name: summary["operator"][name] for name in ("email", "password")}
    checks.equal(public.call("POST", "/v1/sessions", person)[0], 201,
                 "the operator signs in with email and password")
    checks.equal(public.call("GET", "/v1/invoices")[0], 401, "without a key nothing is shown")
    checks.equal(sorted(tenant["id"] for tenant in operator.list("/v1/tenants", state="active")),
                 sorted(tenant["id"] for tenant in summary["tenants"]),
                 "the operator's API key sees all active enterprises")
    line = next((line.strip() for line in shown.splitlines() if line.strip().startswith("curl ")),
                "false")
    answer = checks.program("the line of curl that was printed runs", "sh", "-c",
                            line + " -sS -w '%{http_code}'")
    checks.expect(answer.endswith("200") and '"inv_' in answer, "and answers 200 with invoices",
                  answer[:600])


def check_tenants(checks, summary, months):
    """Each enterprise sees its own two bills and no other's."""
    for tenant in summary["tenants"]:
        found = Api(summary, tenant["api_key"]).list("/v1/invoices")
        checks.equal(sorted((invoice["tenant_id"], invoice["period"], invoice["state"])
                            for invoice in found),
                     [(tenant["id"], month, "finalized") for month in months],
                     f"{tenant['name']} sees its own final bills of both months")


def check_period(checks, operator, month):
    period = operator.get(f"/v1/periods/{month}")
    checks.equal(period["state"], "closed", f"{month} is closed")
    refused = [term["term"] for term in period["gate"] or [] if not term["agrees"]]
    checks.expect(period["gate"] and not refused, f"{month}: the gate's terms agree", refused)


def fetch_set(checks, operator, month, form, directory):
    """The files of a month's export, from the API, and the same in the directory: their paths."""
    sets = operator.list("/v1/exports", format=form, period=month, state="ready")
    if not checks.expect(len(sets) == 1 and sets[0]["final"],
                         f"{month}: one final export as {form}", sets):
        return {}
    made, manifest = sets[0], sets[0]["manifest"]
    place = os.path.join(directory, month, f"{form}-r{made['revision']}")
    checks.equal(json.loads(read(os.path.join(place, "manifest.json"))), manifest,
                 f"{month} {form}: the directory's manifest is the API's")
    checks.equal(sorted(os.listdir(place)),
                 sorted([*(file["name"] for file in manifest["files"]), "manifest.json"]),
                 f"{month} {form}: the directory has the manifest's files")
    for file in manifest["files"]:
        copy = read(os.path.join(place, file["name"]))
        status, body = operator.call("GET", f"/v1/exports/{made['id']}/files/{file['name']}")
        checks.equal((status, len(body), hashlib.sha256(body).hexdigest()),
                     (200, file["bytes"], file["sha256"]),
                     f"{month} {form}: {file['name']} is served as the manifest says")
        checks.equal(hashlib.sha256(copy).hexdigest(), file["sha256"],
                     f"{month} {form}: the copy of {file['name']} is the same")
    return {"net": manifest["control_totals"]["net"],
            **{file["name"]: os.path.join(place, file["name"]) for file in manifest["files"]}}


def journal_revenue(checks, month, path):
    """What the ledger earned, by hledger's own arithmetic; credits are negative there."""
    table = checks.program(f"{month}: hledger adds up the revenue", "hledger", "-f", path,
                           "balance", "^revenue", "--depth", "1", "-O", "csv")
    amounts = [row[1] for row in csv.reader(table.splitlines()) if row[:1] == ["revenue"]]
    return -total(re.sub(r"[^0-9.-]", "", amount) for amount in amounts)


def focus_cost(path):
    """EffectiveCost without tax."""
    with open(path, encoding="utf-8", newline="") as file:
        return total(row["EffectiveCost"] for row in csv.DictReader(file)
                     if row["ChargeCategory"] != "Tax")


def check_books(checks, summary, operator, month):
    """The files of finance: whole, accepted, and all of the same sum."""
    sets = {form: fetch_set(checks, operator, month, form, summary["exports_directory"])
            for form in FORMATS}
    if not all(sets.values()):
        return
    ledger = sets["journal"]["journal.hledger"]
    checks.program(f"{month}: hledger check --strict ordereddates payees", "hledger", "-f", ledger,
                   "check", "--strict", "ordereddates", "payees")
    checks.program(f"{month}: bean-check", "bean-check", sets["journal"]["journal.beancount"])
    net = total(invoice["net"]["amount"] for invoice in
                operator.list("/v1/invoices", period=month, state="finalized"))
    checks.expect(net > 0, f"{month}: the invoices come to {net} net")
    checks.equal(journal_revenue(checks, month, ledger), net,
                 f"{month}: the journal's revenue is the invoices' net")
    checks.equal(focus_cost(sets["focus"]["focus.csv"]), net,
                 f"{month}: FOCUS's EffectiveCost without tax is the invoices' net")
    for form in FORMATS:
        checks.equal(decimal.Decimal(sets[form]["net"]), net,
                     f"{month}: the manifest of {form} is the invoices' net")


def state_of(operator):
    """What a run that changes something would change."""
    audited = operator.get("/v1/audit-events?limit=1")["data"]
    return (audited, [made["id"] for made in operator.list("/v1/exports")],
            sorted(key["id"] for key in operator.list("/v1/api-keys")))


def check_second_run(checks, arguments, operator):
    before, summary, began = state_of(operator), read(arguments.summary), time.monotonic()
    checks.program("a second run ends well", *arguments.command)
    took = time.monotonic() - began
    checks.expect(took < AGAIN_SECONDS, f"a second run is quick ({took:.0f} s)")
    checks.expect(read(arguments.summary) == summary and state_of(operator) == before,
                  "a second run changes nothing")


def check_all(checks, arguments):
    summary = json.loads(read(arguments.summary))
    operator = Api(summary, summary["operator"]["api_key"])
    months = [month_before(summary["month"]), summary["month"]]
    check_service(checks, summary, operator, read(arguments.shown).decode())
    check_tenants(checks, summary, months)
    for month in months:
        check_period(checks, operator, month)
        check_books(checks, summary, operator, month)
    check_second_run(checks, arguments, operator)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--summary", "--shown", "--passed"):
        parser.add_argument(name, required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    checks = Checks()
    try:
        check_all(checks, arguments)
    except (OSError, ValueError, LookupError, http.client.HTTPException,
            subprocess.TimeoutExpired, decimal.InvalidOperation) as error:
        checks.expect(False, "the verification could go on", f"{type(error).__name__}: {error}")
    if checks.failed > 0:
        sys.exit(f"{checks.failed} of {checks.failed + checks.passed} checks failed")
    with open(arguments.passed, "w", encoding="ascii") as file:
        print(checks.passed, file=file)


main()
