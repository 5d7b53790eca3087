"""The tasks of `./run`. Works with any Python: what a task needs is installed before it starts."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from offbeat.dev.installers import PYTHON, UV, EnvironmentFailedError
from offbeat.dev.local_variables import (
    FROM_FILE,
    LocalVariablesError,
    read_local_variables,
    typed_variables,
)
from offbeat.dev.python_environment import prepare_environment
from offbeat.dev.stop_signals import SIGNALS, Stopped, raise_when_asked_to_stop, run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

WITH_SERVERS = ["-m", "offbeat.dev.with_servers", "python"]


@dataclass(frozen=True)
class Task:
    """What Python is called with, before the arguments of the person who types the task."""

    name: str
    arguments: str
    help: str
    command: Sequence[str]
    reads_env_file: bool = True  # .env is a developer's: what is checked is what everybody gets
    needs_packages: bool = (
        True  # without, it runs also where the requirements cannot be installed, and mends them
    )
    holds_signals: bool = True  # until its module handles them: Ctrl-C while that is imported is no traceback
    needs_tools: bool = False  # what checks and tests: installed when the first such task is typed
    explains_itself: bool = False  # has a --help of its own


TASKS = [
    Task(
        "up",
        "",
        "start everything, with its servers, until Ctrl-C",
        ["-m", "offbeat.dev.up"],
    ),
    Task(
        "test",
        "[--core] [--quick] [...]",
        "run the tests on their own servers, or those that take no minute; arguments go to pytest",
        ["-m", "offbeat.dev.project_tests"],
        reads_env_file=False,
        needs_tools=True,
        explains_itself=True,
    ),
    Task(
        "check",
        "[...]",
        "lint, format, types, Django's checks, migrations and their locks, platform.yaml; or only the named ones",
        ["-m", "offbeat.dev.project_checks"],
        reads_env_file=False,
        needs_tools=True,
    ),
    Task(
        "manage",
        "[...]",
        "run a Django command, with the servers of ./run up, or with its own",
        [*WITH_SERVERS, "manage.py"],
        explains_itself=True,
    ),
    Task(
        "fire",
        "NAME",
        "run a cronjob of platform.yaml now",
        [*WITH_SERVERS, "manage.py", "localcron", "--fire"],
    ),
    Task(
        "worker",
        "--debug",
        "run jobs in this terminal, one at a time, for breakpoint(); the worker of ./run up pauses",
        [*WITH_SERVERS, "manage.py", "debug_worker"],
        explains_itself=True,
    ),
    Task(
        "fix",
        "",
        "format the code, and fix what ruff can; say what is left",
        ["-m", "offbeat.dev.project_fixes"],
        reads_env_file=False,
        needs_tools=True,
    ),
    Task(
        "speed",
        "[JOBS]",
        "report how fast jobs, their start and a tick are here, beside what was recorded; two minutes",
        ["-m", "tests.offbeat.speed"],
        holds_signals=False,
        reads_env_file=False,
        explains_itself=True,
    ),
    Task(
        "psql",
        "[...]",
        "open a PostgreSQL prompt on the database",
        [*WITH_SERVERS, "-m", "offbeat.dev.prompts"],
    ),
    Task(
        "lock",
        "[...]",
        "pin the newest allowed versions of all requirements, or of the named ones",
        ["-m", "offbeat.dev.requirements"],
        reads_env_file=False,
        needs_packages=not UV.exists(),
    ),
    Task(
        "sbom",
        "[FILE]",
        "list the components of production and their licences, in dist/sbom.json or FILE",
        ["-m", "offbeat.dev.bill_of_materials"],
        reads_env_file=False,
        needs_tools=True,
    ),
    Task(
        "fork",
        "NAME",
        "make this checkout a project of that name, without the example (or --keep-example)",
        ["-m", "offbeat.dev.fork"],
        reads_env_file=False,
        needs_packages=False,
        explains_itself=True,
    ),
    Task(
        "update",
        "[VERSION]",
        "take a newer core, and the changes around it; --check only reports whether there is one",
        ["-m", "offbeat.dev.update"],
        reads_env_file=False,
        needs_packages=False,
        explains_itself=True,
    ),
    Task(
        "reset",
        "[--all]",
        "delete the data of the embedded servers; with --all also what was installed",
        ["-m", "offbeat.dev.reset"],
    ),
]
# Of those who make the core: a fork has neither the benchmarks nor a reason to build it.
UPSTREAM_TASKS = [
    Task(
        "bench",
        "NAME",
        "measure what Offbeat costs beside similar tools; without a name, list what there is and how long it takes",
        ["-m", "bench"],
        holds_signals=False,
        reads_env_file=False,
        needs_tools=True,
    ),
    Task(
        "wheel",
        "[FOLDER]",
        "build the core, and offbeat-client, as wheels in dist/, for projects that are not forks",
        ["-m", "offbeat.dev.wheel"],
        reads_env_file=False,
        needs_tools=True,
    ),
]


def main(arguments: Sequence[str]) -> int:
    """Become the task; returns 64 where there is none of that name, 69 where its environment cannot be made."""
    tasks = TASKS + (UPSTREAM_TASKS if Path("bench").is_dir() else [])
    name, *rest = arguments or ["help"]
    task = next((task for task in tasks if task.name == name), None)
    if task and not task.explains_itself and {"--help", "-h"} & set(rest[:1]):
        name, tasks = "help", [task]
    if name in {"help", "--help", "-h"}:
        sys.stdout.write(listing(tasks))
        return 0
    if task is None:
        sys.stderr.write(
            f'./run has no task "{name}".{did_you_mean(name, tasks)} Its tasks:\n{listing(tasks)}'
        )
        return os.EX_USAGE
    if rest and not task.arguments:
        sys.stderr.write(f"Error: ./run {name} takes no arguments, got {rest[0]}.\n")
        return os.EX_USAGE
    if task.needs_packages and (code := prepare(task)):
        return code
    try:
        return execute(task, rest)
    except LocalVariablesError as error:
        sys.stderr.write(f"Error: {error}\n")
        return os.EX_CONFIG


def prepare(task: Task) -> int:
    """Bring the environment up to date; returns 69 where that cannot be done, 130 for Ctrl-C, with a line that says so."""
    try:
        raise_when_asked_to_stop()
        prepare_environment(with_tools=task.needs_tools)
    except EnvironmentFailedError as error:
        sys.stderr.write(f"Error: {error}\n")
        return os.EX_UNAVAILABLE
    except Stopped as stopped:
        sys.stderr.write("Stopped: .venv is not complete, and the next ./run goes on with it.\n")
        return stopped.code
    return 0


def listing(tasks: Sequence[Task]) -> str:
    lines = ((f"{task.name} {task.arguments}".strip(), task.help) for task in tasks)
    return "".join(f"  ./run {usage:20} {text}\n" for usage, text in lines)


def did_you_mean(name: str, tasks: Sequence[Task]) -> str:
    nearest = get_close_matches(name, [task.name for task in tasks], n=1, cutoff=0.5)
    return f" Did you mean ./run {nearest[0]}?" if nearest else ""


def execute(task: Task, arguments: Sequence[str]) -> NoReturn:
    """Become the task's process. What comes from .env is named: `./run up` reads it again when the file changes."""
    typed = typed_variables(os.environ) if task.reads_env_file else dict(os.environ)
    given = read_local_variables(typed) if task.reads_env_file else {}
    environment = given | typed | {FROM_FILE: " ".join(given), "PYTHONPATH": str(Path("src").resolve())}
    python = str(PYTHON) if PYTHON.exists() else sys.executable
    if task.holds_signals:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    os.execve(python, [python, *task.command, *arguments], environment)  # noqa: S606


if __name__ == "__main__":
    run_until_stopped(main)  # the script `run` of an older fork calls this module
