"""Says when the processes can be used: as soon as all answer, and not before."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from offbeat.dev.processes import Processes

PAUSE = 0.2  # seconds between two looks
PATIENCE = 60  # seconds until it is said who keeps us waiting


class Readiness:
    """Waits in the background. `first` is said once, as soon as everything has been ready for the first time."""

    def __init__(self, processes: Processes, first: str) -> None:
        self.processes, self.first = processes, first
        self._round = 0

    def expect(self, names: Iterable[str]) -> None:
        """Wait for these, and no more for others."""
        if not (waited := sorted(names)):
            return
        self._round += 1
        threading.Thread(target=self._wait, args=(self._round, waited), daemon=True).start()

    def _wait(self, number: int, names: list[str]) -> None:
        complain_at = time.monotonic() + PATIENCE
        while missing := [name for name in names if not self._is_ready(name)]:
            if number != self._round:
                return
            if time.monotonic() > complain_at:
                complain_at = float("inf")
                self.processes.say(
                    f"Not ready after {PATIENCE} s: {', '.join(missing)}. What they print says why."
                )
            time.sleep(PAUSE)
        if number == self._round:
            text, self.first = self.first or f"Ready: {', '.join(names)}.", ""
            self.processes.say(text)

    def _is_ready(self, name: str) -> bool:
        member = self.processes.members.get(name)
        if not member or member.stop_at is not None:
            return False
        return member.launch.is_ready is None or member.launch.is_ready()
