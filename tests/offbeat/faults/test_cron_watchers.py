"""A real worker tells watchers outside of a cronjob's job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.watcher import Watcher
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


@pytest.fixture
def watcher():
    watcher = Watcher()
    yield watcher
    watcher.close()


def test_check_ins_of_a_real_worker(faults, watcher):
    """With SENTRY_DSN, the child that executes a job checks in when it starts and when it has succeeded."""
    slot = datetime.now(UTC) - timedelta(minutes=1)
    faults.worker(SENTRY_DSN=f"http://publickey@{watcher.address}/42")

    fired = faults.stack.manage(
        "enqueue_prune_jobs", "--name", "daily", "--schedule", f"{slot.minute} {slot.hour} * * *"
    )
    wait_until(lambda: len(watcher.check_ins()) >= 2)

    address = f"/api/42/cron/daily/publickey/?check_in_id={Job.objects.get().pk.hex}&status="
    assert fired.returncode == 0
    assert watcher.check_ins() == [f"{address}in_progress", f"{address}ok"]
