"""Waits for what another process is about to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Truth = TypeVar("Truth")


def wait_until(ask: Callable[[], Truth], seconds: float = 60) -> Truth:
    """Return the first true answer; fails with the last one after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.1)
    return answer
