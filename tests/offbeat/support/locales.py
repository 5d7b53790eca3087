"""The locale of the tests' database: one that sorts texts as people do, unlike Python and the locale C, wherever one can be had.

What passes there passes with C, too; the other way round an index or an order may be right by luck.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from offbeat.dev.unprivileged import let_read

SOURCES = Path("/usr/share/i18n/locales")  # of Debian's package `locales`


def find_locale(wanted, folder):
    """Return the name of the locale, and the variables that programs find it by: C where the machine has no other."""
    if wanted == "C" or _normal(wanted) in _installed():
        return wanted, {}
    made = folder / "locales" / wanted
    if not made.exists() and not _make(wanted, made):
        return "C", {}
    let_read(made)  # started by root, PostgreSQL runs as nobody
    return wanted, {"LOCPATH": str(made.parent)}


def _installed():
    if not shutil.which("locale"):
        return set()
    done = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False)
    return {_normal(name) for name in done.stdout.split()}


def _normal(name):
    return name.lower().replace("utf-8", "utf8")


def _make(name, made):
    """Compile the locale from its source, a second's work; tell whether it is there. Two runs at once may both do it."""
    language, _, encoding = name.partition(".")
    if not shutil.which("localedef") or not (SOURCES / language).exists():
        return False
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as new:
        target = f"{new}/{name}"
        subprocess.run(["localedef", "-i", language, "-f", encoding, target], capture_output=True, check=True)
        if not made.exists():
            os.rename(target, made)  # noqa: PTH104
    return True
