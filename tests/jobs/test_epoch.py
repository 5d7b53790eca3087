"""The broker's epoch: a Redis that lost what it held is noticed."""

import pytest
import redis as client
from django.db import connection, transaction

from jobs import broker, epoch, guard, relay
from jobs.models import Broker, Job
from tests.faults.effects.tasks import nothing
from tests.jobs.test_enqueue import in_another_connection

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def test_a_new_token_at_each_look(carrier):
    """In Redis and in PostgreSQL, and equal."""
    seen = set()
    for _ in range(3):
        assert epoch.check() == 0
        assert carrier.get(broker.key("jobs:epoch")).decode() == Broker.objects.get().epoch
        seen.add(Broker.objects.get().epoch)

    assert len(seen) == 3


def test_an_emptied_redis_publishes_everything_again(carrier, caplog):
    """What was published and not started is due at once; what runs, runs on."""
    epoch.check()
    jobs = [nothing.enqueue() for _ in range(5)]
    guard.begin(jobs[0].pk, None)
    carrier.flushall()

    assert epoch.check() == 4

    assert Job.objects.filter(state="pending").count() == 4
    assert Job.objects.get(state="running") == jobs[0]
    assert "Redis lost its data: 4 jobs" in caplog.text
    assert relay.relay() == 4
    assert carrier.llen(broker.key("default")) == 4


def test_it_is_noticed_once(carrier):
    """The next look finds the new token."""
    epoch.check()
    nothing.enqueue()
    carrier.flushall()

    assert [epoch.check(), epoch.check()] == [1, 0]


def test_what_is_lost_during_a_look_is_noticed(carrier, monkeypatch):
    """Between reading the token and writing the next one there is no moment: Redis exchanges them."""
    epoch.check()
    nothing.enqueue()
    new_token = epoch.secrets.token_hex

    def lose_all_and_go_on(length):
        carrier.flushall()
        return new_token(length)

    monkeypatch.setattr(epoch.secrets, "token_hex", lose_all_and_go_on)
    during = epoch.check()
    monkeypatch.undo()

    assert during + epoch.check() == 1


def test_a_restored_backup_is_noticed(carrier):
    """It holds the token of an earlier look."""
    epoch.check()
    old = carrier.get(broker.key("jobs:epoch"))
    epoch.check()
    nothing.enqueue()
    carrier.set(broker.key("jobs:epoch"), old)

    assert epoch.check() == 1


def test_a_restarted_redis_is_noticed(redis):
    """Started empty on the same address."""
    epoch.check()
    nothing.enqueue()
    redis.kill()
    redis.start()

    assert epoch.check() == 1


def test_another_redis_is_noticed(carrier):
    """One that has a token of its own, such as that of a copy of this deployment."""
    epoch.check()
    nothing.enqueue()
    carrier.set(broker.key("jobs:epoch"), "somebody else's")

    assert epoch.check() == 1


def test_redis_away_changes_nothing(redis):
    """The look fails, and the next one compares with the token that was there."""
    epoch.check()
    nothing.enqueue()
    token = Broker.objects.get().epoch
    redis.stop()

    with pytest.raises(client.RedisError):
        epoch.check()

    assert Broker.objects.get().epoch == token
    assert Job.objects.get().state == "published"


def test_one_looks_at_a_time():
    """Another worker passes at once instead of waiting."""
    epoch.check()
    with transaction.atomic():
        Broker.objects.select_for_update().get()
        thread, answers = in_another_connection(epoch.check)
        thread.join(5)

    assert answers == [0]


def test_death_between_the_two_writes_publishes_once_more(carrier):
    """The token in Redis is newer than the one in PostgreSQL: everything is published again, and the guard drops the second."""
    epoch.check()
    job = nothing.enqueue()
    before = Broker.objects.get().epoch
    epoch.check()
    Broker.objects.update(epoch=before)

    assert epoch.check() == 1
    relay.relay()
    assert carrier.llen(broker.key("default")) == 2
    assert guard.begin(job.pk, None) is not None
    assert guard.begin(job.pk, None) is None


def test_the_connection_is_left_clean():
    """No transaction stays open behind a look."""
    epoch.check()

    assert not connection.in_atomic_block
