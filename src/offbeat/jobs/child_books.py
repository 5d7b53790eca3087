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
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, cast

from billiard.process import current_process

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# A pid, the ids of the job that it runs and of the one whose end is open, and since when (`offbeat.jobs.open_end`).
ENTRY = struct.Struct("q16s16sd")
RUNS = struct.Struct("q16s")
OPEN_END = struct.Struct("16sd")
NOTHING = bytes(16)

_memory: mmap.mmap | None = None
_done: deque[int] = deque(
    maxlen=10_000
)  # pids of children that died with nothing to do; the youngest, for minutes


def open_books(children: int) -> None:
    """Make room for so many children; called in the main process before it forks them."""
    global _memory  # noqa: PLW0603  inherited by fork
    _memory = mmap.mmap(-1, children * ENTRY.size)


def _place(index: int | None) -> int | None:
    """Return where the entry of a child is; None of no child of prefork, or one that was added later: nobody says anything."""
    return (
        None
        if _memory is None or index is None or (index + 1) * ENTRY.size > len(_memory)
        else index * ENTRY.size
    )


def _own_place() -> int | None:
    return _place(getattr(current_process(), "index", None))


@contextlib.contextmanager
def note_job(job_id: uuid.UUID) -> Iterator[None]:
    """Say that this child runs a job inside the block."""
    if (place := _own_place()) is None:
        yield
        return
    _write(place, job_id.bytes)
    try:
        yield
    finally:
        _write(place, NOTHING)


def _write(place: int, job: bytes) -> None:
    assert _memory is not None  # noqa: S101  it has a place in it
    RUNS.pack_into(_memory, place, os.getpid(), job)


def leave_open(job_id: uuid.UUID) -> bool:
    """Say that a job of this child has ended, and that this is not recorded; tell whether there is room to say so."""
    if (place := _own_place()) is None:
        return False
    OPEN_END.pack_into(cast("mmap.mmap", _memory), place + RUNS.size, job_id.bytes, time.monotonic())
    return True


def close_end() -> None:
    """Say that it is recorded."""
    if (place := _own_place()) is not None:
        OPEN_END.pack_into(cast("mmap.mmap", _memory), place + RUNS.size, NOTHING, 0.0)


def runs(pid: int, job_id: uuid.UUID) -> bool:
    """Tell whether a child runs a job, as far as it has said anything."""
    found = {entry[0]: entry[1] for entry in _entries()}
    return bool(found.get(pid, job_id.bytes) == job_id.bytes)


def is_at(pid: int, job_id: uuid.UUID) -> bool:
    """Tell whether a child runs a job or has its end open."""
    return runs(pid, job_id) or any(entry[0] == pid and entry[2] == job_id.bytes for entry in _entries())


def open_ends() -> dict[int, float]:
    """Return the pids of the children that have an end open, and for how many seconds."""
    now = time.monotonic()
    return {pid: now - since for pid, _, job, since in _entries() if job != NOTHING}


def note_death(index: int, pid: int) -> None:
    """Remember a child that has died and had nothing to do: what the ledger says that it runs has ended."""
    if (place := _place(index)) is not None and _memory is not None:
        owner, job, ended, _ = ENTRY.unpack_from(_memory, place)
        if owner == pid and job == ended == NOTHING:
            note_done([pid])


def note_done(numbers: Iterable[int]) -> None:
    """Do the same for lanes that had nothing to do."""
    _done.extend(numbers)


def done() -> Collection[int]:
    """Return the pids and numbers of those that are gone, and had nothing to do."""
    return frozenset(_done)


def take_open_end(index: int, pid: int) -> uuid.UUID | None:
    """Return the job that a child has left open when it died, and forget it."""
    if (place := _place(index)) is None or _memory is None:
        return None
    owner, _, job, _ = ENTRY.unpack_from(_memory, place)
    if owner != pid or job == NOTHING:
        return None
    ENTRY.pack_into(_memory, place, 0, NOTHING, NOTHING, 0.0)
    return uuid.UUID(bytes=job)


def _entries() -> list[tuple[int, bytes, bytes, float]]:
    return list(ENTRY.iter_unpack(_memory[:])) if _memory else []
