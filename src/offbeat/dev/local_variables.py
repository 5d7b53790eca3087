"""The variables of `.env`, a developer's own, as a shell reads them: with quotes, comments and other variables in their values.

Works with any Python.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(".env")
# Names the variables of a process that the file gave it, so that they can be told from what was typed.
FROM_FILE = "VARIABLES_OF_ENV_FILE"
READ = 'set -ea; . ./.env; exec "$0" -c "import json, os; print(json.dumps({**os.environ}))"'
OF_THE_SHELL = {"_", "OLDPWD", "PWD", "SHLVL"}


class LocalVariablesError(Exception):
    """The shell cannot read .env: the message has its words, and what would be right."""


def read_local_variables(typed: Mapping[str, str]) -> dict[str, str]:
    """Return what .env adds to the variables that were typed, which win over it. Raises LocalVariablesError."""
    if not FILE.exists():
        return {}
    command = ["bash", "-c", READ, sys.executable]
    done = subprocess.run(command, env=typed, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it ended in the middle"])[-1].removeprefix("./")
        raise LocalVariablesError(f".env: the shell cannot read it: {said}. Write lines like NAME='a value'.")
    sys.stderr.write(done.stderr)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return {name: value for name, value in found.items() if name not in typed and name not in OF_THE_SHELL}


def typed_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a process' variables without those that .env gave it."""
    given = {FROM_FILE, *environ.get(FROM_FILE, "").split()}
    return {name: value for name, value in environ.items() if name not in given}
