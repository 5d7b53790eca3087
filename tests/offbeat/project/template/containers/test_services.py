"""The image in each of its roles, as a platform runs it, with real servers in containers beside it."""

from __future__ import annotations

import pytest

from offbeat.deployment import spec
from tests.offbeat.project.template.containers import podman, servers
from tests.offbeat.support.polling import wait_until

pytestmark = [pytest.mark.usefixtures("image"), pytest.mark.timeout(600)]

PLATFORM = spec.read()


@pytest.mark.parametrize("cronjob", PLATFORM.cronjobs, ids=lambda cronjob: cronjob.name)
def test_cronjob(cronjob: spec.CronJobSpec, database: str, worker: str) -> None:
    """A wake-up in a container of its own enqueues a job, which the worker in another finishes."""
    before = servers.finished(database)

    woken = servers.run(f"{cronjob.command} --now", database)

    assert woken.returncode == 0, woken.stderr
    assert wait_until(lambda: servers.finished(database) - before) == 1


def test_release_without_servers() -> None:
    """A release that finds no server gives up after the wait that it is allowed, and names the server."""
    released = podman.run(
        "python manage.py release --wait 1",
        servers.ENVIRONMENT | {"DATABASE_URL": "postgres://nobody:secret@127.0.0.1:9/nothing"},
    )

    assert released.returncode == 69
    assert "PostgreSQL at 127.0.0.1:9 (DATABASE_URL) did not answer within 1 s" in released.stderr
    assert "Traceback" not in released.stderr
    assert "secret" not in released.stderr
