"""The soft time limit of a job interrupts its task and nothing else.

In the middle of a record it would leave a job that says it runs, in a worker that lives.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNAL = signal.SIGUSR1  # by which the pool tells a child; its handler raises SoftTimeLimitExceeded

_handler: Any = signal.SIG_DFL  # the pool's, while it is held back


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Ignore the soft time limit inside the block; the hard one still holds."""
    global _handler  # noqa: PLW0603  a process runs one job at a time
    if not _is_ours():
        yield
        return
    _handler = signal.signal(SIGNAL, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(SIGNAL, _handler)


@contextlib.contextmanager
def let_through() -> Iterator[None]:
    """Let the soft time limit interrupt this part of a block in which it is held back."""
    if not _is_ours():
        yield
        return
    signal.signal(SIGNAL, _handler)
    try:
        yield
    finally:
        signal.signal(SIGNAL, signal.SIG_IGN)


def _is_ours() -> bool:
    """Tell whether Python may change the handler: not from other threads, and not one that C code has installed."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(SIGNAL) is not None
