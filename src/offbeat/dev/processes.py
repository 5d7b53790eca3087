"""Processes that live together: their output on one terminal, each restarted when it has to be, and all ended together."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from offbeat.dev import breakpoint_refusal
from offbeat.dev.child_processes import end_by_force, end_leftovers, family, start_child, stop_by
from offbeat.dev.stop_signals import undisturbed
from offbeat.ops.logs import wants_colours

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from offbeat.dev.launch import Launch

COLOURS = (36, 33, 32, 35, 34, 31)  # ANSI: cyan, yellow, green, magenta, blue, red
PAUSE = 0.1  # seconds between two looks
OUTPUT_ENDS = 2  # seconds for the last lines of a process that has ended
# The time that a process writes before its line, in colours or not: the line has ours already.
TIME = re.compile(
    r"^((?:\033\[[\d;]*m)*)\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?\]?((?:\033\[[\d;]*m)*) ?"
)


@dataclass
class Member:
    """A running process, and how it was started."""

    name: str
    launch: Launch
    process: subprocess.Popen[bytes]
    output: threading.Thread
    stop_at: float | None = None  # when it is ended by force: it was asked to stop
    successor: Launch | None = None  # what is started once it has ended

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None


class Processes:
    """Start and restart them in the main thread: the kernel ends a child with the thread that started it."""

    def __init__(self, environment: Mapping[str, str], width: int = 6) -> None:
        self.is_coloured = wants_colours(environment, sys.stdout.isatty())
        self.width = width
        self.members: dict[str, Member] = {}
        self._colours: dict[str, int] = {}
        self._printing = threading.Lock()

    def start(self, name: str, launch: Launch) -> Member:
        self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        launch.prepare()
        # They write into pipes, and would not colour their lines by themselves.
        colours = {"FORCE_COLOR": "1"} if self.is_coloured else {}
        with undisturbed():
            process = start_child(
                launch.command,
                env={"PYTHONBREAKPOINT": breakpoint_refusal.NAME, **launch.environment, **colours},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone: we stop each by one SIGTERM to its main process
                pass_fds=launch.sockets,
            )
            output = threading.Thread(target=self._follow, args=(name, process.stdout), daemon=True)
            member = self.members[name] = Member(name, launch, process, output)
            output.start()
        return member

    def replace(self, name: str, launch: Launch | None) -> None:
        """Have a process stopped, as the platform stops it, and this one started in its place; None: nothing is."""
        if name not in self.members and launch:
            self.start(name, launch)
        elif name in self.members:
            member = self.members[name]
            member.successor = launch
            if member.stop_at is None:  # a worker that is asked twice gives up its jobs
                self._ask_to_stop(member)

    def settle(self) -> None:
        """Go on with what `replace` began: returns at once."""
        for member in [each for each in self.members.values() if each.stop_at is not None]:
            if not member.has_ended and time.monotonic() < (member.stop_at or 0):
                continue
            self._end(member)
            if member.successor:
                self.start(member.name, member.successor)

    def ended(self) -> Member | None:
        """Give one that has ended by itself; it is none of ours any more."""
        for member in self.members.values():
            if member.stop_at is None and member.has_ended:
                self._end(member)
                return member
        return None

    def wait(self) -> Member:
        """Return the first process that ends."""
        while not (member := self.ended()):
            time.sleep(PAUSE)
        return member

    def say(self, text: str, name: str = "") -> None:
        """Print lines under a name, never into the middle of another's."""
        prefix = f"{time.strftime('%H:%M:%S')} {name:{self.width}} | "
        if name and self.is_coloured:
            prefix = f"\033[{self._colours[name]}m{prefix}\033[0m"
        with self._printing, contextlib.suppress(OSError):  # a closed terminal must not keep us from stopping
            sys.stdout.write("".join(f"{prefix}{line}\n" for line in printable(text).splitlines()))
            sys.stdout.flush()

    def stop(self) -> None:
        """Ask all to stop, wait as long as each may take, end by force what is left of them."""
        for member in self.members.values():
            if member.stop_at is None:
                self._ask_to_stop(member)
        for member in list(self.members.values()):
            stop_by(member.stop_at or 0, member.process)
            self._end(member)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ask_to_stop(self, member: Member) -> None:
        member.stop_at = time.monotonic() + member.launch.grace
        with contextlib.suppress(ProcessLookupError):
            member.process.terminate()

    def _end(self, member: Member) -> None:
        """End all that is left of it, and wait for its last lines."""
        del self.members[member.name]
        end_by_force(family(member.process))
        end_leftovers(member.process)
        member.output.join(OUTPUT_ENDS)

    def _follow(self, name: str, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self.say(TIME.sub(r"\1\2", line.decode(errors="replace")), name)


def printable(text: str) -> str:
    """Give text with escapes for the letters that the terminal does not know: they must not end the printing thread."""
    encoding = sys.stdout.encoding
    return text.encode(encoding, "backslashreplace").decode(encoding)
