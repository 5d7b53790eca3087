"""Runs the tests of one suite in this process: `python -m bench.conformance.process SUITE [CLASS or TEST ...]`."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import unittest
from importlib import import_module
from pathlib import Path

import django

from bench.conformance.outcomes import Outcomes, name_of
from bench.conformance.reasons import reason_to_skip


def main(name, *only):
    django.setup()
    logging.disable(logging.NOTSET)
    outcomes = Outcomes()
    with {"django": django_tests, "django-tasks-db": tables_tests}[name]() as modules:
        suite = unittest.TestSuite()
        for test in (test for module in modules for test in tests_of(module)):
            if reason := reason_to_skip(name, name_of(test)):
                outcomes.addSkip(test, reason)
            elif not only or set(only) & set(test.id().split(".")):
                suite.addTest(prepared(test))
        suite.run(outcomes)
    Path(os.environ["CONFORMANCE_REPORT"]).write_text(
        json.dumps({"found": outcomes.found, "tracebacks": outcomes.tracebacks})
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
    module.DatabaseBackendWorkerTestCase.assertNumQueries = count_nothing
    module.subprocess = worker.PatientProcesses()
    module.time = worker.PatientClock(module.DatabaseWorkerProcessTestCase)
    with worker.standing_by():
        yield [module]


def count_nothing(test, number):
    """Compare no number of statements: their worker makes them in this process, and ours in another."""
    return contextlib.nullcontext()


def tests_of(module):
    for case in unittest.defaultTestLoader.loadTestsFromModule(module):
        yield from case


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
