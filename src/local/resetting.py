"""`./run reset`: a fresh start, without the data of the embedded servers."""

from __future__ import annotations

import os
import shutil
import sys

from local.claim import Claim
from local.servers import FOLDER


def main() -> int:
    """Delete .local/; returns 75 when a process still uses it."""
    with Claim(FOLDER, "reset") as claim:
        if not claim.take():
            owner = claim.owner()
            who = f"./run {owner.task} (pid {owner.pid})" if owner else "Another process"
            sys.stderr.write(f"Error: {who} uses {FOLDER}. Hint: stop it first.\n")
            return os.EX_TEMPFAIL
        shutil.rmtree(FOLDER)
    sys.stdout.write(f"Deleted {FOLDER}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
