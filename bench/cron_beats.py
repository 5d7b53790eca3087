"""Beat, django-celery-beat and RedBeat as the permanent processes that they are, with the same five entries."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.cron_process import resident
from bench.stand import CHECKOUT, process, say

REQUIREMENTS = Path(__file__).with_name("cron_peers.txt")
FOLDER = CHECKOUT / ".local" / "bench-cron-peers"
SETTLE = 15  # seconds until a process has done its first things and sleeps
DAY = 86_400

SCHEDULERS = {
    "Celery Beat": "--schedule {folder}/beat",
    "django-celery-beat": "--scheduler django_celery_beat.schedulers:DatabaseScheduler",
    "RedBeat": "--scheduler redbeat.RedBeatScheduler",
}


def install():
    """Install the peers once, beside our own requirements and without theirs."""
    stamp = FOLDER / "complete"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    pip = (
        ["uv", "pip", "install", "--python", sys.executable]
        if shutil.which("uv")
        else [sys.executable, "-m", "pip", "install"]
    )
    options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(FOLDER), "-r", str(REQUIREMENTS)]
    subprocess.run([*pip, *options], check=True)
    stamp.write_text(REQUIREMENTS.read_text())


def measure():
    """Return the GB·seconds a day of each."""
    install()
    path = f"{os.environ['PYTHONPATH']}{os.pathsep}{FOLDER}"
    environment = {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "bench.cron_settings"}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0"],
        cwd=CHECKOUT,
        env=os.environ | environment,
        check=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: held(name, options.format(folder=folder), environment)
            for name, options in SCHEDULERS.items()
        }


def held(name, options, environment):
    command = f"{sys.executable} -m celery --workdir src -A config beat --loglevel warning {options}"
    with process(command, **environment) as running:
        time.sleep(SETTLE)
        if running.poll() is not None:
            raise RuntimeError(f"{name} ended with {running.returncode}")
        memory = resident(running.pid)
    say(f"  {name}: {memory / 1e6:.0f} MB")
    return memory / 1e9 * DAY
