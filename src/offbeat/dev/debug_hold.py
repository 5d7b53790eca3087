"""The sign of a `./run worker --debug`: a lock that ends with it. While somebody holds it, the worker of `./run up` pauses."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from offbeat.dev.servers import FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

NAME = "debug-worker"
PAUSED = "./run worker --debug takes the jobs in another terminal: the worker here pauses."
RESUMED = "./run worker --debug has ended: the worker here starts again."


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
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def is_held() -> bool:
    """Tell whether a debug worker runs here."""
    if not (FOLDER / NAME).exists():
        return False
    with DebugHold() as hold:
        return not hold.take()


class HoldWatch:
    """What ./run up knows of a debug worker: its own workers pause meanwhile."""

    def __init__(self) -> None:
        self.is_held = False

    def has_changed(self) -> bool:
        """Look again; tell whether anything is new."""
        before, self.is_held = self.is_held, is_held()
        return self.is_held != before

    @property
    def text(self) -> str:
        return PAUSED if self.is_held else RESUMED

    def stops(self, command: Sequence[str]) -> bool:
        """Tell whether a process pauses now: one that takes jobs."""
        return self.is_held and "worker" in command
