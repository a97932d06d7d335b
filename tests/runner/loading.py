"""Python tests: a file's test methods, loaded, listed and run."""

import importlib.util
import os
import sys
import unittest

# Stands for the end of a daemon that the file's tests share: its log and its exit status.
END_OF_DAEMON = "daemon_ends_clean"


def prepare_path(top):
    for folder in (top, os.path.join(top, "tests", "api")):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def load(path):
    """The module of a test file. Two folders may have files of one name, so the folder is in it."""
    folder, file = os.path.split(os.path.abspath(path))
    name = f"{os.path.basename(folder)}_{file[:-len('.py')]}"
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    sys.path.insert(0, folder)
    specification.loader.exec_module(module)
    return module


def flatten(suite):
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from flatten(entry)
        else:
            yield entry


def name_of(test):
    """Class.method: what stands after the file's name in a test's name."""
    return ".".join(test.id().split(".")[-2:])


def tests_of(module):
    """The module's tests in their order, by name."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    return {name_of(test): test for test in flatten(suite)}


def has_daemon(module):
    """True when a test of the module asks the harness for a daemon."""
    harness = sys.modules.get("harness")
    return harness is not None and any(isinstance(value, type) and value is not harness.ApiTest and
                                       issubclass(value, harness.ApiTest)
                                       for value in vars(module).values())
