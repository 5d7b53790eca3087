"""The image, built once for all tests that run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.offbeat.project.template.containers import podman, servers
from tests.offbeat.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def image() -> str:
    """Build the production image from the checkout; skips where none can be built."""
    if reason := podman.missing(podman.PYTHON):
        pytest.skip(reason)
    podman.build()
    return podman.IMAGE


@pytest.fixture(scope="session")
def database(image: str) -> Iterator[str]:
    """Start the servers and run the release; gives the name of PostgreSQL's container.

    All containers have its loopback, and no names: podman may lose those of a network while another test takes its own down.
    """
    if reason := podman.missing(podman.POSTGRES, podman.REDIS):
        pytest.skip(reason)
    password = ["--env", "POSTGRES_PASSWORD=of-a-test"]
    with (
        podman.started(
            "--pull", "never", "--network", "none", *password, podman.find_local(podman.POSTGRES)
        ) as database,
        podman.started("--pull", "never", *servers.beside(database), podman.find_local(podman.REDIS)),
    ):
        released = servers.run("python manage.py release --wait 60", database)
        assert released.returncode == 0, released.stderr
        yield database


@pytest.fixture
def worker(database: str) -> Iterator[str]:
    """Run the worker, by PROCESS; gives its container's name when the image's health check passes."""
    variables = servers.ENVIRONMENT | {
        "PROCESS": "worker",
        "HEALTH_PORT": "8080",
        "WORKER_GRACE": servers.GRACE,
    }
    with podman.started(*podman.flags(variables), *servers.beside(database), podman.IMAGE) as worker:
        wait_until(lambda: podman.podman("healthcheck", "run", worker).returncode == 0)
        yield worker
