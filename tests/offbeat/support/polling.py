"""Waiting for what another process is about to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")
# A machine under load answers later. A bound costs time only where no answer comes, so each is several times what a wait takes.
LOADED = 4


def wait_until(ask: Callable[[], Answer], seconds: float = 30, pause: float = 0.02) -> Answer:
    """Return the first true answer; fail with the last one after so many seconds, on a loaded machine several times as many."""
    bound = seconds * LOADED
    begun = time.monotonic()
    while not (answer := ask()):
        waited = time.monotonic() - begun
        if waited > bound:
            pytest.fail(f"waited {bound} s, and the answer was still {answer!r}")
        # What takes long is asked for less often: the question costs the CPU that others need for the answer.
        time.sleep(max(pause, min(waited / 10, 0.2)))
    return answer


def stays(ask: Callable[[], object], seconds: float, pause: float = 0.1) -> None:
    """Fail as soon as the answer is false within so many seconds: for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert ask()
        time.sleep(pause)
