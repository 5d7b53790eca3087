"""Real workers on a private database and Redis, and questions about what they did."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Count

from offbeat.jobs import broker, loss_token
from offbeat.jobs.conf import conf
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support import axis, servers
from tests.offbeat.support.fixtures import connected_to
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.stack import Stack

# Every interval shortened in proportion; tests that prove a shipped value leave them alone.
QUICK = {
    "OFFBEAT_JOBS_RELAY_INTERVAL": "0.2",
    "OFFBEAT_JOBS_HEARTBEAT_INTERVAL": "1",
    "OFFBEAT_JOBS_HEARTBEAT_TIMEOUT": "4.5",
    "OFFBEAT_JOBS_RECONCILE_INTERVAL": "0.5",
    "OFFBEAT_JOBS_LOST_MESSAGE_AFTER": "3",
}
if (
    axis.BROKER == "sqs"
):  # what SQS gave to a worker that was killed, or stands still, stays hidden for so long
    QUICK["VISIBILITY_TIMEOUT"] = "6"


class Faults:
    """A stack to break, and what one asks of it afterwards."""

    def __init__(self, stack):
        self.stack = stack
        self.redis = stack.redis
        self.postgres = stack.postgres
        self.carrier = servers.other_broker or stack.redis  # the server of the broker at hand
        self.gate = str(
            stack.folder / "gate"
        )  # jobs that are given it end when it is opened: no sooner, on any machine

    def worker(self, *arguments, **environment):
        """Start a worker with two slots; more arguments and variables override."""
        number = len(self.stack.running)
        file = str(self.stack.folder / f"heartbeat-{number}")
        options = {"WORKER_CONCURRENCY": "2", "OFFBEAT_JOBS_HEARTBEAT_FILE": file} | environment
        return self.stack.worker(*arguments, **options)

    def quick_worker(self, *arguments, **environment):
        """Start a worker whose every interval is shortened in proportion."""
        return self.worker(*arguments, **QUICK | environment)

    def open_gate(self):
        """Let the jobs end that wait for it, and those that come later."""
        Path(self.gate).touch()

    @staticmethod
    def happened(label, what="done"):
        return Effect.objects.filter(label=label, what=what).count()

    @staticmethod
    def wait_for_state(job, state, seconds=30):
        wait_until(lambda: Job.objects.get(pk=job.pk).state == state, seconds)
        return Job.objects.get(pk=job.pk)

    def wait_for_start(self, label, times=1, seconds=30):
        wait_until(lambda: self.happened(label, "start") >= times, seconds)

    @staticmethod
    def unfinished():
        return Job.objects.exclude(state__in=Job.FINISHED).count()

    def wait_for_all(self, seconds=60):
        wait_until(lambda: self.unfinished() == 0, seconds, pause=0.1)

    @staticmethod
    def repeated():
        """Give the labels whose effect happened more than once."""
        labels = Effect.objects.filter(what="done").values("label").annotate(times=Count("id"))
        return sorted(labels.filter(times__gt=1).values_list("label", flat=True))


class Deployment(Faults):
    """A stack with questions; those about its ledger are asked within `with deployment:`."""

    def __enter__(self):
        self.connected = connected_to(self.stack.environment["DATABASE_URL"])
        self.connected.__enter__()

    def __exit__(self, *error):
        self.connected.__exit__(*error)

    def is_done(self):
        with self:
            return self.unfinished() == 0


def has_looked():
    """Look for a loss as a worker does: the first look of all publishes every job again, and no test is about that here.

    A machine at its limit may answer later than a call waits.
    """
    with contextlib.suppress(*broker.errors()):
        loss_token.check()
        return True
    return False


@pytest.fixture
def faults(stack):
    broker.breaker.close()
    conf.cache_clear()
    wait_until(has_looked)
    yield Faults(stack)
    if broker.has_redis():
        broker.client().connection_pool.disconnect()


@pytest.fixture
def held(faults):
    """Holds what a statement locks until the block ends, as somebody in psql; gives the session's pid."""

    @contextlib.contextmanager
    def hold(statement, *values):
        with faults.postgres.connect(connection.settings_dict["NAME"]) as other, other.transaction():
            other.execute(statement, values)
            yield other.info.backend_pid

    return hold


@pytest.fixture
def production(faults):
    return Deployment(faults.stack)


@pytest.fixture
def staging(production, postgres, tmp_path, migrated_template):
    """Made from a copy of production's database, as a dump that is restored."""
    with postgres.connect() as server:
        server.execute("DROP DATABASE IF EXISTS staging WITH (FORCE)")
        server.execute(f"CREATE DATABASE staging TEMPLATE {migrated_template}")
    folder = tmp_path / "staging"
    folder.mkdir()
    stack = Stack(postgres, production.redis, postgres.url_of("staging"), folder)
    yield Deployment(stack)
    stack.end()
