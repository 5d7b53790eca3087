"""Maintenance mode with real processes: nothing runs, nothing is lost, and all of it runs afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from offbeat.cronjobs.models import Slot
from offbeat.jobs.models import Job, Worker
from tests.offbeat.faults.conftest import QUICK
from tests.offbeat.faults.effects.tasks import work
from tests.offbeat.support.polling import stays, wait_until
from tests.offbeat.support.stack import worker_service

pytestmark = pytest.mark.faults
SECRET = "a-secret-of-the-tests-that-is-long-enough"
HEADERS = {"Authorization": f"Bearer {SECRET}", "X-Forwarded-Proto": "https"}


def held_worker(faults):
    """Start a worker that takes nothing; return it when the ledger has seen it."""
    file = faults.stack.folder / "heartbeat-held"
    held = QUICK | {"MAINTENANCE": "true", "OFFBEAT_JOBS_HEARTBEAT_FILE": str(file)}
    process = faults.stack.start("held-worker", worker_service().argv, **held)
    wait_until(lambda: Worker.objects.filter(pid=process.pid).exists() and file.exists(), 60)
    return process, file


@pytest.mark.brokers("rabbitmq", weekly=("sqs",))
def test_nothing_runs_and_nothing_is_lost(faults):
    """Jobs, plain messages and slots wait while worker and web are there; the next worker without MAINTENANCE runs them all."""
    faults.stack.environment["CRON_SECRET"] = SECRET
    web = faults.stack.web(MAINTENANCE="true")
    worker, file = held_worker(faults)
    slot = datetime.now(UTC) - timedelta(minutes=1)

    work.enqueue("a job")
    work.delay("a message")
    fired = faults.stack.manage(
        "enqueue_prune_jobs",
        "--name",
        "daily",
        "--schedule",
        f"{slot.minute} {slot.hour} * * *",
        MAINTENANCE="true",
    )
    ticked = web.browser.post_json("/cron/tick", {}, **HEADERS)
    first_beat = Worker.objects.get().heartbeat_at
    wait_until(lambda: Worker.objects.get().heartbeat_at > first_beat + timedelta(seconds=3))

    assert (fired.returncode, ticked.status) == (0, 200)
    assert Slot.objects.filter(outcome="enqueued").count() == 1
    assert {job.attempt for job in Job.objects.all()} == {0}
    assert faults.happened("a message", "start") == 0
    assert worker.is_running
    assert (
        faults.stack.manage("doctor").stdout.count("MAINTENANCE") == 0
    )  # that process is told nothing of it
    assert "MAINTENANCE" in faults.stack.manage("doctor", MAINTENANCE="true").stdout
    written = file.stat().st_mtime_ns
    wait_until(lambda: file.stat().st_mtime_ns > written)  # the probe sees a worker that lives

    assert worker.stop() == 0
    faults.quick_worker()
    faults.wait_for_all()
    wait_until(lambda: faults.happened("a message"))

    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}
    assert (faults.happened("a job"), faults.happened("a message")) == (1, 1)


@pytest.mark.brokers(weekly=("rabbitmq",))
def test_web_without_postgres(faults):
    """The page, the probes and the answer to programs need no database: it may be moved meanwhile."""
    faults.postgres.kill()
    web = faults.stack.web(MAINTENANCE="true")

    page, health, ready = (web.browser.get(path, **HEADERS) for path in ("/", "/healthz", "/readyz"))

    assert [each.status for each in (page, health, ready)] == [503, 200, 200]
    faults.postgres.start()
    stays(lambda: web.is_running, 0.5)
