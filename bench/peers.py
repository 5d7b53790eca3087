"""Installs the peers into the folder named on the command line, once."""

import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("peers.txt")


def main(folder: Path) -> None:
    stamp = folder / "complete"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return
    shutil.rmtree(folder, ignore_errors=True)
    pip = ["uv", "pip"] if shutil.which("uv") else [sys.executable, "-m", "pip"]
    python = ["--python", sys.executable] if pip[0] == "uv" else []
    subprocess.run(
        [
            *pip,
            "install",
            *python,
            "--quiet",
            "--target",
            str(folder),
            "--require-hashes",
            "-r",
            str(REQUIREMENTS),
        ],
        check=True,
    )
    stamp.write_text(REQUIREMENTS.read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
