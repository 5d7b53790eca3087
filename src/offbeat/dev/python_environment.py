"""The checkout's `.venv`: made before the first task, and again when the requirements change. Works with any Python."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from offbeat.dev.django_choice import pinned_releases
from offbeat.dev.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = Path(".venv")
PYTHON = FOLDER / "bin" / "python"
UV = FOLDER / "bin" / "uv"
# Written last, and compared by `run` before each task: an environment without one is half made.
STAMP = FOLDER / "complete"
REQUIREMENTS = "requirements-dev.txt"
PIN = re.compile(r"(?m)^[A-Za-z0-9].*==")
# What pip says once of each pin: the last one where this machine needs none.
COUNTED = re.compile(r"\s*(?:Collecting |Processing .*/|Requirement already satisfied: |Ignoring )([\w.]+)")
WHICH_PYTHON = "import sys; print(sys.base_prefix, sys.version)"


class EnvironmentFailedError(Exception):
    """The environment cannot be made; the message says what would help."""


def prepare_environment() -> None:
    """Bring .venv up to date with the requirements and with PYTHON. Raises EnvironmentFailedError."""
    try:
        wanted = f"{Path.cwd()} {output_of(['cksum', REQUIREMENTS])}"
        found = STAMP.read_text(encoding="utf-8").strip() if STAMP.exists() and PYTHON.exists() else ""
        # One that was moved is not ours: its programs name the folder they were made in.
        is_ours = found.startswith(f"{Path.cwd()} ") and not is_of_another_python()
        if not is_ours:
            make_environment()
        if found != wanted or not is_ours:
            install_requirements()
            STAMP.write_text(f"{wanted}\n", encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailedError(f"{FOLDER} cannot be made: {error}") from None


def is_of_another_python() -> bool:
    """Whether the environment has another Python than the one that PYTHON names, which runs us then."""
    if not os.environ.get("PYTHON"):
        return False
    if output_of([str(PYTHON), "-c", WHICH_PYTHON]) == f"{sys.base_prefix} {sys.version}":
        return False
    if is_in_use():
        raise EnvironmentFailedError(
            f"PYTHON names another Python than {FOLDER} has, and {FOLDER} is in use. Hint: stop ./run up first."
        )
    return True


def is_in_use() -> bool:
    """Whether a task of this checkout runs servers: claim.py locks the file, but needs what is not installed yet."""
    try:
        with Path(os.environ.get("LOCAL_DIR") or ".local", "running").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def make_environment() -> None:
    python = sys._base_executable  # type: ignore[attr-defined]  # noqa: SLF001  ours may be in the folder that is deleted
    if not has_uv() and not importlib.util.find_spec("ensurepip"):
        raise EnvironmentFailedError(
            f"{python} cannot make environments. Hint: apt install python3-venv, or install uv, or name another: "
            "PYTHON=/path/to/python3.14 ./run up"
        )
    progress = Progress(f"Making {FOLDER} with Python {sys.version.split()[0]}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    if has_uv():
        install(["uv", "venv", "--quiet", "--python", python, str(FOLDER)], progress)
    else:
        install([python, "-m", "venv", str(FOLDER)], progress)
    progress.finish(f"Made {FOLDER} with Python {sys.version.split()[0]}")
    say_older_django(Path(REQUIREMENTS).read_text(encoding="utf-8"))


def say_older_django(lock: str) -> None:
    """Say what this Python gets, where the lock has a newer Django for newer ones, as in the image."""
    here, *newer = pinned_releases(lock) or ["none"]
    if newer and sys.version_info < (3, 12):
        hint = "Hint: PYTHON=/path/to/python3.14 ./run up"
        say(f"It has Django {here}: {newer[-1]}, which the image runs, needs Python 3.12 or newer. {hint}")


def install_requirements() -> None:
    total = len(PIN.findall(Path(REQUIREMENTS).read_text(encoding="utf-8")))
    STAMP.unlink(missing_ok=True)
    if has_uv():
        progress = Progress(f"Installing the requirements, {total} packages")
        install(["uv", "pip", "sync", "--python", str(PYTHON), "--require-hashes", REQUIREMENTS], progress)
    else:
        progress = Progress("Downloading the requirements", total)
        pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
        install([*pip, "--require-hashes", "--requirement", REQUIREMENTS], progress)
    progress.finish(f"Installed the requirements, {total} packages")


def has_uv() -> bool:
    return shutil.which("uv") is not None


def install(command: Sequence[str], progress: Progress) -> None:
    """Run an installer and show how far it is; what it says is shown where it fails. Raises EnvironmentFailedError."""
    pipe = (
        None if command[0] == "uv" and progress.is_redrawn else subprocess.PIPE
    )  # uv draws a bar of its own
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe and subprocess.STDOUT, text=True
    ) as process:
        said = list(follow(process.stdout, progress)) if process.stdout else []
    if process.returncode:
        progress.clear()
        raise EnvironmentFailedError(f"{' '.join(command[:4])} ... failed:\n{reason_of(said)}")


def follow(output: IO[str], progress: Progress) -> Iterator[str]:
    """Give its lines; those that speak of a package count."""
    for line in output:
        yield line
        if found := COUNTED.match(line):
            progress.advance(found[1])
        elif line.startswith("Installing collected packages"):
            progress.note("unpacking, which takes as long again")


def reason_of(said: Sequence[str]) -> str:
    """Return why an installer has failed: its errors, or its last words."""
    errors = [line for line in said if line.startswith(("ERROR:", "error:", "Error:"))]
    return "".join(errors or said[-8:]).strip()


def output_of(command: Sequence[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()  # noqa: S603


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
