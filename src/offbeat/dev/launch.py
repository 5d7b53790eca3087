"""How one process of `./run up` is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Names the file that a worker makes as soon as it takes messages.
READY_FILE = "WORKER_READY_FILE"


@dataclass(frozen=True)
class Launch:
    """A command with its environment; `grace` is how many seconds it may take to stop."""

    command: Sequence[str]
    environment: Mapping[str, str]
    grace: float = 5
    sockets: tuple[int, ...] = ()  # file descriptors that it inherits
    reads: Callable[[str], bool] = lambda _: True  # whether it may have read a file that has changed
    prepare: Callable[[], object] = lambda: None  # called before each start
    is_ready: Callable[[], bool] | None = None  # None: nobody waits for it

    def differs_from(self, other: Launch) -> bool:
        return (self.command, dict(self.environment)) != (other.command, dict(other.environment))
