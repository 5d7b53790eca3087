"""The loss token: a Redis that lost what it held is noticed."""

import pytest
import redis as client
from django.db import connection, transaction

from offbeat.jobs import attempts, broker, ledger, loss_token, relay
from offbeat.jobs.models import Broker, Job
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.jobs.test_producer import in_another_connection

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def test_a_new_token_at_each_look(carrier):
    """In Redis and in PostgreSQL, and equal."""
    seen = set()
    for _ in range(3):
        assert loss_token.check() == 0
        assert carrier.get(ledger.key(loss_token.TOKEN)).decode() == Broker.objects.get().token
        seen.add(Broker.objects.get().token)

    assert len(seen) == 3


def test_an_emptied_redis_publishes_everything_again(carrier, caplog):
    """What was published and not started is due at once; what runs, runs on."""
    loss_token.check()
    jobs = [nothing.enqueue() for _ in range(5)]
    attempts.begin(jobs[0].pk, None)
    carrier.flushall()

    assert loss_token.check() == 4

    assert Job.objects.get(state="running") == jobs[0]
    assert "Redis lost its data, or a backup of PostgreSQL was restored: 4 jobs" in caplog.text
    assert carrier.llen(broker.key("default")) == 4
    assert relay.relay() == 0


def test_it_is_noticed_once(carrier):
    """The next look finds the new token."""
    loss_token.check()
    nothing.enqueue()
    carrier.flushall()

    assert [loss_token.check(), loss_token.check()] == [1, 0]


def test_what_is_lost_during_a_look_is_noticed(carrier, monkeypatch):
    """Between reading the token and writing the next one there is no moment: Redis exchanges them."""
    loss_token.check()
    nothing.enqueue()
    new_token = loss_token.secrets.token_hex

    def lose_all_and_go_on(length):
        carrier.flushall()
        return new_token(length)

    monkeypatch.setattr(loss_token.secrets, "token_hex", lose_all_and_go_on)
    during = loss_token.check()
    monkeypatch.undo()

    assert during + loss_token.check() == 1


def test_a_restored_backup_is_noticed(carrier):
    """It holds the token of an earlier look."""
    loss_token.check()
    old = carrier.get(ledger.key(loss_token.TOKEN))
    loss_token.check()
    nothing.enqueue()
    carrier.set(ledger.key(loss_token.TOKEN), old)

    assert loss_token.check() == 1


def test_a_restarted_redis_is_noticed(redis):
    """Started empty on the same address."""
    loss_token.check()
    nothing.enqueue()
    redis.kill()
    redis.start()

    assert loss_token.check() == 1


def test_another_redis_is_noticed(carrier):
    """One that has a token of its own, such as that of a copy of this deployment."""
    loss_token.check()
    nothing.enqueue()
    carrier.set(ledger.key(loss_token.TOKEN), "somebody else's")

    assert loss_token.check() == 1


def test_redis_away_changes_nothing(redis):
    """The look fails, and the next one compares with the token that was there."""
    loss_token.check()
    nothing.enqueue()
    token = Broker.objects.get().token
    redis.stop()

    with pytest.raises(client.RedisError):
        loss_token.check()

    assert Broker.objects.get().token == token
    assert Job.objects.get().state == "published"


def test_one_looks_at_a_time():
    """Another worker passes at once instead of waiting."""
    loss_token.check()
    with transaction.atomic():
        Broker.objects.select_for_update().get()
        thread, answers = in_another_connection(loss_token.check)
        thread.join(5)

    assert answers == [0]


def test_death_between_the_two_writes_publishes_once_more(carrier):
    """The token in Redis is newer than the one in PostgreSQL: everything is published again, and the guard drops the second."""
    loss_token.check()
    job = nothing.enqueue()
    before = Broker.objects.get().token
    loss_token.check()
    Broker.objects.update(token=before)

    assert loss_token.check() == 1
    relay.relay()
    assert carrier.llen(broker.key("default")) == 2
    assert attempts.begin(job.pk, None) is not None
    assert attempts.begin(job.pk, None) is None


def test_the_connection_is_left_clean():
    """No transaction stays open behind a look."""
    loss_token.check()

    assert not connection.in_atomic_block


def test_what_was_lost_is_published_again_batch_by_batch(carrier, settings):
    """No statement takes them all, and none waits for a row that somebody else holds: that one is found lost by itself."""
    settings.OFFBEAT_JOBS = {"relay_batch": 10}
    loss_token.check()
    nothing.enqueue_many(((), {}) for _ in range(35))
    held = Job.objects.order_by("published_at").first()
    carrier.flushall()

    with transaction.atomic():
        Job.objects.select_for_update().get(pk=held.pk)
        thread, answers = in_another_connection(loss_token.check)
        thread.join(10)

    assert answers == [34]
    assert carrier.llen(broker.key("default")) == 34
    assert Broker.objects.get().lost_at is None


def test_a_turn_ends_in_time_and_the_next_one_goes_on(carrier, settings):
    """The worker beats in the same thread: what a turn leaves, it or another worker publishes in the next."""
    settings.OFFBEAT_JOBS = {"relay_batch": 10, "heartbeat_interval": 0}
    loss_token.check()
    nothing.enqueue_many(((), {}) for _ in range(25))
    carrier.flushall()

    counts = [loss_token.check() for _ in range(4)]

    assert counts == [10, 10, 5, 0]
    assert carrier.llen(broker.key("default")) == 25
    assert Broker.objects.get().lost_at is None


@pytest.mark.fault("Redis is emptied several times")
def test_a_second_loss_doubles_no_message(carrier, settings):
    """Redis is emptied again before all is published: each job has one message in the end."""
    settings.OFFBEAT_JOBS = {"relay_batch": 10, "heartbeat_interval": 0}
    loss_token.check()
    nothing.enqueue_many(((), {}) for _ in range(25))
    carrier.flushall()
    loss_token.check()

    carrier.flushall()
    for _ in range(5):
        loss_token.check()

    assert carrier.llen(broker.key("default")) == 25


def test_redis_away_while_it_is_published_again_loses_nothing(redis, carrier):
    """The jobs are pending then, and the relay publishes them when Redis is back."""
    loss_token.check()
    nothing.enqueue_many(((), {}) for _ in range(5))
    carrier.flushall()
    lost_at = loss_token.exchange()
    redis.stop()

    with pytest.raises(broker.BrokerAwayError):
        relay.publish_batches(lambda: relay.claim_lost(lost_at))

    redis.start()
    broker.breaker.close()
    assert loss_token.check() + relay.relay() == 5
    assert carrier.llen(broker.key("default")) == 5


def test_a_clock_that_was_set_back_publishes_nothing_twice(settings):
    """After a failover to a server whose clock is behind, what was published again is not older than the loss."""
    settings.OFFBEAT_JOBS = {"relay_batch": 1}
    loss_token.check()
    nothing.enqueue()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE offbeat_jobs_broker SET lost_at = now() + interval '1 hour'")

    assert [loss_token.check(), loss_token.check()] == [1, 0]
