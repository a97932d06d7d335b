"""terminal_import: an inventory of 10,000 terminals as one file, in one transaction."""

import itertools
import time

from measuring import compare
from world import World, running

ROWS = 10_000  # the most that a file has, and so not scaled
COLUMNS = ("asset_tag", "serial", "model", "condition", "location", "purchase_price", "purchase_currency",
           "purchased_on", "external_id")
MODELS, LOCATIONS = 40, 60

# The same columns, as unique as those of the inventory.
PLAIN = """
create table if not exists plain_terminals (
    asset_tag text collate "C" not null unique, serial text collate "C" not null unique, model text not null,
    condition text not null, location text not null, purchase_price numeric not null,
    purchase_currency text not null, purchased_on date not null,
    external_id text collate "C" not null unique);
"""


def rows(mark):
    """So many lines of CSV that no other mark has."""
    for n in range(ROWS):
        yield (f"PC-{mark}-{n:05},PF{mark}X{n:05},ThinkCentre M{n % MODELS}q,new,一号库 {n % LOCATIONS},"
               f"{3000 + n % 500}.50,CNY,2026-{n % 12 + 1:02}-{n % 28 + 1:02},erp-{mark}-{n}\n")


class Import:
    def __init__(self, daemon):
        self.world = World(daemon)
        self.marks = itertools.count(1)
        self.world.database.execute(PLAIN)

    def copy(self):
        """Rows a second of COPY, with psql."""
        text = f"copy plain_terminals from stdin (format csv);\n{''.join(rows(next(self.marks)))}\\.\n"
        started = time.monotonic()
        self.world.database.script(text)
        return ROWS / (time.monotonic() - started)

    def send(self):
        """Rows a second of the import, over TLS, until it is answered."""
        body = (",".join(COLUMNS) + "\n" + "".join(rows(next(self.marks)))).encode()
        started = time.monotonic()
        answer = self.world.root.post("/v1/terminals/import", body, content_type="text/csv")
        taken = time.monotonic() - started
        if answer.status != 200 or answer.json["rows"] != ROWS:
            raise AssertionError(repr(answer))
        return ROWS / taken


def measure(plan):
    with running() as daemon:
        imported = Import(daemon)
        return [compare("terminal_import", "rows/s", "COPY, one session", plan.rounds, imported.copy,
                        imported.send)]
