"""`./run test`: the project's tests, with those of the core where the core is made.

The core's suite runs under settings of its own, so it has a pytest of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from offbeat.dev.child_processes import start_child
from offbeat.dev.servers import CHECKOUT, IS_FORK
from offbeat.dev.stop_signals import Stopped, raise_when_asked_to_stop
from offbeat.dev.with_servers import call, shell_code

if TYPE_CHECKING:
    from collections.abc import Sequence

TESTS = CHECKOUT / "tests"
CORE = TESTS / "offbeat"
OF_THE_PROJECT = CORE / "project"  # what of the core's tests asks the project around it
# Of the core's, most wait for processes, so four at a time. A fork's may be few, and each process more starts servers.
CORE_SIDE_BY_SIDE = ("--numprocesses", "4", "--dist", "worksteal")
SIDE_BY_SIDE = ("--numprocesses", "2" if IS_FORK else "3", "--dist", "worksteal")
# What is quick waits for nothing, and each process more imports and migrates.
TWO_AT_A_TIME = ("--numprocesses", "2", "--dist", "worksteal")
QUICK = "--quick"  # tests/offbeat/support/quick.py says what it leaves out
NO_TESTS = 5  # pytest's exit code where none was selected


@dataclass(frozen=True)
class Session:
    """One run of pytest, or of what runs it."""

    name: str
    arguments: Sequence[str]
    module: str = "pytest"
    is_beside: bool = (
        False  # runs beside those that follow, and is shown after them: it waits more than it computes
    )


class Started(NamedTuple):
    """A session that runs beside others; `at` is when it began, monotonic seconds."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    at: float


def main(arguments: Sequence[str]) -> int:
    """Run the sessions, one after the other; returns the exit code of the first that failed."""
    raise_when_asked_to_stop()
    chosen = sessions(arguments)
    if named := [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]:
        sys.stderr.write(f"Not used: {', '.join(named)}. Tests have servers of their own.\n")
    try:
        results, beside = [], []
        for session in chosen:
            if session.is_beside:
                beside.append((session, start_beside(session)))
            else:
                results.append((session.name, *run(session)))
        results += [(session.name, *finish(started)) for session, started in beside]
    except Stopped as stopped:
        return stopped.code
    if results[1:]:
        sys.stdout.write("".join(f"{name:8} {told(code)} ({took:.0f} s)\n" for name, code, took in results))
    codes = [code for _, code, _ in results if code != NO_TESTS] or [NO_TESTS]
    return next((code for code in codes if code), 0)


def sessions(arguments: Sequence[str]) -> list[Session]:
    """Give those that the arguments ask for: paths decide, else the project's tests and, upstream or with --core, the core's."""
    paths = [each for each in arguments if is_path(each)]
    options = [each for each in arguments if each != "--core" and each not in paths]
    if paths:
        core = [each for each in paths if is_of_the_core(each)]
        project = [each for each in paths if each not in core]
        return [
            Session(name, [*some, *options]) for name, some in (("core", core), ("project", project)) if some
        ]
    return [
        *(core_sessions(options) if not IS_FORK or "--core" in arguments else ()),
        *(() if "--core" in arguments else [project_session(options)]),
    ]


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


def run(session: Session) -> tuple[int, float]:
    """Give its exit code, and the seconds that it took."""
    started = time.monotonic()
    code = call([sys.executable, "-m", session.module, *session.arguments], os.environ)
    return code, time.monotonic() - started


def start_beside(session: Session) -> Started:
    output = tempfile.TemporaryFile()  # noqa: SIM115  read when its process has ended
    command = [sys.executable, "-m", session.module, *session.arguments]
    return Started(start_child(command, stdout=output, stderr=subprocess.STDOUT), output, time.monotonic())


def finish(started: Started) -> tuple[int, float]:
    """Wait for what runs beside, show what it has printed, and give the same."""
    code = shell_code(started.process.wait())
    started.output.seek(0)
    sys.stdout.write(started.output.read().decode(errors="replace"))
    return code, time.monotonic() - started.at


def told(code: int) -> str:
    return {0: "ok", NO_TESTS: "no tests"}.get(code, f"exit code {code}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
