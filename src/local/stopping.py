"""Signals that ask us to stop, turned into an exception, so that every `with` is left in order."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a supervisor, a closed terminal


class Stopped(BaseException):
    """Somebody asked us to stop. Leave; `code` is what the shell expects to see."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


def raise_when_asked_to_stop() -> None:
    """Raise Stopped in the main thread at the first such signal, and ignore those that follow."""
    for number in SIGNALS:
        signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    for (
        each
    ) in SIGNALS:  # what is being stopped takes its bounded time; a second Ctrl-C must not cut it short
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)
