"""How far something has come that takes a while: a bar that is redrawn on a terminal, plain lines anywhere else.

Works with any Python.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

BAR = 24  # letters
STEPS = 4  # lines that are no terminal's get, between the first and the last


class Progress:
    """Counts up to `total`, where that is known. The first line comes at once, so that nobody waits without knowing for what."""

    def __init__(self, title: str, total: int = 0, stream: TextIO | None = None) -> None:
        self.title, self.total, self.stream = title, total, stream or sys.stderr
        self.is_redrawn = self.stream.isatty()
        self.started = time.monotonic()
        self.done = self.shown = 0
        self._show("" if self.total else " ...")

    def advance(self, what: str = "") -> None:
        """Count one more, which is `what`."""
        self.done += 1
        is_step = self.done * STEPS // max(1, self.total) > self.shown * STEPS // max(1, self.total)
        if self.is_redrawn or (is_step and self.done < self.total):
            self.shown = self.done
            self._show(f" {what}")

    def note(self, what: str) -> None:
        """Say what it does now."""
        self._show(f" {what}")

    def finish(self, result: str) -> None:
        """Say what has become of it, and how long it took."""
        self._write(f"{result} ({time.monotonic() - self.started:.0f} s)", end="\n")

    def clear(self) -> None:
        """Take the bar away, for an error that follows."""
        if self.is_redrawn:
            self._write("", end="")

    def _show(self, rest: str) -> None:
        counted = f" {self.done}/{self.total}" if self.total else ""
        if self.is_redrawn:
            self._write(f"{self.title} {self._bar()}{counted}{rest}", end="")
        else:
            self._write(f"{self.title}{counted}{rest}".rstrip(), end="\n")

    def _bar(self) -> str:
        filled = min(BAR, self.done * BAR // self.total) if self.total else 0
        return f"[{'#' * filled:{BAR}}]" if self.total else ""

    def _write(self, text: str, *, end: str) -> None:
        begin = ""
        if self.is_redrawn:  # a line that the terminal breaks could not be taken back
            begin, text = "\r\033[K", text[: shutil.get_terminal_size().columns - 1]
        self.stream.write(f"{begin}{text}{end}")
        self.stream.flush()
