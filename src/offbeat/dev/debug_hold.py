"""The sign of a `./run worker --debug`: a lock that ends with it. While somebody holds it, the worker of `./run up` pauses."""

from __future__ import annotations

import fcntl
import os
import sys
from typing import TYPE_CHECKING, Self

from offbeat.dev.servers import FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

NAME = "debug-worker"
PAUSED = "Paused: ./run worker --debug takes the jobs in another terminal.\n"
RESUMED = "./run worker --debug has ended: starting again.\n"


class DebugHold:
    """The right to be the one debug worker of this checkout."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> bool:
        """Become it; False where another process is."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def is_held() -> bool:
    """Tell whether a debug worker runs here."""
    if not (FOLDER / NAME).exists():
        return False
    with DebugHold() as hold:
        return not hold.take()


class ServicePause:
    """Whether a service of `./run up` pauses: a worker does while a debug worker runs."""

    def __init__(self, command: Sequence[str]) -> None:
        self.is_worker = "worker" in command
        self.is_on = False

    def has_changed(self) -> bool:
        """Look again, and say what is new; tell whether anything is."""
        if not self.is_worker or self.is_on == is_held():
            return False
        self.is_on = not self.is_on
        sys.stderr.write(PAUSED if self.is_on else RESUMED)
        return True
