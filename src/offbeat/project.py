"""Where the project is that this core works for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from offbeat.variables.files import value_of
from offbeat.variables.values import cleaned


def find_root() -> Path:
    """Return OFFBEAT_ROOT, or the nearest folder with a platform.yaml: above this package, else above the working directory.

    Where there is none, as in a project that installed the core as a wheel, it is the working directory.
    """
    with contextlib.suppress(
        ValueError
    ):  # of OFFBEAT_ROOT_FILE, which the settings report; Django is not needed here
        if named := cleaned(value_of(os.environ, "OFFBEAT_ROOT")):
            return Path(named).resolve()
    starts = (Path(__file__).resolve().parent, Path.cwd())
    above = (folder for start in starts for folder in (start, *start.parents))
    return next((folder for folder in above if (folder / "platform.yaml").is_file()), Path.cwd())


ROOT = find_root()
PLATFORM_FILE = ROOT / "platform.yaml"
# The core's own pages; a wheel has none.
DOCS = Path(__file__).resolve().parents[2] / "docs" / "offbeat"
