"""Runs the tests of one source distribution in this process, on servers at hand: `python -m bench.conformance.suite NAME FOLDER`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import unittest
from importlib import import_module
from pathlib import Path

from bench.conformance.outcomes import Outcomes


def main(name, folder, *names):
    import django

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # some call refresh() where arefresh() would be right
    sys.path.append(folder)
    django.setup()
    outcomes = Outcomes()
    with {"django": django_tests, "django-tasks-db": tables_tests}[name]() as modules:
        for module in modules:
            tests = flat(unittest.defaultTestLoader.loadTestsFromModule(module))
            suite = unittest.TestSuite(
                prepared(test) for test in tests if not names or set(names) & set(test.id().split("."))
            )
            suite.run(outcomes)
    Path(os.environ["CONFORMANCE_REPORT"]).write_text(
        json.dumps({"found": outcomes.found, "details": outcomes.details})
    )


@contextlib.contextmanager
def django_tests():
    """Django's tests/tasks, whose settings name backends by their paths: ours stand there."""
    from django.tasks.backends import base, dummy, immediate

    from bench.conformance import adapters

    dummy.DummyBackend, immediate.ImmediateBackend = adapters.WaitingBackend, adapters.PromptBackend
    modules = [
        import_module(f"tasks.test_{name}") for name in ("tasks", "dummy_backend", "immediate_backend")
    ]
    base.BaseTaskBackend = adapters.Backend  # of the backends that the last one makes
    yield [*modules, import_module("tasks.test_custom_backend")]


@contextlib.contextmanager
def tables_tests():
    """The tests of django-tasks-db, with a real worker for those that call theirs."""
    from bench.conformance import worker

    worker.write_view()
    module = import_module("tests.tests")
    case = module.DatabaseBackendWorkerTestCase
    # How many statements their worker makes says nothing of ours, which is another process.
    case.assertNumQueries = lambda self, number: contextlib.nullcontext()
    case = module.DatabaseWorkerProcessTestCase
    module.subprocess, module.time = worker.PatientProcesses(), worker.PatientClock(case)
    with worker.standing_by():
        yield [module]


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


def prepared(test):
    """Let a test reach the database, and leave there what others need: they were written for backends without one."""
    case = type(test)
    case.databases = {"default"}
    case.available_apps = None
    case._fixture_teardown = empty  # noqa: SLF001  instead of a flush, which takes the ledger's identity too
    test.addCleanup(empty)
    return test


def empty(*test):
    from offbeat.jobs.models import Job

    Job.objects.all().delete()


if __name__ == "__main__":
    main(*sys.argv[1:])
