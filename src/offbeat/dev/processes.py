"""Processes that live together: their output on one terminal, and when one ends, all do."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from offbeat.dev.child_processes import start_child, stop_by
from offbeat.dev.stop_signals import undisturbed
from offbeat.ops.logs import wants_colours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

COLOURS = (36, 33, 32, 35, 34, 31)  # ANSI: cyan, yellow, green, magenta, blue, red
PAUSE = 0.2  # seconds between two looks
OUTPUT_ENDS = 2  # seconds for the last lines of a process that has ended


@dataclass
class Member:
    """A running process, and how many seconds it may take to stop."""

    name: str
    grace: float
    process: subprocess.Popen[bytes]
    output: threading.Thread | None = None


class Processes:
    """Start them in the main thread: the kernel ends a child with the thread that started it."""

    def __init__(self, environment: Mapping[str, str], width: int = 6) -> None:
        self.is_coloured = wants_colours(environment, sys.stdout.isatty())
        # They write into pipes, and would not colour their lines by themselves.
        self.environment = dict(environment) | ({"FORCE_COLOR": "1"} if self.is_coloured else {})
        self.width = width
        self._members: list[Member] = []
        self._printing = threading.Lock()

    def start(self, name: str, command: Sequence[str], *, grace: float = 5) -> Member:
        with undisturbed():
            process = start_child(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone: we stop each by one SIGTERM to its main process
            )
            member = Member(name, grace, process)
            self._members.append(member)
        member.output = threading.Thread(target=self._follow, args=(member, len(self._members)), daemon=True)
        member.output.start()
        return member

    def wait(self) -> Member:
        """Return the first process that ends."""
        while True:
            for member in self._members:
                if member.process.poll() is not None:
                    return member
            time.sleep(PAUSE)

    def say(self, text: str, name: str = "", colour: int = 0) -> None:
        """Print lines under a name, never into the middle of another's."""
        stamp = time.strftime("%H:%M:%S")
        prefix = f"{stamp} {name:{self.width}} | "
        if colour and self.is_coloured:
            prefix = f"\033[{colour}m{prefix}\033[0m"
        with self._printing, contextlib.suppress(OSError):  # a closed terminal must not keep us from stopping
            sys.stdout.write("".join(f"{prefix}{line}\n" for line in printable(text).splitlines()))
            sys.stdout.flush()

    def stop(self) -> None:
        """Ask all to stop, wait as long as each may take, end by force what is left of them."""
        for member in self._members:
            with contextlib.suppress(ProcessLookupError):
                member.process.terminate()
        started = time.monotonic()
        for member in self._members:
            stop_by(started + member.grace, member.process)
            if member.output:
                member.output.join(OUTPUT_ENDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _follow(self, member: Member, number: int) -> None:
        output: IO[bytes] = member.process.stdout  # type: ignore[assignment]
        colour = COLOURS[(number - 1) % len(COLOURS)]
        with output:
            for line in output:
                self.say(line.decode(errors="replace"), member.name, colour)


def printable(text: str) -> str:
    """Give text with escapes for the letters that the terminal does not know: they must not end the printing thread."""
    encoding = sys.stdout.encoding
    return text.encode(encoding, "backslashreplace").decode(encoding)
