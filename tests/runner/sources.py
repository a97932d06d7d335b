"""The project's own files, for checks of them."""

import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What a build leaves in the source tree, where git is not there to tell.
MADE = re.compile(r"(^|/)(build[^/]*|autom4te\.cache|node_modules|__pycache__|\.git)(/|$)|"
                  r"^(aclocal\.m4|configure~?|Makefile\.in|Makefile|config\.\w+(\.in~?)?|stamp-h1)$|"
                  r"^deploy/build-aux/(compile|depcomp|install-sh|missing|ar-lib|config\.\w+)$")


CORPUS = "tests/fuzz/corpus/"  # any bytes


def tracked():
    """Paths from the top: what git tracks or would, or the whole tree less what a build makes."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", TOP, "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return sorted(path for path in done.stdout.split("\0")
                      if path and os.path.lexists(os.path.join(TOP, path)))
    found = []
    for folder, _, files in os.walk(TOP):
        found += [os.path.relpath(os.path.join(folder, file), TOP) for file in files]
    return sorted(path for path in found if not MADE.search(path))


def read(path):
    """The text of a file; "" of one that is not text."""
    with open(os.path.join(TOP, path), "rb") as file:
        data = file.read()
    return "" if b"\0" in data or path.startswith(CORPUS) else data.decode("utf-8")


def c_files():
    return [path for path in tracked() if path.endswith((".c", ".h"))]


C_TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""", re.DOTALL)
SQL_TOKEN = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)


def blank(text, token):
    """Comments and literals made blank, lines kept."""
    return token.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def matches(paths, pattern, clean=None):
    """file:line: what was found."""
    for path in paths:
        text = read(path)
        for number, line in enumerate((clean(text) if clean else text).split("\n"), 1):
            for match in pattern.finditer(line):
                yield f"{path}:{number}: {match.group().strip()}"


def finish(problems):
    """Prints them; the process ends with 1 when there are any."""
    problems = list(problems)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
