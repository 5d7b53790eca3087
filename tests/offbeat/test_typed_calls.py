"""`mypy --strict` sees a wrong argument of a task, whichever of the two kinds it is."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from offbeat.jobs import parameters
from offbeat.jobs.enqueuer import OPTIONS
from offbeat.jobs.tasks_backend.task import FIXED, LedgerTask

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
CALLS = HERE / "typed" / "calls.py"
ERROR = re.compile(r"calls\.py:(\d+): error: .*\[([\w-]+)\]")
# What follows from a decorator that mypy has refused.
CONSEQUENCES = {"untyped-decorator"}


def test_mypy_sees_every_wrong_call_and_no_other(tmp_path):
    """With the template's own configuration; a line that is right has no error, a wrong one just its own."""
    environment = os.environ | {
        "PYTHONPATH": "src",
        "DATABASE_URL": "postgres://none",
        "REDIS_URL": "redis://none",
    }
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ".mypy_cache/typed_calls", str(CALLS)],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = enumerate(CALLS.read_text().splitlines(), start=1)
    wrong = {number: line.rpartition("  # ")[2] for number, line in lines if "  # " in line}

    found = {(int(number), code) for number, code in ERROR.findall(done.stdout) if code not in CONSEQUENCES}

    assert found == set(wrong.items()), done.stdout + done.stderr


def test_every_option_is_typed():
    """What `using` takes, and what a type checker lets through."""
    taken = {each.name for each in fields(LedgerTask)} - FIXED - {"enqueue_on_commit"}

    assert set(parameters.EnqueueOptions.__annotations__) == set(OPTIONS)
    assert set(parameters.TaskOptions.__annotations__) == taken
