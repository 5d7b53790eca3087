"""The suites: where their tests come from, and how they are run in a process of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import django

from bench.conformance.sources import source_of
from bench.conformance.verdict import Verdict
from bench.stand import CHECKOUT

OUTSIDE = Path(__file__).with_name("outside")


@dataclass(frozen=True)
class Suite:
    """The tests of one source distribution; `tests` is where they are in it."""

    name: str
    version: str
    tests: str
    is_there: bool = True

    def download(self):
        return source_of(self.name, self.version)

    def run(self, only):
        with tempfile.TemporaryDirectory(prefix="offbeat-conformance-") as scratch:
            folder = Path(scratch) / "path"
            self.lay(folder)
            report = Path(scratch) / "report.json"
            subprocess.run(
                [sys.executable, "-m", "bench.conformance.process", self.name, *only],
                cwd=folder,
                env=os.environ | environment(folder, report),
                check=True,
            )
            return Verdict(self.name, self.version, **json.loads(report.read_text()))

    def lay(self, folder):
        """Make the folder that the tests are imported from; of django-tasks-db's, what they import is ours."""
        shutil.copytree(OUTSIDE / self.name, folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(self.download() / self.tests, folder / Path(self.tests).name, dirs_exist_ok=True)


def environment(folder, report):
    return {
        "DJANGO_SETTINGS_MODULE": "bench.conformance.settings",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # some call refresh() in a coroutine, where a backend asks no database
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]),
        "PYTHONSAFEPATH": "1",  # the checkout's package `tests` is another one
        "CONFORMANCE_CHECKOUT": str(CHECKOUT),
        "CONFORMANCE_REPORT": str(report),
        "LOG_LEVEL": "CRITICAL",
    }


SUITES = [
    Suite("django", django.get_version(), "tests/tasks", is_there=django.VERSION >= (6, 0)),
    Suite("django-tasks-db", "0.13.0", "tests"),
]
