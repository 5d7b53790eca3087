"""The checkout's `.venv`: made before the first task, and again when the requirements change. Works with any Python."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.dev.django_choice import pinned_releases
from offbeat.dev.installers import (
    FOLDER,
    PYTHON,
    EnvironmentFailedError,
    base_python,
    has_pip,
    install,
    install_file,
)
from offbeat.dev.lock_part import running_part
from offbeat.dev.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Written last, and compared by `run` before each task: an environment without one is half made. The second is there where the
# tools are, too.
STAMP = FOLDER / "complete"
TOOLS_STAMP = FOLDER / "complete-with-tools"
PART = FOLDER / "requirements.txt"
REQUIREMENTS = "requirements-dev.txt"
CORE = Path("src/offbeat/pyproject.toml")
WHICH_PYTHON = "import sys; print(sys.base_prefix, sys.version)"


def prepare_environment(*, with_tools: bool) -> None:
    """Bring .venv up to date with the requirements and with PYTHON; without the tools where they are not needed.

    Raises EnvironmentFailedError.
    """
    try:
        if is_complete(with_tools=with_tools):
            return
        with one_at_a_time():
            if is_complete(with_tools=with_tools):  # the other one has made it
                return
            # One that was moved is not ours: its programs name the folder they were made in.
            if not stamp_of(STAMP).startswith(f"{Path.cwd()} ") or is_of_another_python():
                make_environment()
            install_requirements(with_tools=with_tools or TOOLS_STAMP.exists())
    except OSError as error:
        raise EnvironmentFailedError(f"{FOLDER} cannot be made: {error}") from None


def is_complete(*, with_tools: bool) -> bool:
    stamps = {stamp_of(STAMP), stamp_of(TOOLS_STAMP if with_tools else STAMP)}
    return stamps == {wanted_stamp()} and not is_of_another_python()


def wanted_stamp() -> str:
    return f"{Path.cwd()} {output_of(['cksum', REQUIREMENTS])}"


def stamp_of(path: Path) -> str:
    """Return what a stamp says, nothing without one, or where its environment has lost its Python."""
    is_whole = path.exists() and PYTHON.exists() and not is_upgraded()
    return path.read_text(encoding="utf-8").strip() if is_whole else ""


def is_upgraded() -> bool:
    """Whether the environment's Python, which runs us, became a newer version: that has no packages here."""
    return sys.prefix != sys.base_prefix and not Path(sysconfig.get_path("purelib")).exists()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait while another task makes the environment. The lock is the checkout's folder's: no file is left of it."""
    with ExitStack() as stack:
        folder = os.open(".", os.O_RDONLY)
        stack.callback(os.close, folder)
        os.set_inheritable(folder, True)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another ./run, which makes {FOLDER} ...")
            fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError:
            pass  # a network's file system that cannot lock: there we do without
        yield


def is_of_another_python() -> bool:
    """Whether the environment has another Python than the one that PYTHON names, which runs us then."""
    if not os.environ.get("PYTHON") or not PYTHON.exists():
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
    python = base_python()
    if not (shutil.which("uv") or find_spec("ensurepip") or has_pip()):
        raise EnvironmentFailedError(
            f"{python} cannot make environments. Hint: apt install python3-venv, or install uv, or name another: "
            "PYTHON=/path/to/python3.14 ./run up"
        )
    progress = Progress(f"Making {FOLDER} with Python {sys.version.split()[0]}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    install([python, "-m", "venv", "--without-pip", str(FOLDER)], progress)
    progress.finish(f"Made {FOLDER} with Python {sys.version.split()[0]}")
    say_older_django(Path(REQUIREMENTS).read_text(encoding="utf-8"))


def say_older_django(lock: str) -> None:
    """Say what this Python gets, where the lock has a newer Django for newer ones, as in the image."""
    here, *newer = pinned_releases(lock) or ["none"]
    if newer and sys.version_info < (3, 12):
        hint = "Hint: PYTHON=/path/to/python3.14 ./run up"
        say(f"It has Django {here}: {newer[-1]}, which the image runs, needs Python 3.12 or newer. {hint}")


def install_requirements(*, with_tools: bool) -> None:
    wanted = wanted_stamp()
    lock = Path(REQUIREMENTS).read_text(encoding="utf-8")
    TOOLS_STAMP.unlink(missing_ok=True)
    if stamp_of(STAMP) != wanted:  # else tools are added, and what `./run up` has loaded stays as it is
        STAMP.unlink(missing_ok=True)
    part = lock if with_tools else running_part(lock, CORE.read_text(encoding="utf-8"))
    PART.write_text(part, encoding="utf-8")
    install_file(PART)
    for stamp in (STAMP, TOOLS_STAMP) if with_tools else (STAMP,):
        if stamp_of(stamp) != wanted:
            stamp.write_text(f"{wanted}\n", encoding="utf-8")


def output_of(command: Sequence[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()  # noqa: S603


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
