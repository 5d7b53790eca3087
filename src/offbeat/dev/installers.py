"""What brings packages into `.venv`: uv, which pip brings first where the machine has none, else pip. Works with any Python.

uv does in three seconds what takes pip fifteen, and both compare the hashes of the lock.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from offbeat.dev.locks import packages
from offbeat.dev.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = Path(".venv")
PYTHON = FOLDER / "bin" / "python"
UV = FOLDER / "bin" / "uv"
PIN = re.compile(r"(?m)^[A-Za-z0-9].*==")
# What pip says once of each pin: the last one where this machine needs none.
COUNTED = re.compile(r"\s*(?:Collecting |Processing .*/|Requirement already satisfied: |Ignoring )([\w.]+)")
# Where pip is told to look elsewhere, uv would not look: it does not read pip's configuration.
OF_PIP_ALONE = re.compile(r"(?m)\.(?:index-url|no-index|proxy|client-cert|trusted-host)=")
OF_UV = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE", "UV_OFFLINE")
# What a person's pip is told for other folders than ours: the first can be taken back, the others are left out.
OF_OTHERS = {"PIP_USER": "0", "PIP_DRY_RUN": "0"}
PLACES = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
PIP_VERSION = "import pip; print(*pip.__version__.split('.')[:2])"
STOPPING = 5  # seconds that an installer may take to clean up
OLDEST_PIP = (22, 3)  # the first with --python


class EnvironmentFailedError(Exception):
    """The environment cannot be made; the message says what would help."""


def base_python() -> str:
    """Return the Python that environments are made of: ours may be in the folder that is deleted."""
    return sys._base_executable  # type: ignore[attr-defined]  # noqa: SLF001


def install_file(path: Path) -> None:
    """Install what a file of requirements pins, and with uv nothing else. Raises EnvironmentFailedError."""
    lock = path.read_text(encoding="utf-8")
    total = len(PIN.findall(lock))
    if shutil.which("uv"):
        install_by_uv("uv", path, total)
        return
    if uv := bring_uv(lock):
        try:
            install_by_uv(uv, path, total)
        except EnvironmentFailedError:
            sys.stderr.write(
                "uv could not install them, so pip does.\n"
            )  # it finds an index by ways of its own
        else:
            return
    install_by_pip(path, total)


def install_by_uv(uv: str, path: Path, total: int) -> None:
    progress = Progress(f"Installing the requirements, {total} packages")
    compiled = ["--compile-bytecode"] if keeps_no_bytecode() else []
    install([uv, "pip", "sync", "--python", str(PYTHON), *compiled, "--require-hashes", str(path)], progress)
    progress.finish(f"Installed the requirements, {total} packages")


def install_by_pip(path: Path, total: int) -> None:
    progress = Progress("Downloading the requirements", total)
    compiled = [] if keeps_no_bytecode() else ["--no-compile"]
    pip_install(path, progress, *compiled)
    refuse_elsewhere(path, progress)
    progress.finish(f"Installed the requirements, {total} packages")


def pip_install(path: Path, progress: Progress, *options: str) -> None:
    command = [
        *pip(),
        "install",
        "--progress-bar",
        "off",
        *options,
        "--require-hashes",
        "--requirement",
        str(path),
    ]
    install(command, progress)


def refuse_elsewhere(path: Path, progress: Progress) -> None:
    """Raise EnvironmentFailedError where pip has been content, and has put nothing into .venv."""
    wanted = packages(path.read_text(encoding="utf-8")).keys() - {"", "uv"}
    found = FOLDER.glob("lib*/python*/site-packages/*.dist-info")
    if wanted and not wanted & {each.name.partition("-")[0].replace("_", "-").lower() for each in found}:
        progress.clear()
        raise EnvironmentFailedError(
            f"pip has installed the requirements, but not into {FOLDER}. Its configuration names another place. "
            "Hint: pip config list shows `target`, `prefix` or `root`: pip config unset removes it."
        )


def keeps_no_bytecode() -> bool:
    """Whether each process would compile everything anew; else what is really imported is compiled, and once."""
    return bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))


def bring_uv(lock: str) -> str:
    """Have pip install the uv of the lock, and return its path: nothing where there is none for us."""
    if UV.exists():
        return str(UV)
    pin = packages(lock).get("uv")
    if not pin or configures_pip_alone():
        return ""
    progress = Progress("Installing uv, which installs the rest")
    alone = FOLDER / "uv.txt"
    alone.write_text(pin, encoding="utf-8")
    try:
        pip_install(alone, progress, "--no-compile", "--no-deps")
    except EnvironmentFailedError:
        progress.finish("There is no uv for this machine, so pip installs all")
        return ""
    progress.finish("Installed uv, which installs the rest")
    return str(UV) if UV.exists() else ""


def configures_pip_alone() -> bool:
    """Whether somebody has told pip where to look for packages, and uv nothing."""
    if any(os.environ.get(name) for name in OF_UV):
        return False
    listed = subprocess.run([*pip(), "config", "list"], capture_output=True, text=True, check=False)  # noqa: S603
    return bool(listed.returncode or OF_PIP_ALONE.search(listed.stdout))


def pip() -> list[str]:
    """Return the pip that works on .venv: the one that Python has, else one that is made there."""
    if has_pip():
        return [base_python(), "-m", "pip", "--python", str(PYTHON), "--disable-pip-version-check"]
    if not (FOLDER / "bin" / "pip3").exists():
        progress = Progress("Installing pip")
        install([str(PYTHON), "-m", "ensurepip"], progress)
        progress.finish("Installed pip")
    return [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]


@cache
def has_pip() -> bool:
    """Whether the Python that environments are made of has a pip that works on others."""
    asked = subprocess.run([base_python(), "-c", PIP_VERSION], capture_output=True, text=True, check=False)  # noqa: S603
    return not asked.returncode and tuple(map(int, asked.stdout.split())) >= OLDEST_PIP


def install(command: Sequence[str], progress: Progress) -> None:
    """Run an installer and show how far it is; what it says is shown where it fails. Raises EnvironmentFailedError."""
    try:
        code, said = call_installer(command, progress)
    except OSError as error:  # it is for another machine, or a folder may not be written
        code, said = error.errno, [f"Error: {error}\n"]
    if code:
        progress.clear()
        raise EnvironmentFailedError(f"{' '.join(command[:4])} ... failed:\n{reason_of(said)}")


def call_installer(command: Sequence[str], progress: Progress) -> tuple[int | None, list[str]]:
    """Return its exit code and what it has said: nothing where uv draws a bar of its own."""
    pipe = None if command[0].endswith("uv") and progress.is_redrawn else subprocess.PIPE
    process = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe and subprocess.STDOUT,
        env={name: value for name, value in (os.environ | OF_OTHERS).items() if name not in PLACES},
        text=True,
        close_fds=False,  # it holds the lock with us: killed, we leave nobody a folder that is still written to
    )
    try:
        said = list(follow(process.stdout, progress)) if process.stdout else []
        return process.wait(), said
    except BaseException:  # a signal that asks us to stop may have reached us alone
        end(process)
        raise


def end(process: subprocess.Popen[str]) -> None:
    """Ask it to stop, end it by force where that takes too long, and return when it is gone."""
    process.terminate()
    try:
        process.wait(STOPPING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def follow(output: IO[str], progress: Progress) -> Iterator[str]:
    """Give its lines; those that speak of a package count."""
    for line in output:
        yield line
        if found := COUNTED.match(line):
            progress.advance(found[1])
        elif line.startswith("Installing collected packages"):
            progress.note("unpacking")


def reason_of(said: Sequence[str]) -> str:
    """Return why an installer has failed: its errors, or its last words."""
    errors = [line for line in said if line.startswith(("ERROR:", "error:", "Error:"))]
    return "".join(errors or said[-8:]).strip()
