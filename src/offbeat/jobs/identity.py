"""Identifiers that sort by time."""

from __future__ import annotations

import os
import time
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

# An id tells when its job was enqueued, by the clock of the process that did: so much may that clock be off.
CLOCKS_DIFFER = timedelta(minutes=5)


def uuid7() -> uuid.UUID:
    """Return a version 7 UUID (RFC 9562, sections 5.7 and 6.2, method 3): 60 bits of time, then 62 random ones.

    New rows land side by side in the primary key's index, which random ones would scatter all over it; those of one process sort in
    the order of their making, because 12 bits below the millisecond tell a quarter of a microsecond.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    chance = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | chance)


def first_id(moment: datetime, shift: timedelta = timedelta()) -> uuid.UUID:
    """Return the lowest id of a job enqueued so long after a moment: version 7 ids begin with the time (RFC 9562, 5.7)."""
    return uuid.UUID(int=max(0, int((moment.timestamp() + shift.total_seconds()) * 1000)) << 80)
