"""What a job of every peer does, and how every peer's producer sends: one line a step in a file, whose order tells what was lost.

Imported in the peers' own processes: it needs nothing but Python.
"""

from __future__ import annotations

import asyncio
import os
import time

VARIABLE = "PEER_EFFECTS"
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT  # a short line is written whole, whoever else writes


def note(word, number):
    """Write that a job was sent, begins or ends; nothing where nobody asks for it."""
    if path := os.environ.get(VARIABLE):
        file = os.open(path, APPEND)
        os.write(file, f"{word} {number} {time.time():.6f}\n".encode())
        os.close(file)


def run(number, rest):
    """Do nothing, or rest for so many seconds as if waiting for another server."""
    note("begin", number)
    if rest:
        time.sleep(rest)
    note("end", number)


async def run_async(number, rest):
    """Do the same on an event loop."""
    note("begin", number)
    if rest:
        await asyncio.sleep(rest)
    note("end", number)


def produce(send, first, count, rest, pace):
    """Send so many jobs, each in a call of its own; with a pace, so many a second."""
    for number in range(first, first + count):
        begun = time.monotonic()
        note("sent", number)
        send(number, rest)
        if pace:
            time.sleep(max(0.0, begun + 1 / pace - time.monotonic()))
