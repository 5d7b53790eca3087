"""The source distributions whose tests are run: downloaded by pip once, checked by their hashes, kept out of git."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile

from bench.stand import CHECKOUT

CACHE = CHECKOUT / ".local" / "conformance"
PINNED = CHECKOUT / "bench" / "conformance" / "sources.txt"
LOCKED = CHECKOUT / "requirements.txt"  # has the hashes of Django's source distribution too


class NoSourceError(Exception):
    """pip could not download a source distribution: there is no index in reach, or its hash is another."""


def source_of(name, version):
    """Return the folder of an unpacked source distribution."""
    folder = CACHE / f"{name}-{version}"
    if not folder.exists():
        unpack(download(name, version), folder)
    return folder


def download(name, version):
    where = CACHE / "download"
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    wanted = where / "wanted.txt"
    wanted.write_text(pin(name, version))
    asked = [
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--require-hashes",
        "-r",
        str(wanted),
    ]
    done = subprocess.run([*pip(), *asked, "--dest", str(where)], capture_output=True, text=True, check=False)
    found = next(iter(where.glob("*.tar.gz")), None)
    if done.returncode or found is None:
        raise NoSourceError(f"{name} {version}: pip could not download it.\n{done.stderr[-2000:]}")
    return found


def pin(name, version):
    """Return the line that asks for a version, with its hashes."""
    text = PINNED.read_text() + LOCKED.read_text()
    line = re.search(rf"^{name}=={re.escape(version)}\b.*?((?:\\\n +--hash=\S+ ?)+)", text, re.MULTILINE)
    if line is None:
        raise NoSourceError(f"{name} {version}: neither {PINNED.name} nor {LOCKED.name} has its hashes.")
    return f"{name}=={version} {line[1]}\n"


def pip():
    own = importlib.util.find_spec("pip") is not None  # uv makes environments without
    return [sys.executable, "-m", "pip"] if own else ["uv", "tool", "run", "pip"]


def unpack(archive, folder):
    scratch = archive.parent / "unpacked"
    with tarfile.open(archive) as file:
        file.extractall(scratch, filter="data")
    next(scratch.iterdir()).rename(folder)
    shutil.rmtree(archive.parent)
