"""The checkout's `.venv`: made before the first task, and again when the requirements change. Works with any Python."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.dev.django_choice import pinned_releases

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(".venv")
PYTHON = FOLDER / "bin" / "python"
UV = FOLDER / "bin" / "uv"
# Written last, and compared by `run` before each task: an environment without one is half made.
STAMP = FOLDER / "complete"
REQUIREMENTS = "requirements-dev.txt"


class EnvironmentFailedError(Exception):
    """The environment cannot be made; the message says what would help."""


def prepare_environment() -> None:
    """Bring .venv up to date with the requirements. Raises EnvironmentFailedError."""
    wanted = f"{Path.cwd()} {output_of(['cksum', REQUIREMENTS])}"
    found = STAMP.read_text(encoding="utf-8").strip() if STAMP.exists() and PYTHON.exists() else ""
    if found == wanted:
        return
    is_ours = found.startswith(
        f"{Path.cwd()} "
    )  # one that was moved is not: its programs name the folder they were made in
    if not is_ours:
        make_environment()
    install_requirements()
    STAMP.write_text(f"{wanted}\n", encoding="utf-8")


def make_environment() -> None:
    python = sys._base_executable  # type: ignore[attr-defined]  # noqa: SLF001  ours may be in the folder that is deleted
    if not has_uv() and not importlib.util.find_spec("ensurepip"):
        raise EnvironmentFailedError(
            f"{python} cannot make environments. Hint: apt install python3-venv, or install uv, or name another: "
            "PYTHON=/path/to/python3.14 ./run up"
        )
    say(f"Making {FOLDER} with Python {sys.version.split()[0]} ...")
    say_older_django(Path(REQUIREMENTS).read_text(encoding="utf-8"))
    shutil.rmtree(FOLDER, ignore_errors=True)
    if has_uv():
        call(["uv", "venv", "--quiet", "--python", python, str(FOLDER)])
    else:
        call([python, "-m", "venv", str(FOLDER)])


def say_older_django(lock: str) -> None:
    """Say what this Python gets, where the lock has a newer Django for newer ones, as in the image."""
    here, *newer = pinned_releases(lock) or ["none"]
    if newer and sys.version_info < (3, 12):
        hint = "Hint: PYTHON=/path/to/python3.14 ./run up"
        say(f"It has Django {here}: {newer[-1]}, which the image runs, needs Python 3.12 or newer. {hint}")


def install_requirements() -> None:
    say("Installing the requirements, which takes a minute the first time ...")
    STAMP.unlink(missing_ok=True)
    if has_uv():
        call(["uv", "pip", "sync", "--quiet", "--python", str(PYTHON), "--require-hashes", REQUIREMENTS])
    else:
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        call([*pip, "--require-hashes", "--requirement", REQUIREMENTS])


def has_uv() -> bool:
    return shutil.which("uv") is not None


def call(command: Sequence[str]) -> None:
    """Run a command, which tells by itself what is wrong. Raises EnvironmentFailedError."""
    if code := subprocess.run(command, check=False).returncode:  # noqa: S603
        raise EnvironmentFailedError(f"{' '.join(command)} ended with exit code {code}; its output is above.")


def output_of(command: Sequence[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()  # noqa: S603


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
