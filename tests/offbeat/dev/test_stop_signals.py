"""Signals that ask us to stop, sent to a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

SCRIPT = """
import os, signal, subprocess, sys
from offbeat.dev.stop_signals import Stopped, raise_when_asked_to_stop, undisturbed
raise_when_asked_to_stop()
try:
    with undisturbed():
        with undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        print("started", flush=True)
        child = subprocess.run([sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGTERM).name)"])
    print("not stopped")
except Stopped as stopped:
    os.kill(os.getpid(), signal.SIGTERM)
    sys.exit(stopped.code)
"""


def test_a_stop_waits_for_what_must_not_be_disturbed():
    """The first signal stops us when the block is left, those that follow do nothing, and a child ignores none."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 128 + signal.SIGTERM
    assert done.stdout == "started\nSIG_DFL\n"
    assert done.stderr == ""
