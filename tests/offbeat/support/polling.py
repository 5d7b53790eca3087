"""Waiting for what another process is about to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


def wait_until(ask: Callable[[], Answer], seconds: float = 30, pause: float = 0.02) -> Answer:
    """Return the first true answer; fail with the last one after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s, and the answer was still {answer!r}")
        time.sleep(pause)
    return answer


def stays(ask: Callable[[], object], seconds: float, pause: float = 0.02) -> None:
    """Fail as soon as the answer is false within so many seconds: for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert ask()
        time.sleep(pause)
