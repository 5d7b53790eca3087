"""Enqueueing beside others who enqueue the same keys, and beside servers that go away after the commit."""

import json
import threading
from contextlib import closing

import pytest
from django.db import OperationalError, connection, transaction

from offbeat.jobs import broker, producer, reconciler
from offbeat.jobs.models import Job
from offbeat.jobs.producer import KeyBusyError
from tests.offbeat.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def keyed(keys):
    return [nothing.using(key=key).call() for key in keys]


def test_many_with_keys_of_others_in_another_order_do_not_lock_each_other_out(settings):
    """Each waits for the other at the same key, so neither is ended as a deadlock, and each key has one job."""
    settings.OFFBEAT_JOBS = {"key_wait": 60}
    keys, errors = [f"key{number:05}" for number in range(4_000)], []
    start = threading.Barrier(2)

    def enqueue(some):
        start.wait(20)
        try:
            producer.enqueue_many(keyed(some))
        except OperationalError as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=enqueue, args=[some]) for some in (keys, keys[::-1])]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert errors == []
    assert Job.objects.count() == len(keys)


@pytest.mark.fault("two transactions enqueue the same keys in another order")
def test_two_that_wait_for_each_other_are_told_so(settings, monkeypatch):
    """One of them has enqueued nothing; when it has done all of it once more, each key has one job."""
    settings.OFFBEAT_JOBS = {"key_wait": 60}
    monkeypatch.setattr(producer, "CHUNK", 1)
    both, errors = threading.Barrier(2), []

    def stream(keys):
        first, second = keyed(keys)
        yield first
        both.wait(20)  # each has written one of the keys, and not committed
        yield second

    def enqueue_until_done(keys):
        calls = stream(keys)
        try:
            while calls:
                try:
                    with transaction.atomic():
                        producer.enqueue_many(calls)
                    calls = None
                except KeyBusyError as error:
                    errors.append(str(error))
                    calls = keyed(keys)  # at once, so that they may meet again
        finally:
            connection.close()

    threads = [threading.Thread(target=enqueue_until_done, args=[keys]) for keys in ("ab", "ba")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert set(errors) == {
        "waited for another transaction that enqueues the same key, and that waits for this one: try all of it again"
    }
    assert sorted(Job.objects.values_list("key", flat=True)) == ["a", "b"]


@pytest.fixture
def by_hand():
    """Manage transactions by hand, until the test ends."""
    transaction.set_autocommit(False)
    yield
    connection.rollback()
    transaction.set_autocommit(True)


def test_a_transaction_that_is_managed_by_hand_has_no_job_that_was_refused(by_hand):
    """Django calls nobody after its commit, so nothing is written: an error that left a job behind would make two of it."""
    with pytest.raises(transaction.TransactionManagementError, match=r"nothing: .* use transaction.atomic"):
        nothing.enqueue()
    connection.commit()
    assert Job.objects.count() == 0

    with transaction.atomic():
        nothing.enqueue()
    assert Job.objects.count() == 1


def end_own_session():
    """Let PostgreSQL end this session, as a failover does."""
    process = connection.connection.info.backend_pid
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [process])


@pytest.fixture
def let_go():
    """Have Django open a new session after the test, which has lost its own."""
    yield
    connection.close()


@pytest.mark.parametrize("is_redis_away", [False, True])
def test_what_is_committed_is_no_error_of_the_callers(settings, request, is_redis_away, let_go):
    """Whoever saw one would enqueue again; the reconciler finds the job without a message."""
    settings.OFFBEAT_JOBS = {"lost_message_after": 30 if is_redis_away else 0}
    with transaction.atomic():
        transaction.on_commit(end_own_session)
        nothing.enqueue()
        if is_redis_away:
            request.getfixturevalue("redis_away")

    connection.close()
    assert Job.objects.get().state == "published"
    settings.OFFBEAT_JOBS = {"lost_message_after": 0}
    if not is_redis_away:
        assert reconciler.republish_lost_messages() == 1


def test_many_with_keys_begin_in_the_order_of_the_calls(carrier):
    """Whatever the order in which their rows are written."""
    keys = ["b", "c", "a"]

    producer.enqueue_many(keyed(keys))

    sent = [
        json.loads(each)["headers"]["id"] for each in reversed(carrier.lrange(broker.key("default"), 0, -1))
    ]
    key_of = {str(job.pk): job.key for job in Job.objects.all()}
    assert [key_of[each] for each in sent] == keys
