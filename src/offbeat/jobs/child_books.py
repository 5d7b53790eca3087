"""What each child of prefork runs, in memory that it shares with the worker's main process.

The ledger may say otherwise: with `synchronous_commit = off`, or by a failover to a replica that is behind, PostgreSQL loses an end
that it has confirmed. Then a row says that a child runs its job, while the child has gone on. Celery's own books do not tell: they
forget what was in hand when the broker is lost.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from typing import TYPE_CHECKING

from billiard.process import current_process

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

ENTRY = struct.Struct("q16s")  # a pid, and the id of its job
NOTHING = bytes(16)

_memory: mmap.mmap | None = None


def open_books(children: int) -> None:
    """Make room for so many children; called in the main process before it forks them."""
    global _memory  # noqa: PLW0603  inherited by fork
    _memory = mmap.mmap(-1, children * ENTRY.size)


@contextlib.contextmanager
def note_job(job_id: uuid.UUID) -> Iterator[None]:
    """Say that this child runs a job inside the block. No child of prefork, or one that was added later: nobody says anything."""
    place = getattr(current_process(), "index", None)
    if _memory is None or place is None or (place + 1) * ENTRY.size > len(_memory):
        yield
        return
    ENTRY.pack_into(_memory, place * ENTRY.size, os.getpid(), job_id.bytes)
    try:
        yield
    finally:
        ENTRY.pack_into(_memory, place * ENTRY.size, os.getpid(), NOTHING)


def runs(pid: int, job_id: uuid.UUID) -> bool:
    """Tell whether a child runs a job, as far as it has said anything."""
    entries = dict(ENTRY.iter_unpack(_memory[:])) if _memory else {}
    return bool(entries.get(pid, job_id.bytes) == job_id.bytes)
