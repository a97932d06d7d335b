"""SQL on the embedded cluster of a daemon, with psql."""

import glob
import json
import os
import subprocess

TIME = 120  # seconds
# Debian's `psql` is a script that looks for the real one, which takes longer than most queries.
PSQL = max(glob.glob("/usr/lib/postgresql/*/bin/psql"), default="psql")


class Database:
    """As one login role; the superuser bccd_admin by default."""

    def __init__(self, daemon, role="bccd_admin"):
        self.daemon, self.role = daemon, role

    def socket_directory(self):
        path = os.path.join(self.daemon.state, "postgresql", "data", "postmaster.pid")
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()[4]

    def script(self, text, stop=True):
        """Runs a script of psql; its standard output. Without `stop` it goes on after errors, which
        are then in the output."""
        command = [PSQL, "-X", "-q", "-A", "-t", "-F", "\t", "-h", self.socket_directory(), "-U",
                   self.role, "-d", "bccd", "-v", f"ON_ERROR_STOP={int(stop)}", "-f", "-"]
        done = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE if stop else subprocess.STDOUT,
                              check=False, timeout=TIME)
        if stop and done.returncode != 0:
            raise AssertionError(f"{done.stderr}\n{text[:4000]}")
        return done.stdout

    def execute(self, sql):
        self.script(sql)

    def rows(self, sql):
        """A query's rows as dicts."""
        text = self.script(f"select coalesce(json_agg(row_to_json(q)), '[]') from ({sql}) q")
        return json.loads(text)

    def value(self, sql):
        rows = self.rows(sql)
        return next(iter(rows[0].values())) if rows else None


def quote(text):
    """As a literal of SQL."""
    return "null" if text is None else "'" + str(text).replace("'", "''") + "'"
