"""Tasks whose effects are lines of a file."""

import time
from pathlib import Path

from celery import shared_task


@shared_task
def write_line(path, line):
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


@shared_task
def wait_for_file(path, line):
    """Write that it has begun, and go on when there is a file beside of that name with "-go"."""
    write_line(path, f"{line} begins")
    while not Path(f"{path}-go").exists():
        time.sleep(0.05)
    write_line(path, f"{line} ends")
