"""Chromium for the tests: what drives it comes from npm by the lock file, into the build directory."""

import filecmp
import json
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ("package.json", "package-lock.json", ".npmrc")
SCRIPTS = ("drive.mjs", "cases.mjs")
CASE_LIMIT = 600  # seconds


def tree():
    """The directory with the packages, and with copies of the scripts beside them."""
    build = os.environ.get("BUILD_DIRECTORY", os.path.join(tempfile.gettempdir(), "bccd-browser"))
    directory = os.path.join(build, "browser")
    os.makedirs(directory, exist_ok=True)
    for name in (*PACKAGES, *SCRIPTS):
        shutil.copy(os.path.join(HERE, name), directory)
    installed = os.path.join(directory, "installed-lock.json")
    lock = os.path.join(directory, "package-lock.json")
    if not os.path.exists(installed) or not filecmp.cmp(lock, installed, shallow=False):
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--loglevel=error"], cwd=directory,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"npm ci: {done.stdout}{done.stderr}")
        shutil.copy(lock, installed)
    return directory


def chromium():
    """Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        raise AssertionError("chromium is missing: apt-get install chromium")
    return path


def drive(directory, case, options):
    """Runs a case of cases.mjs; its problems and what it saw."""
    done = subprocess.run(["node", "drive.mjs", case], cwd=directory, input=json.dumps(options),
                          capture_output=True, text=True, check=False, timeout=CASE_LIMIT)
    if done.returncode != 0:
        raise AssertionError(f"drive.mjs {case}: {done.stdout}{done.stderr}")
    result = json.loads(done.stdout)
    return result["problems"], result["seen"]
