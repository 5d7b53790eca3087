"""Who runs the servers of this checkout: one process at a time, by a lock that ends with it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from offbeat.dev.embedded import ServerFailedError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

STARTING = 90  # seconds that another process may take to start its servers


@dataclass(frozen=True)
class Owner:
    """The process that holds the claim, and the variables that reach its servers: None while they start."""

    pid: int
    task: str
    environment: dict[str, str] | None = field(repr=False)


class Claim:
    """The right to run this checkout's servers; the file that is locked says who has it, for its owner's eyes only."""

    def __init__(self, folder: Path, task: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.task = task
        self._file = os.open(folder / "running", os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> bool:
        """Become the owner; False when another process is."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.publish(None)
        return True

    def publish(self, environment: dict[str, str] | None) -> None:
        """Let the other processes know how to reach the servers."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps([os.getpid(), self.task, environment]).encode(), 0)

    def owner(self) -> Owner | None:
        """Return who holds it; None while that is being written."""
        try:
            return Owner(*json.loads(os.pread(self._file, 1 << 16, 0)))
        except ValueError:
            return None

    def wait_for_servers(self) -> dict[str, str] | None:
        """Return the variables that reach the owner's servers; None when the claim is ours, because it has gone.

        Raises ServerFailedError when its servers take longer than they should.
        """
        deadline = time.monotonic() + STARTING
        while not self.take():
            owner = self.owner()
            if owner and owner.environment is not None:
                return owner.environment
            if time.monotonic() > deadline:
                raise ServerFailedError(
                    f"./run {owner.task if owner else ''} has been starting for {STARTING} s."
                )
            time.sleep(0.1)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
