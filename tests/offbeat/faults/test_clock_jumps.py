"""The clock of PostgreSQL's machine is set, forwards or backwards, under workers that run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from offbeat.dev.embedded_postgres import EmbeddedPostgres
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.producer import enqueue
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.test_kills import ledger_pids
from tests.offbeat.faults.versions import new
from tests.offbeat.support import servers
from tests.offbeat.support.fixtures import TEMPLATE, make_template
from tests.offbeat.support.polling import stays, wait_until

pytestmark = pytest.mark.faults

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


class MovablePostgres(EmbeddedPostgres):
    """A PostgreSQL whose clock a test sets while it runs; other processes keep theirs."""

    @property
    def file(self):
        return self.folder / "clock"

    def set_clock(self, seconds):
        """Let its clock be so many seconds ahead of the machine's."""
        new = self.folder / "clock.new"
        new.write_text(f"{seconds:+d}")
        new.chmod(0o644)
        new.replace(self.file)

    def prepare(self):
        super().prepare()
        self.set_clock(0)

    def account(self):
        variables = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # its name before faketime 0.9.10
        }
        return super().account() | {"env": dict(os.environ) | variables}


@pytest.fixture(scope="session")
def postgres():
    if not LIBRARIES:
        pytest.skip("no libfaketime here. Hint: apt install faketime")
    with MovablePostgres(servers.data_folder / "movable", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres, django_db_blocker):
    with django_db_blocker.unblock():
        make_template(postgres)
    return TEMPLATE


@pytest.fixture
def clocked(faults):
    """Faults whose clock is right at the beginning."""
    faults.postgres.set_clock(0)
    yield faults
    faults.postgres.set_clock(0)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("PostgreSQL's clock is set forward")
def test_a_step_forward(clocked):
    """300 s ahead at once: no worker is taken for dead, no running job is begun again, and each worker reports it once."""
    workers = [clocked.quick_worker(), clocked.quick_worker()]
    jobs = [tasks.work.enqueue(f"{n}", 10) for n in range(4)]
    for job in jobs:
        clocked.wait_for_start(f"{jobs.index(job)}")
    pids = ledger_pids()

    clocked.postgres.set_clock(300)

    stays(lambda: ledger_pids() == pids, seconds=8)
    for job in jobs:
        done = clocked.wait_for_state(job, "succeeded")
        assert (done.attempt, done.crashes) == (1, 0)
    for worker in workers:
        worker.wait_for("PostgreSQL's clock has been set 300 s forward")
        assert worker.output.count("clock has been set") == 1


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("PostgreSQL's clock is set forward")
def test_a_worker_dies_after_a_step_forward(clocked):
    """Its jobs are due again as after any other death, and only its."""
    first, second = clocked.quick_worker(), clocked.quick_worker()
    clocked.postgres.set_clock(300)
    second.wait_for("clock has been set")
    job = tasks.work.enqueue("again", 600)
    clocked.wait_for_start("again")
    dead = first if Job.objects.get(pk=job.pk).worker == Worker.objects.get(pid=first.pid).pk else second

    dead.kill()

    clocked.wait_for_start("again", times=2)
    assert ledger_pids() == {first.pid, second.pid} - {dead.pid}


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("PostgreSQL's clock is set back")
def test_a_worker_dies_and_the_clock_steps_back(clocked):
    """Its last heartbeat lies 100 s in the future by then: it is lost as soon as any other, also for a new worker."""
    first = clocked.quick_worker()
    job = tasks.work.enqueue("back", 600)
    clocked.wait_for_start("back")
    other = clocked.quick_worker()

    first.kill()
    clocked.postgres.set_clock(-100)

    clocked.wait_for_start("back", times=2, seconds=30)
    other.wait_for("PostgreSQL's clock has been set 100 s back")
    other.kill()
    clocked.quick_worker()
    clocked.wait_for_start("back", times=3, seconds=30)
    assert Job.objects.get(pk=job.pk).attempt == 3


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("PostgreSQL's clock is set back")
def test_what_was_due_before_a_step_back(clocked):
    """Jobs that waited for Redis, and were due, are published when it is back; one that was not due yet keeps its time."""
    worker = clocked.quick_worker()
    clocked.carrier.stop()
    due = tasks.work.enqueue("due")
    later = tasks.work.using(run_at=Job.objects.get(pk=due.pk).created_at.replace(year=2100)).enqueue("later")
    clocked.wait_for_state(due, "pending")

    clocked.postgres.set_clock(-100)
    worker.wait_for("clock has been set 100 s back")
    wait_until(
        lambda: Job.objects.filter(pk=due.pk, due_at__lt=Job.objects.get(pk=due.pk).created_at).exists()
    )
    clocked.carrier.start()

    clocked.wait_for_state(due, "succeeded")
    assert Job.objects.get(pk=later.pk).due_at.year == 2100


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("PostgreSQL's clock is set back")
def test_enqueued_before_a_step_back_and_begun_after_it(clocked):
    """A message that waits while the clock is set back by 100 s is begun at once: nothing stands still."""
    job = tasks.work.enqueue("waiting")
    clocked.postgres.set_clock(-100)

    clocked.quick_worker()

    assert clocked.wait_for_state(job, "succeeded", seconds=20).attempt == 1


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("PostgreSQL's clock is set forward")
def test_a_step_forward_buries_no_refused_job(clocked):
    """It has not been unknown for two hours because the clock was set."""
    worker = clocked.quick_worker()
    job = enqueue(new("unknown"))
    wait_until(lambda: Job.objects.get(pk=job.pk).refused_at)

    clocked.postgres.set_clock(7200)
    worker.wait_for("PostgreSQL's clock has been set")

    stays(lambda: Job.objects.get(pk=job.pk).state in Job.STARTABLE, seconds=8)
