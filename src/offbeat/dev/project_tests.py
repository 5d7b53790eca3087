"""`./run test`: the project's tests, with those of the core where the core is made.

The core's suite runs under settings of its own, so it has a pytest of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from offbeat.dev.child_processes import start_child
from offbeat.dev.servers import CHECKOUT, IS_FORK
from offbeat.dev.stop_signals import Stopped, raise_when_asked_to_stop
from offbeat.dev.with_servers import call, shell_code

if TYPE_CHECKING:
    from collections.abc import Sequence

TESTS = CHECKOUT / "tests"
CORE = TESTS / "offbeat"
OF_THE_PROJECT = CORE / "project"  # what of the core's tests asks the project around it
# Of the core's, most wait for processes, so four at a time, beside the four axes. A fork's may be few, and each process more
# starts servers.
CORE_SIDE_BY_SIDE = ("--numprocesses", "4", "--dist", "worksteal")
SIDE_BY_SIDE = ("--numprocesses", "2" if IS_FORK else "3", "--dist", "worksteal")
# What is quick waits for nothing, and each process more imports and migrates.
TWO_AT_A_TIME = ("--numprocesses", "2", "--dist", "worksteal")
QUICK = "--quick"  # tests/offbeat/support/quick.py says what it leaves out
STOPPED = (2, 128 + signal.SIGINT)  # pytest's exit code after Ctrl-C, and a program's
NO_TESTS = 5  # pytest's exit code where none was selected
NOT_RUN = os.EX_OSERR
NOTHING = "No test was selected. Hint: ./run test alone runs all; ./run manage startapp NAME makes an app with its first test.\n"


@dataclass(frozen=True)
class Session:
    """One run of pytest, or of what runs it."""

    name: str
    arguments: Sequence[str]
    module: str = "pytest"
    is_beside: bool = False  # runs beside those that follow, and is shown after them


class FinishedSession(NamedTuple):
    """How a session went; `output` is what it has printed and nobody has seen."""

    name: str
    code: int
    seconds: float
    output: bytes = b""


def main(arguments: Sequence[str]) -> int:
    """Run the sessions, each alone or beside others; returns the exit code of the first that failed."""
    raise_when_asked_to_stop()
    chosen = sessions(arguments)
    if named := [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]:
        sys.stderr.write(f"Not used: {', '.join(named)}. Tests have servers of their own.\n")
    try:
        done = run_all(chosen)
    except Stopped as stopped:
        return stopped.code
    done += [
        FinishedSession(each.name, NOT_RUN, 0)
        for each in chosen
        if each.name not in {one.name for one in done}
    ]
    if done[1:]:
        sys.stdout.write(
            "".join(f"{each.name:8} {told(each.code)} ({each.seconds:.0f} s)\n" for each in done)
        )
    codes = [each.code for each in done if each.code != NO_TESTS] or [NO_TESTS]
    if codes == [NO_TESTS]:
        sys.stderr.write(NOTHING)
    return next((code for code in codes if code), 0)


def run_all(chosen: Sequence[Session]) -> list[FinishedSession]:
    """Run those that are alone in turn, then the others beside each other; after Ctrl-C none is begun."""
    alone, together = split(chosen)
    done = run_in_turn(alone)
    if done and done[-1].code in STOPPED:
        return done
    beside = SessionsBeside([each for each in together if each.is_beside])
    beside.start()
    done += run_in_turn([each for each in together if not each.is_beside])
    return [*done, *beside.wait()]


def run_in_turn(chosen: Sequence[Session]) -> list[FinishedSession]:
    done: list[FinishedSession] = []
    for session in chosen:
        done.append(run(session))
        if done[-1].code in STOPPED:
            break
    return done


def split(chosen: Sequence[Session]) -> tuple[Sequence[Session], Sequence[Session]]:
    """Give those that run alone, and from the first that runs beside others on all that follow."""
    first = next((place for place, each in enumerate(chosen) if each.is_beside), len(chosen))
    return chosen[:first], chosen[first:]


def sessions(arguments: Sequence[str]) -> list[Session]:
    """Give those that the arguments ask for: paths decide, else the project's tests and, upstream or with --core, the core's."""
    paths = [each for each in arguments if is_path(each)]
    options = [each for each in arguments if each != "--core" and each not in paths]
    if paths:
        return sessions_of(paths, options)
    core = core_sessions(options) if not IS_FORK or "--core" in arguments else []
    project = [] if "--core" in arguments else [project_session(options)]
    if any(each.is_beside for each in core):
        project = [replace(each, is_beside=True) for each in project]
    return [*core, *project]


def sessions_of(paths: Sequence[str], options: Sequence[str]) -> list[Session]:
    core = [each for each in paths if is_of_the_core(each)]
    project = [each for each in paths if each not in core]
    return [Session(name, [*some, *options]) for name, some in (("core", core), ("project", project)) if some]


def core_sessions(options: Sequence[str]) -> list[Session]:
    """Give the core's: the storm needs every CPU, so it is alone; the axes are its faults with other brokers and pools."""
    if options == [QUICK]:
        return [Session("core", [str(CORE), QUICK, *TWO_AT_A_TIME])]
    if options:
        return [Session("core", [str(CORE), *options])]
    return [
        Session("storm", [str(CORE / "faults"), "-m", "storm"]),
        Session("axes", [], "tests.offbeat.faults.axes", is_beside=True),
        Session("core", [str(CORE), "-m", "not storm", *CORE_SIDE_BY_SIDE]),
    ]


def project_session(options: Sequence[str]) -> Session:
    if options == [QUICK]:
        options = [QUICK, *TWO_AT_A_TIME]
    return Session("project", [str(TESTS), *(options or SIDE_BY_SIDE)])


def is_path(argument: str) -> bool:
    """Tell a test's path from the value of an option: `-k run` names no file here."""
    path = Path(argument.partition("::")[0]).resolve()
    return not argument.startswith("-") and path.is_relative_to(TESTS) and path.exists()


def is_of_the_core(path: str) -> bool:
    place = Path(path.partition("::")[0]).resolve()
    return place.is_relative_to(CORE) and not place.is_relative_to(OF_THE_PROJECT)


def run(session: Session) -> FinishedSession:
    started = time.monotonic()
    code = call(command_of(session), os.environ)
    return FinishedSession(session.name, code, time.monotonic() - started)


def command_of(session: Session) -> list[str]:
    return [sys.executable, "-m", session.module, *session.arguments]


class SessionsBeside(threading.Thread):
    """Runs sessions one after the other, while the main thread runs others: all wait more than they compute."""

    def __init__(self, chosen: Sequence[Session]) -> None:
        super().__init__(daemon=True)  # who is asked to stop does not wait for it: its session ends with us
        self.chosen = chosen
        self.done: list[FinishedSession] = []

    def run(self) -> None:
        for session in self.chosen:
            self.done.append(run_quietly(session))
            if self.done[-1].code in STOPPED:
                break

    def wait(self) -> list[FinishedSession]:
        """Wait for all, show what they have printed, and give how those went that were begun."""
        self.join()
        for each in self.done:
            sys.stdout.write(each.output.decode(errors="replace"))
        return self.done


def run_quietly(session: Session) -> FinishedSession:
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = start_child(command_of(session), stdout=output, stderr=subprocess.STDOUT)
        code = shell_code(process.wait())
        output.seek(0)
        return FinishedSession(session.name, code, time.monotonic() - started, output.read())


def told(code: int) -> str:
    return {0: "ok", NO_TESTS: "no tests", NOT_RUN: "not run"}.get(code, f"exit code {code}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
