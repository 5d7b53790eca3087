"""The warden: a process that ends children of a parent that was killed, where the kernel does not: `python -m offbeat.dev.warden`.

It reads lines, `<pid> <signal>`, from its standard input. When that ends, as any death of the writer closes a pipe, it sends them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import IO

import psutil  # type: ignore[import-untyped]

_pipes: dict[int, IO[bytes]] = {}  # our pid and its pipe: a fork of ours starts a warden of its own


def watch(pid: int, number: int) -> None:
    """Have the signal sent to this child when we die."""
    if (pipe := _pipes.get(os.getpid())) is None:
        pipe = _pipes[os.getpid()] = _start()
    pipe.write(b"%d %d\n" % (pid, number))
    pipe.flush()


def _start() -> IO[bytes]:
    # A session of its own: what is sent to our process group must not end it before us.
    command = [sys.executable, "-m", "offbeat.dev.warden"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
    assert process.stdin is not None  # noqa: S101  for mypy
    return process.stdin


def main() -> None:
    wards = []
    for line in sys.stdin:
        pid, number = map(int, line.split())
        with contextlib.suppress(psutil.NoSuchProcess):
            wards.append(
                (psutil.Process(pid), number)
            )  # knows its start: the pid may become another program's
    for process, number in wards:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


if __name__ == "__main__":
    main()
