"""Installs the peers, pinned by hash, into a folder of their own: beside our requirements, not among them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
REQUIREMENTS = Path(__file__).with_name("peers.txt")
PEERS = CHECKOUT / ".local" / "bench-peers"


def install(folder: Path = PEERS) -> None:
    """Install them where that has not been done yet."""
    stamp = folder / "complete"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    pip = (
        [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    )
    options = ["--quiet", "--require-hashes", "--target", str(folder), "-r", str(REQUIREMENTS)]
    subprocess.run([*pip, *options], check=True)
    stamp.write_text(REQUIREMENTS.read_text())
