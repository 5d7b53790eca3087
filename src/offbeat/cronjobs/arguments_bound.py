"""How long arguments() of one cronjob may keep a tick waiting: whatever it hangs at, those behind it are woken up.

It is interrupted as by Ctrl-C, in the main thread only: there alone Python can. What waits for PostgreSQL is not: the transaction
bounds its statements, and interrupted in the middle it could not be rolled back.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from django.db import connections
from psycopg.pq import TransactionStatus

from offbeat.cronjobs.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARE = 0.5  # of the time that is left: the rest is for the others
SHORTEST = 0.5  # seconds
AGAIN = 0.5  # seconds until it is looked again whether PostgreSQL has answered


class ArgumentsHangError(Exception):
    """arguments() of one cronjob was interrupted: the tick goes on without it."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"arguments() did not return within {seconds:.1f} s")
        self.name = name


class _Interruption(BaseException):
    """Passes what catches an Exception on its way out of arguments()."""


@dataclass(frozen=True)
class BoundedEntry(Entry):
    """A cronjob whose arguments() may take a share of the time that is left until `deadline`."""

    deadline: float = 0.0  # monotonic seconds

    @classmethod
    def of(cls, entry: Entry, deadline: float) -> Self:
        return cls(**{each.name: getattr(entry, each.name) for each in fields(entry)}, deadline=deadline)

    def arguments(self, slot: Any) -> Any:
        seconds = max(SHORTEST, SHARE * (self.deadline - time.monotonic()))
        try:
            with interrupted_after(seconds):
                return super().arguments(slot)
        except _Interruption:
            raise ArgumentsHangError(self.name, seconds) from None


@contextlib.contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Interrupt the block when it takes longer, once; outside of the main thread it is left alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        if not is_asking_postgres():
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise _Interruption

    handler = signal.signal(signal.SIGALRM, interrupt)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def is_asking_postgres() -> bool:
    sessions = (
        each.connection for each in connections.all(initialized_only=True) if each.vendor == "postgresql"
    )
    return any(each and each.info.transaction_status == TransactionStatus.ACTIVE for each in sessions)
