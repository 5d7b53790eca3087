"""Builds the image, and starts and stops real containers, where this machine can."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import yaml

from tests.offbeat.project.template.containers.dockerfile import ROOT, stages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PYTHON = stages()[0].base
POSTGRES, REDIS = (
    yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][name]["image"]
    for name in ("postgres", "redis")
)
IMAGE = "localhost/offbeat-under-test"

# Buildah's own default needs a runtime that may unshare; chroot does wherever root is allowed.
ENVIRONMENT = {"BUILDAH_ISOLATION": "chroot"} | os.environ


def missing(*images: str) -> str:
    """Say what is missing to run containers of these images, "" when nothing is."""
    for tool in ("buildah", "podman"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    for image in images:
        if not find_local(image):
            return f"{image} is not on this machine: podman pull {image}"
    return ""


@functools.cache
def find_local(image: str) -> str:
    """Return the image as this machine knows it: by its digest, else by its tag (made here, or for want of a registry); or ""."""
    names = (image, image.partition("@")[0])
    return next((name for name in names if podman("image", "exists", name).returncode == 0), "")


def podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["podman", *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )


def build(context: Path = ROOT, image: str = IMAGE) -> str:
    """Build the image as an operator would, and return what the build said."""
    command = [
        "buildah",
        "bud",
        "--pull-never",
        "--layers",
        "--format",
        "docker",
        *(["--from", find_local(PYTHON)] if f"FROM {PYTHON}" in (context / "Dockerfile").read_text() else []),
        "--tag",
        image,
        str(context),
    ]
    done = subprocess.run(
        command,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def flags(environment: Mapping[str, str]) -> list[str]:
    """Give the flags that all of our containers run with: nothing to write to but /tmp."""
    variables = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    return ["--pull", "never", "--read-only", "--tmpfs", "/tmp", *variables]  # noqa: S108  the container's own


def run(command: str, environment: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a container of ours until it ends; "" is the image's own command."""
    return podman("run", "--rm", *flags(environment), *options, IMAGE, *command.split())


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[str]:
    """Start a container in the background and give its name; it is removed at the end."""
    done = podman("run", "--detach", *arguments)
    assert done.returncode == 0, done.stderr
    name = done.stdout.split()[-1]
    try:
        yield name
    finally:
        podman("rm", "--force", "--time", "0", "--volumes", name)
