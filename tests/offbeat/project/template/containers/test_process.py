"""The image where nobody gives it a command: PROCESS alone says what a container is, with real servers beside it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from offbeat.deployment import spec
from tests.offbeat.project.template.containers import podman, servers
from tests.offbeat.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.usefixtures("image"), pytest.mark.timeout(600)]

PLATFORM = spec.read()
NOWHERE = {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing"}
MAKE_DUE = "update offbeat_cronjobs_cronjob set cursor = now() - interval '8 days' where name = 'prune-jobs'"
ASK = """
import http.client, sys
container = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
container.request("GET", sys.argv[2])
print(container.getresponse().status)
"""


@contextmanager
def started(process: str, database: str | None = None, **variables: str) -> Iterator[str]:
    """Start a container without a command; gives its name."""
    flags = podman.flags(servers.ENVIRONMENT | {"PROCESS": process} | variables)
    beside = servers.beside(database) if database else []
    with podman.started(*flags, *beside, podman.IMAGE) as container:
        yield container


def state(container: str) -> dict[str, Any]:
    return json.loads(podman.podman("inspect", container).stdout)[0]["State"]


def first_process(container: str) -> list[str]:
    """Give the command line of process 1."""
    return podman.podman("exec", container, "cat", "/proc/1/cmdline").stdout.split("\0")[:-1]


def ask(container: str, port: int, path: str) -> str:
    return podman.podman("exec", container, "python", "-c", ASK, str(port), path).stdout.strip()


def stop(container: str, grace: int) -> int:
    podman.podman("stop", "--time", str(grace), container)
    return int(state(container)["ExitCode"])


@contextmanager
def locked_table(database: str) -> Iterator[None]:
    """Keep the table that a job needs, for longer than its worker has time to stop."""
    lock = "begin; lock table newsletter_subscriber; select pg_sleep(300)"
    podman.podman("exec", "--detach", database, "psql", "-U", "postgres", "-c", lock)
    held = "from pg_locks where relation = 'newsletter_subscriber'::regclass and mode = 'AccessExclusiveLock'"
    wait_until(lambda: servers.query(database, f"select count(*) {held}") == "1")
    try:
        yield
    finally:
        servers.query(database, f"select pg_terminate_backend(pid) {held}")


def test_worker(worker: str, database: str) -> None:
    """It is process 1 and well; stopped in the middle of a job it returns that to the queue, and exits with 0 within its grace."""
    unfinished = "select string_agg(state, ' ') from offbeat_jobs_job where state <> 'succeeded'"
    assert first_process(worker)[1:] == PLATFORM.service("worker").command.split()[1:]
    assert ask(worker, 8080, "/healthz") == "200"

    with locked_table(database):
        assert servers.run("python manage.py enqueue_purge_unconfirmed --now", database).returncode == 0
        wait_until(lambda: servers.query(database, unfinished) == "running")
        code = stop(worker, PLATFORM.service("worker").grace)

    assert code == 0
    assert servers.query(database, unfinished) in {"pending", "published"}
    servers.query(database, "delete from offbeat_jobs_job where state <> 'succeeded'")


def test_tick(worker: str, database: str) -> None:
    """It enqueues what is due and ends with 0; a worker runs it."""
    assert servers.run("", database, PROCESS="tick").returncode == 0  # makes the cronjobs known
    servers.query(database, MAKE_DUE)
    before = servers.finished(database)

    woken = servers.run("", database, PROCESS="tick")

    assert woken.returncode == 0, woken.stderr
    assert wait_until(lambda: servers.finished(database) - before) == 1


def test_cronjob(database: str) -> None:
    """A cronjob's name is its command."""
    woken = servers.run("", database, PROCESS=" prune-jobs ")

    assert woken.returncode == 0, woken.stderr
    assert "prune-jobs" in woken.stdout + woken.stderr


def test_release_then_web(database: str) -> None:
    """The release ends before web starts in its place, as process 1, and is well; SIGTERM ends it with 0."""
    with started("release+web", database) as web:
        wait_until(lambda: podman.podman("healthcheck", "run", web).returncode == 0)

        assert first_process(web)[1:] == PLATFORM.service("web").command.split()[1:]
        assert ask(web, 8000, "/readyz") == "200"
        log = podman.podman("logs", web)
        assert "Released: the database is up to date." in log.stdout + log.stderr
        assert stop(web, 30) == 0


def test_release_fails() -> None:
    """Its exit code is the container's: 78 for a setting that is wrong. Web is not started."""
    done = podman.run("", servers.ENVIRONMENT | {"PROCESS": "release+web", "DEBUG": "perhaps"})

    assert done.returncode == 78
    assert "Unexpected value DEBUG=perhaps" in done.stderr


@pytest.mark.parametrize("process", ["release", "release+web"])
def test_release_is_stopped(process: str) -> None:
    """A release that waits for its server ends at SIGTERM, with the code for that, and not at the end of the grace."""
    with started(process, **NOWHERE) as release:
        wait_until(lambda: "did not answer" in said(release) or "waiting" in said(release).lower())

        assert stop(release, 25) == 143


def test_cron(database: str) -> None:
    """The stand-in of a platform's cron keeps the schedules, and ends at SIGTERM."""
    with started("cron", database) as cron:
        wait_until(lambda: "prune-jobs: next at" in said(cron))

        assert stop(cron, 25) == 0


def test_nobody() -> None:
    """An unknown name ends the container with 64, and says which there are."""
    done = podman.run("", servers.ENVIRONMENT | {"PROCESS": "wroker"})

    assert done.returncode == 64
    assert (
        'PROCESS="wroker" (did you mean worker?): use one of web, worker, release, tick, cron, '
        in done.stderr
    )


def test_a_command_wins() -> None:
    """A platform that has commands is not asked for PROCESS."""
    done = podman.run("python manage.py --version", servers.ENVIRONMENT | {"PROCESS": "wroker"})

    assert done.returncode == 0


def said(container: str) -> str:
    done = podman.podman("logs", container)
    return done.stdout + done.stderr
