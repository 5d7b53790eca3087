"""`python -m offbeat.dev.code_check [--migrate] [--demo-user]`: `manage.py localprepare`, with the code's errors in a few lines."""

from __future__ import annotations

import os
import runpy
import sys
from typing import TYPE_CHECKING

from offbeat.dev.code_error import describe_error
from offbeat.dev.servers import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run the command in this process; returns 70 where the code cannot be loaded, and exits as the command does."""
    file = str(CHECKOUT / "manage.py")
    sys.argv = [file, "localprepare", *arguments]
    try:
        runpy.run_path(file, run_name="__main__")
    except Exception as error:  # noqa: BLE001  whatever the project's code raises
        sys.stderr.write(f"Error: {describe_error(error)}\n")
        return os.EX_SOFTWARE
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
