"""The variables of `.env`, a developer's own, as a shell reads them: with quotes, comments and other variables in their values.

Works with any Python.
"""

from __future__ import annotations

import codecs
import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE = Path(".env")
# Names the variables of a process that the file gave it, so that they can be told from what was typed.
FROM_FILE = "VARIABLES_OF_ENV_FILE"
READ = 'set -ea; . "$1"; exec "$0" -c "import json, os; print(json.dumps({**os.environ}))"'
OF_THE_SHELL = {"_", "OLDPWD", "PWD", "SHLVL"}


class LocalVariablesError(Exception):
    """The shell cannot read .env: the message has its words, and what would be right."""


def read_local_variables(typed: Mapping[str, str]) -> dict[str, str]:
    """Return what .env adds to the variables that were typed, which win over it. Raises LocalVariablesError."""
    if not FILE.exists():
        return {}
    with readable_file() as (path, options):
        command = ["bash", "-c", READ, sys.executable, path]
        done = subprocess.run(command, env=typed, capture_output=True, text=True, check=False, **options)  # noqa: S603
    if done.returncode or not done.stdout.endswith("}\n"):
        said = (done.stderr.strip().splitlines() or ["it ended in the middle"])[-1]
        said = said.replace(path, ".env").removeprefix(f"{sys.executable}: line 1: .: ")
        raise LocalVariablesError(f".env: the shell cannot read it: {said}. Write lines like NAME='a value'.")
    sys.stderr.write(done.stderr)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return {name: value for name, value in found.items() if name not in typed and name not in OF_THE_SHELL}


@contextmanager
def readable_file() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the path of what the shell is to read, and how it is called: Windows' line ends and its mark at the start are no text.

    A file without them is read in its place, where it may look around itself.
    """
    text = FILE.read_bytes() if FILE.is_file() else b""
    cleaned = text.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")
    if cleaned == text:
        yield f"./{FILE}", {}
        return
    with tempfile.TemporaryFile() as file:
        file.write(cleaned)
        file.seek(0)
        yield f"/dev/fd/{file.fileno()}", {"pass_fds": [file.fileno()]}


def typed_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a process' variables without those that .env gave it."""
    given = {FROM_FILE, *environ.get(FROM_FILE, "").split()}
    return {name: value for name, value in environ.items() if name not in given}
