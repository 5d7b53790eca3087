"""Where the data of the tests' servers are: in memory where there is enough of it, else on the disk.

Each test of real processes gets a database of its own, of 300 files. To make and delete them was 7 % of the suite's CPU on ext4,
which looks for an inode that was not deleted just now.
"""

from __future__ import annotations

import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  the name of a folder in it is nobody else's: tempfile has chosen it
ENOUGH = 4 << 30  # bytes: CI has up to twelve servers at once, of 150 MB each


def make(folder: Path) -> Path:
    """Make the folder for the data of a run that has this folder for all else; give that one where memory is scarce."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH:
        (MEMORY / folder.name).mkdir()
    return find(folder)


def find(folder: Path) -> Path:
    """Give what `make` has given, to whoever asks."""
    made = MEMORY / folder.name
    return made if made.exists() else folder
