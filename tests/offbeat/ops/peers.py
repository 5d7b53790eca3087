"""Installs what is not in the requirements into scratch folders, once a machine: Flower, celery-exporter, OpenTelemetry."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

FOLDER = Path(tempfile.gettempdir()) / "offbeat-peers"
FLOWER = ("flower==2.2.0", "humanize==4.16.0", "pytz==2026.2", "tornado==6.5.9")
TRACING = (
    "opentelemetry-exporter-otlp-proto-http==1.45.1",
    "opentelemetry-instrumentation-celery==0.66b1",
    "opentelemetry-instrumentation-django==0.66b1",
    "opentelemetry-instrumentation-psycopg==0.66b1",
)
EXPORTER = "celery-exporter==1.3.3"  # the newest in pure Python
UV = Path(sys.executable).with_name("uv")
# Its metadata lacks a comma, which newer tools refuse to read.
BUILDER = ("pip==23.2.1", "setuptools==57.5.0", "wheel==0.37.1")


def installed(name, fetch):
    """Return the folder of a peer; skip the test where it cannot be installed."""
    folder = FOLDER / f"{name}-{sys.version_info[0]}.{sys.version_info[1]}"
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            try:
                fetch(folder)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                pytest.skip(f"{name} could not be installed: {error}")
            (folder / "complete").touch()
    return folder


def flower():
    return installed("flower", lambda folder: install("--no-deps", "--target", folder, *FLOWER))


def tracing():
    return installed("tracing", lambda folder: install("--target", folder, *TRACING))


def exporter():
    if sys.version_info >= (3, 12):
        pytest.skip("celery-exporter's build needs Python 3.11 or older")
    return installed("celery-exporter", build_exporter)


def build_exporter(folder):
    builder = FOLDER / "builder"
    subprocess.run([sys.executable, "-m", "venv", str(builder)], check=True, timeout=120)
    python = builder / "bin" / "python"
    pip(python, *BUILDER)
    pip(python, "--no-build-isolation", "--target", folder, EXPORTER)


def install(*arguments):
    """Install for this Python. Its environment has no pip, as uv has made it."""
    call(UV, "pip", "install", "--quiet", "--python", sys.executable, *arguments)


def pip(python, *arguments):
    call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *arguments)


def call(*command):
    subprocess.run([*map(str, command)], check=True, timeout=150, capture_output=True)
