"""`./run bench conformance`: runs tests that others wrote against our backend, prints the tables and writes them into the docs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import django

from bench.conformance.sources import source_of
from bench.stand import CHECKOUT, stand

OUTSIDE = Path(__file__).with_name("outside")


def main():
    with stand(), tempfile.TemporaryDirectory(prefix="offbeat-conformance-") as scratch:
        for name in sys.argv[1:2] or ["django", "django-tasks-db"]:
            result = run(name, Path(scratch))
            for test, what in result["found"].items():
                print(f"{what[:4]} {test}: {what}"[:250])
            if sys.argv[2:]:
                print(*result["details"].values())


def run(name, scratch):
    folder = {"django": django_folder, "django-tasks-db": tables_folder}[name](scratch)
    report = scratch / "report.json"
    environment = {
        "DJANGO_SETTINGS_MODULE": "bench.conformance.settings",
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
        if name != "django"
        else os.environ["PYTHONPATH"],
        "CONFORMANCE_CHECKOUT": str(CHECKOUT),
        "CONFORMANCE_REPORT": str(report),
    }
    subprocess.run(
        [sys.executable, "-m", "bench.conformance.suite", name, str(folder), *sys.argv[2:]],
        cwd=folder,
        env=os.environ | environment,
        check=True,
    )
    return json.loads(report.read_text())


def django_folder(scratch):
    return source_of("django", django.get_version()) / "tests"


def tables_folder(scratch):
    """Return a folder with their tests and, in the place of all that they import, ours."""
    folder = scratch / "tables"
    shutil.copytree(OUTSIDE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source_of("django-tasks-db", "0.13.0") / "tests" / "tests.py", folder / "tests")
    return folder


if __name__ == "__main__":
    sys.exit(main())
