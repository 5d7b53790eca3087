"""The heartbeat file: what the probe reads, without importing Django or asking the broker."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from pathlib import Path

from offbeat.env import env

VARIABLE = "OFFBEAT_JOBS_HEARTBEAT_FILE"


def path() -> Path:
    """Return the file's path: one worker a container needs no setting, several on one machine need one each."""
    return Path(env.text(VARIABLE, "") or Path(tempfile.gettempdir()) / "jobs-worker-heartbeat")


def write(broker_away_since: float | None) -> None:
    """Replace the file in one step, so that the probe never reads half of it. Raises OSError, and leaves nothing else behind.

    The time in it is monotonic: all processes of a machine have the same, and nobody sets it.
    """
    away = None if broker_away_since is None else time.monotonic() - broker_away_since
    text = json.dumps({"at": time.monotonic(), "pid": os.getpid(), "broker_away_seconds": away})
    target = path()
    scratch = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        scratch.write_text(text)
        scratch.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise


def remove() -> None:
    """Remove the file; one that could not be written need not go."""
    with contextlib.suppress(OSError):
        path().unlink()
