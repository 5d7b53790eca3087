"""Where the project is that this core works for."""

from __future__ import annotations

from pathlib import Path


def find_root() -> Path:
    """Return the nearest folder with a platform.yaml: above this package, else where the process was started, or above it.

    Where there is none, as in a project that installed the core as a wheel, it is the working directory.
    """
    starts = (Path(__file__).resolve().parent, Path.cwd())
    above = (folder for start in starts for folder in (start, *start.parents))
    return next((folder for folder in above if (folder / "platform.yaml").is_file()), Path.cwd())


ROOT = find_root()
PLATFORM_FILE = ROOT / "platform.yaml"
