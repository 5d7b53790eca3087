"""Two deployments, each with a ledger of its own, on one Redis: staging beside production."""

from __future__ import annotations

import json

import pytest

from offbeat.jobs.models import Job
from tests.offbeat.faults.conftest import QUICK
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults

JOBS = 40  # of each; of a few hundredths of a second, for two slots each
ENQUEUE = f"""
from offbeat.jobs import loss_token
from tests.offbeat.faults.effects import tasks
loss_token.check()  # the first look would publish everything again
tasks.work.enqueue_many(((f"{{number}}", 0.05), {{}}) for number in range({JOBS}))
"""


def enqueue(deployment):
    done = deployment.stack.manage("shell", "-c", ENQUEUE)
    assert done.returncode == 0, done.stderr


def waiting(deployment, redis):
    with redis.connect() as client:
        return client.llen(f"{deployment.stack.environment.get('REDIS_PREFIX', 'offbeat')}:default")


def check_all_done_once(deployment):
    with deployment:
        assert Job.objects.filter(state="succeeded", attempt=1).count() == JOBS
        assert deployment.repeated() == []


def findings(deployment):
    done = deployment.stack.manage("doctor", "--json", **QUICK)
    return {each["name"]: each for each in json.loads(done.stdout)["findings"]}


def run(production, staging):
    """Let both work until all is done; return both workers, and the most messages that waited at once."""
    both = (production, staging)
    for one in both:
        enqueue(one)
    workers = [one.quick_worker() for one in both]
    most = 0

    def done():
        nonlocal most
        queues = {one.stack.environment.get("REDIS_PREFIX"): waiting(one, production.redis) for one in both}
        most = max(most, sum(queues.values()))
        return all(one.is_done() for one in both)

    wait_until(done, seconds=180, pause=0.5)
    return workers, most


@pytest.mark.fault(
    "two deployments on one Redis, each with its own prefix",
    "a copied database (staging restored from production's dump)",
)
def test_prefixes_keep_them_apart(production, staging):
    """Each has its own queues: no message is another's, none is sent twice, and nobody complains."""
    staging.stack.environment["REDIS_PREFIX"] = "offbeat-staging"

    workers, most = run(production, staging)

    assert most <= 2 * JOBS
    for one in (production, staging):
        check_all_done_once(one)
    for worker in workers:
        assert "foreign" not in worker.output
        assert "published again" not in worker.output


@pytest.mark.fault("two deployments on one Redis, each with its own prefix")
def test_neither_commands_the_others_workers(production, staging):
    """Remote control goes through channels, which know no database number: they have the prefix too."""
    staging.stack.environment["REDIS_PREFIX"] = "offbeat-staging"
    production.worker("--hostname", "production@here", WORKER_REMOTE_CONTROL="true")
    staging.worker("--hostname", "staging@here", WORKER_REMOTE_CONTROL="true")

    for one, name in ((production, "production@here"), (staging, "staging@here")):
        script = "from celery import current_app; print(list(current_app.control.inspect(timeout=3).ping()))"
        done = one.stack.manage("shell", "--verbosity", "0", "-c", script)
        assert done.stdout.strip() == f"['{name}']", done.stderr


@pytest.mark.long
@pytest.mark.fault(
    "two deployments under one prefix", "a copied database (staging restored from production's dump)"
)
def test_one_prefix_is_told_and_loses_nothing(production, staging):
    """They take each other's messages, which both say loudly: every job is done all the same, once, and messages stay few."""
    workers, most = run(production, staging)

    assert most <= 2 * JOBS + 10
    for one in (production, staging):
        check_all_done_once(one)
    for worker in workers:
        worker.wait_for("another ledger uses the queues")
    assert any('"action": "foreign_message"' in worker.output for worker in workers)
    told = [
        each for each in findings(production).values() if "another ledger uses the queues" in each["found"]
    ]
    assert [each["level"] for each in told] == ["red"]
