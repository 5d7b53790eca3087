"""What one of the processes side by side does for all of them."""

from __future__ import annotations

import contextlib
import fcntl


@contextlib.contextmanager
def first_alone(done):
    """Let the first process go through the block alone, and the others after it; `done` is a file that is there from then on."""
    with done.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            fcntl.flock(lock, fcntl.LOCK_UN)
        yield
        done.touch()
