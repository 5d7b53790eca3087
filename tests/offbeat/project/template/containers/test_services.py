"""The image in each of its roles, as a platform runs it, with real servers in containers beside it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from offbeat.deployment import spec
from tests.offbeat.project.template.containers import podman
from tests.offbeat.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

pytestmark = [pytest.mark.usefixtures("image"), pytest.mark.timeout(600)]

PLATFORM = spec.read()
ENVIRONMENT = {
    "SECRET_KEY": "of-a-test-0123456789-0123456789-0123456789-0123456789",
    "ALLOWED_HOSTS": "offbeat.example",
    "DATABASE_URL": "postgres://postgres:of-a-test@127.0.0.1:5432/postgres",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
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
        podman.started("--pull", "never", *beside(database), podman.find_local(podman.REDIS)),
    ):
        released = run("python manage.py release --wait 60", database)
        assert released.returncode == 0, released.stderr
        yield database


@pytest.fixture
def worker(database: str) -> Iterator[str]:
    """Run the worker of platform.yaml; gives its container's name when its probe passes."""
    command = next(service.command for service in PLATFORM.services if service.name == "worker")
    with podman.started(
        *podman.flags(ENVIRONMENT), *beside(database), podman.IMAGE, *shlex.split(command)
    ) as worker:
        wait_until(
            lambda: podman.podman("exec", worker, "python", "src/offbeat/jobs/probe.py").returncode == 0
        )
        yield worker


@pytest.mark.parametrize("cronjob", PLATFORM.cronjobs, ids=lambda cronjob: cronjob.name)
def test_cronjob(cronjob: spec.CronJobSpec, database: str, worker: str) -> None:
    """A wake-up in a container of its own enqueues a job, which the worker in another finishes."""
    before = finished(database)

    woken = run(f"{cronjob.command} --now", database)

    assert woken.returncode == 0, woken.stderr
    assert wait_until(lambda: finished(database) - before) == 1


def test_worker_stops_well(worker: str) -> None:
    """A stopped worker leaves by itself, within its grace."""
    grace = next(service.grace for service in PLATFORM.services if service.name == "worker")

    podman.podman("stop", "--time", str(grace), worker)

    state = json.loads(podman.podman("inspect", worker).stdout)[0]["State"]
    assert state["ExitCode"] == 0


def test_release_without_servers() -> None:
    """A release that finds no server gives up after the wait that it is allowed, and names the server."""
    released = podman.run(
        "python manage.py release --wait 1",
        ENVIRONMENT | {"DATABASE_URL": "postgres://nobody:secret@127.0.0.1:9/nothing"},
    )

    assert released.returncode == 69
    assert "PostgreSQL at 127.0.0.1:9 (DATABASE_URL) did not answer within 1 s" in released.stderr
    assert "Traceback" not in released.stderr
    assert "secret" not in released.stderr


def beside(database: str) -> list[str]:
    return ["--network", f"container:{database}"]


def run(command: str, database: str) -> CompletedProcess[str]:
    return podman.run(command, ENVIRONMENT, *beside(database))


def finished(database: str) -> int:
    """Count the jobs that have succeeded."""
    query = "select count(*) from offbeat_jobs_job where state = 'succeeded'"
    return int(podman.podman("exec", database, "psql", "-U", "postgres", "-tAc", query).stdout)
