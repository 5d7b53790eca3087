"""Identifiers that sort by time."""

from __future__ import annotations

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """Return a version 7 UUID (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits.

    New rows land side by side in the primary key's index, which random ones would scatter all over it.
    """
    value = int.from_bytes(os.urandom(16), "big") & ((1 << 80) - 1) | (time.time_ns() // 1_000_000) << 80
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant
    return uuid.UUID(int=value)
