"""Signals that ask us to stop, turned into an exception, so that every `with` is left in order."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a supervisor, a closed terminal
_held_back: list[list[int]] = []  # the signals of each block of `undisturbed` that we are in


class Stopped(BaseException):
    """Somebody asked us to stop. Leave; `code` is what the shell expects to see."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


def raise_when_asked_to_stop() -> None:
    """Raise Stopped in the main thread at the first such signal, and ignore those that follow."""
    for number in SIGNALS:
        signal.signal(number, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # ./run has held them back while we were imported


def run_until_stopped(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Exit with what a task's main() returns, or at such a signal with one line and no traceback."""
    try:
        raise_when_asked_to_stop()
        code = main(sys.argv[1:])
    except Stopped as stopped:
        sys.stderr.write("Stopped.\n")
        code = stopped.code
    sys.exit(code)


def ignore(*numbers: int) -> None:
    """Do nothing at these signals, without our children doing the same: they would inherit SIG_IGN."""
    for number in numbers:
        signal.signal(number, lambda *_: None)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold a stop back until the block is left: a process that is started in it is known to whoever ends it."""
    _held_back.append([])
    try:
        yield
    finally:
        for number in _held_back.pop()[:1]:
            _stop(number, None)


def _stop(number: int, _frame: FrameType | None) -> None:
    # What is being stopped takes its bounded time; a second Ctrl-C must not cut it short.
    ignore(*SIGNALS)
    if _held_back:
        _held_back[-1].append(number)
    else:
        raise Stopped(number)
