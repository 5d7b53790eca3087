"""Identifiers that sort by time."""

from __future__ import annotations

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """Return a version 7 UUID (RFC 9562, sections 5.7 and 6.2, method 3): 60 bits of time, then 62 random ones.

    New rows land side by side in the primary key's index, which random ones would scatter all over it; those of one process sort in
    the order of their making, because 12 bits below the millisecond tell a quarter of a microsecond.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    chance = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | chance)
