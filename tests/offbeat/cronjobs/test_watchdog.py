import subprocess
import sys

import pytest

HANG = """
import threading
from offbeat.cronjobs.watchdog import bounded_time
with bounded_time("weekly-digest", 0.2) as watchdog:
    {}
    threading.Event().wait()
"""


@pytest.mark.parametrize(
    ("phase", "code", "told"),
    [
        ("pass", 69, "PostgreSQL is down; the next wake-up or a worker claims the slot"),
        (
            "watchdog.note_commit()",
            75,
            "recorded; the broker is down: nothing is lost, a worker publishes it later",
        ),
    ],
)
def test_a_wake_up_that_hangs_is_ended(phase, code, told):
    """When its time is over it leaves with one line, and a code that says whether the slot is recorded."""
    hung = subprocess.run(
        [sys.executable, "-c", HANG.format(phase)], capture_output=True, text=True, check=False, timeout=20
    )

    assert (hung.returncode, hung.stdout) == (code, "")
    assert hung.stderr == f"weekly-digest: no answer within 0.2 s: {told}\n"
