"""Amazon SQS under faults, by a server that speaks its protocol."""

from __future__ import annotations

import pytest

from tests.offbeat.faults.effects import tasks
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


def test_jobs_and_plain_tasks(faults):
    worker = faults.quick_worker(VISIBILITY_TIMEOUT="6")
    job = tasks.work.enqueue("job", 0)
    tasks.work.delay("plain", 0)
    faults.wait_for_state(job, "succeeded", 10)
    wait_until(lambda: faults.happened("plain"), 10)
    jobs = [tasks.work.enqueue(f"a{n}", 0.01) for n in range(40)]
    faults.wait_for_all()
    print(worker.output)
    worker.stop() if hasattr(worker, "stop") else None
