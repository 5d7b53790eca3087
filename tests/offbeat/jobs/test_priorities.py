"""Priorities: within a queue, higher first."""

import json
import uuid
from datetime import timedelta

import pytest
from celery import current_app
from celery.app.routes import prepare
from django.db import connection, transaction
from django.utils import timezone

from offbeat.jobs import (
    attempts,
    broker,
    concurrency_keys,
    enqueuer,
    loss_token,
    reconciler,
    relay,
    unreadable_store,
)
from offbeat.jobs.levels import LEVELS, level_of, priority_of
from offbeat.jobs.models import BUSY, Job
from tests.offbeat.faults.effects.tasks import nothing, nothing_by_mail

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def channel():
    with current_app.connection_for_read() as connection:
        yield connection.channel()


@pytest.fixture
def take(channel):
    """Takes messages as a worker of some queues does; returns the ids of their jobs, in order."""

    def take(count, *names):
        taken = []
        queues = [current_app.amqp.queues[name].bind(channel) for name in names or ("default",)]
        with current_app.amqp.TaskConsumer(channel, queues, on_message=taken.append):
            while len(taken) < count:
                channel.connection.client.drain_events(timeout=5)
        for message in taken:
            message.ack()
        return [message.headers["id"] for message in taken]

    return take


def lists(carrier, queue="default"):
    """How many messages wait in each list of a queue, by level."""
    found = {level: carrier.llen(broker.key(broker.list_name(queue, level))) for level in LEVELS}
    return {level: count for level, count in found.items() if count}


def ids(jobs):
    return [str(job.pk) for job in jobs]


def test_a_priority_is_written_with_the_job(row):
    """The one that was given; without one the default, 0."""
    assert row(nothing.using(priority=50).enqueue()).priority == 50
    assert row(nothing.enqueue()).priority == 0


def test_the_more_urgent_comes_first(take):
    """Whatever the order in which they were enqueued; of the same priority, the oldest."""
    first, default, last, second = (nothing.using(priority=each).enqueue() for each in (100, None, -100, 20))
    again = nothing.using(priority=100).enqueue()

    assert take(5) == ids([first, again, second, default, last])


def test_many_of_mixed_priorities_are_one_command_a_level(carrier):
    """And go where they belong."""
    with transaction.atomic():
        for priority in range(-100, 101, 10):
            nothing.using(priority=priority).enqueue_many([((), {})] * 2)

    assert lists(carrier) == {-9: 8, -6: 6, -3: 6, 0: 2, 3: 6, 6: 6, 9: 8}
    assert broker.waiting("default") == 42


def test_without_a_priority_nothing_changes(carrier):
    """Such a job, and a plain message, wait in the list that the queue always had."""
    nothing.enqueue()
    nothing.delay()

    assert lists(carrier) == {0: 2}


def test_a_higher_priority_is_never_in_a_later_list():
    """All priorities there are, in order, go through all levels, in order; 0 has one of its own."""
    found = [level_of(priority) for priority in range(100, -101, -1)]

    assert found == sorted(found)
    assert tuple(dict.fromkeys(found)) == LEVELS
    assert [priority for priority in range(-100, 101) if level_of(priority) == 0] == [0]


@pytest.mark.parametrize("number", range(10))
def test_a_task_with_celerys_priority_has_its_jobs_where_its_plain_messages_are(carrier, monkeypatch, number):
    """Kombu rounds it to one of its steps, and so do we; what `using` says is stronger."""
    monkeypatch.setattr(nothing, "priority", number)
    monkeypatch.setattr(nothing, "_exec_options", None)  # what Celery remembers of it

    nothing.delay()
    nothing.enqueue()

    assert list(lists(carrier).values()) == [2]
    assert nothing.using(priority=7).call().priority == 7


def test_a_route_gives_a_priority_as_it_gives_a_queue(carrier, monkeypatch):
    """`task_routes` as Celery reads them: for a plain message and for a job alike."""
    monkeypatch.setattr(current_app.amqp.router, "routes", prepare({nothing.name: {"priority": 6}}))
    enqueuer.routed.cache_clear()  # asked once a process

    nothing.delay()
    nothing.enqueue()

    enqueuer.routed.cache_clear()  # asked once a process
    assert lists(carrier) == {6: 2}


@pytest.mark.parametrize("value", [True, 1.5, "high", 101, -101])
def test_what_is_no_priority_is_refused_where_it_is_written(value):
    """The message says what is right."""
    with pytest.raises(ValueError, match="should be a whole number from -100 to 100, higher first, got"):
        nothing.using(priority=value)


@pytest.mark.parametrize("value", [True, 1.5, "high", 10, -1])
def test_what_is_no_priority_of_celerys_is_refused_at_the_task(value, monkeypatch):
    """Celery would take it for the nearest that there is: 50 for the last one."""
    with pytest.raises(ValueError, match=r"should be Celery's, a whole number from 0 .*got"):
        type("odd", (current_app.Task,), {"priority": value})
    monkeypatch.setattr(nothing, "priority", value)
    with pytest.raises(ValueError, match=r"should be Celery's"):
        nothing.enqueue()


def test_queues_take_turns_whatever_waits_in_them(take):
    """A flood of urgent jobs in one queue keeps the low ones of another waiting no longer than before, nor the other way round."""
    floods = [nothing.using(priority=100).enqueue() for _ in range(4)]
    urgent = [nothing_by_mail.using(priority=100).enqueue() for _ in range(1)]
    low = [nothing_by_mail.using(priority=-100).enqueue() for _ in range(1)]

    assert take(6, "default", "mail") == ids([floods[0], urgent[0], floods[1], low[0], floods[2], floods[3]])


@pytest.mark.parametrize("priority", [100, 1, -1, -100])
def test_what_a_closing_worker_has_in_hand_goes_back_to_its_list(channel, carrier, priority):
    """To its front: it is the next one of its level again."""
    job, _ = (nothing.using(priority=priority).enqueue() for _ in range(2))
    current_app.amqp.queues["default"].bind(channel).get()

    channel.close()

    assert lists(carrier) == {level_of(priority): 2}
    front = carrier.lindex(broker.key(broker.list_name("default", level_of(priority))), -1)
    assert json.loads(front)["headers"]["id"] == str(job.pk)


@pytest.mark.parametrize("priority", [0, 4, 9])
def test_a_plain_message_in_hand_goes_back_to_its_list(channel, carrier, priority):
    """As kombu has it."""
    nothing.apply_async(priority=priority)
    before = lists(carrier)
    current_app.amqp.queues["default"].bind(channel).get()

    channel.close()

    assert lists(carrier) == before


def test_a_queue_is_emptied_as_a_whole(channel):
    """`celery purge` leaves no list of it."""
    for priority in (100, 0, -100):
        nothing.using(priority=priority).enqueue()

    assert channel.queue_purge("default") == 3
    assert broker.waiting("default") == 0


def test_a_message_that_is_sent_back_goes_to_its_list(carrier):
    """One that a person sends back, of a job or of a plain task; one that says no priority, to the default."""
    nothing.using(priority=100).enqueue()
    nothing.apply_async(priority=5)
    for level in (-9, 3):
        raw = carrier.rpop(broker.key(broker.list_name("default", level)))
        unreadable_store.put_aside(raw, "odd", "default")
    unreadable_store.put_aside("[1]", "odd", "default")

    assert all(unreadable_store.requeue(each.id) for each in unreadable_store.kept())

    assert lists(carrier) == {-9: 1, 0: 1, 3: 1}


# The relay


def later(**options):
    """Make a job whose message waits for the relay."""
    job = nothing.using(run_at=timezone.now() + timedelta(hours=1), **options).enqueue()
    Job.objects.filter(pk=job.pk).update(publish_at=timezone.now() - timedelta(minutes=1))
    return job


def test_the_relay_publishes_the_more_urgent_first(settings, row):
    """A retry, or what waited for Redis: a batch takes the highest, of those the oldest."""
    settings.OFFBEAT_JOBS = {"relay_batch": 2}
    low, first, second, default = (later(priority=each) for each in (-5, 90, 40, 0))

    assert {str(one.id) for one in relay.claim()} == {str(first.pk), str(second.pk)}
    assert {str(one.id) for one in relay.claim()} == {str(default.pk), str(low.pk)}
    assert relay.claim() == []


def test_a_relayed_job_is_in_its_list(carrier):
    later(priority=-100)

    assert relay.relay() == 1

    assert lists(carrier) == {9: 1}


BACKLOG = """
    INSERT INTO offbeat_jobs_job (id, task, queue, state, max_attempts, priority, publish_at, due_at)
    SELECT gen_random_uuid(), 'x', 'default', 'pending', 5, (ARRAY[-50, 0, 50])[n %% 3 + 1], now() + %s, now()
    FROM generate_series(1, %s) AS n
"""


@pytest.mark.parametrize("due", [0, 6000], ids=["nothing due", "a backlog"])
def test_a_claim_reads_what_it_takes(due):
    """Neither thousands that are due later, nor a backlog of less urgent ones: both stay where they are in the index."""
    with connection.cursor() as cursor:
        cursor.execute(BACKLOG, [timedelta(hours=1), 6000])
        cursor.execute(BACKLOG, [timedelta(hours=-1), due])
        cursor.execute("VACUUM ANALYZE offbeat_jobs_job")
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {relay.CLAIM}", [100, 100])
        (plan,) = cursor.fetchone()
    plan = plan if isinstance(plan, list) else json.loads(plan)

    assert rows_read(plan[0]["Plan"]) <= (20 if not due else 320)


def rows_read(node):
    """How many rows of the table a plan's scans look at: 100 that are taken, and 100 that are changed by their keys."""
    own = node.get("Relation Name") == "offbeat_jobs_job" and "Scan" in node["Node Type"]
    read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] if own else 0
    return read + sum(rows_read(each) for each in node.get("Plans", []))


def test_what_redis_lost_is_published_in_its_list(carrier):
    """Emptied, it gets each message back where it was."""
    loss_token.check()
    for priority in (100, 0, -100):
        nothing.using(priority=priority).enqueue()
    carrier.flushall()

    assert loss_token.check() == 3

    assert lists(carrier) == {-9: 1, 0: 1, 9: 1}


def test_a_busy_keys_next_job_is_the_most_urgent(row):
    """Of those that wait for it, and of those the oldest."""
    old, high, other = (nothing.using(concurrency_key="k", priority=each).enqueue() for each in (0, 10, 10))
    Job.objects.update(state="pending", reason=BUSY)

    concurrency_keys.hand_over("k")

    assert [row(each).state for each in (old, high, other)] == ["pending", "published", "pending"]


# Lost messages


@pytest.fixture
def published(carrier):
    """Makes a job whose message was published so many seconds ago, in the row and in the message alike."""

    def publish(seconds, priority):
        job = nothing.using(priority=priority).enqueue()
        old = Job.objects.get(pk=job.pk).published_at - timedelta(seconds=seconds)
        Job.objects.filter(pk=job.pk).update(published_at=old)
        where = broker.key(broker.list_name("default", level_of(priority)))
        message = json.loads(carrier.lpop(where))
        message["headers"]["published_at"] = old.timestamp()
        carrier.lpush(where, json.dumps(message))
        return job

    return publish


def test_a_flood_of_urgent_jobs_makes_waiting_ones_look_lost_never(published):
    """Their messages stand still, however old they are, and however many younger ones are taken meanwhile."""
    for age, priority in ((7200, -100), (3600, 0), (10, 100), (5, 50)):
        published(age, priority)

    assert reconciler.republish_lost_messages() == 0


@pytest.mark.parametrize("priority", [100, 50, 0, -1, -50, -100])
def test_a_lost_message_is_found_whatever_waits_elsewhere(published, carrier, row, priority):
    """Only the oldest message of its own list proves something: older ones of other levels hide nothing."""
    for other in {100, 50, 0, -1, -50, -100} - {priority}:
        published(7200, other)
    lost = published(100, priority)
    published(10, priority)
    carrier.rpop(broker.key(broker.list_name("default", level_of(priority))))

    assert reconciler.republish_lost_messages() == 1
    assert row(lost).state == "pending"
    relay.relay()
    assert lists(carrier)[level_of(priority)] == 2


def test_priorities_of_one_level_share_its_list(published):
    """34 and 66 wait in one list: the younger one's message is behind the older one's."""
    published(7200, 66)
    published(100, 34)

    assert reconciler.republish_lost_messages() == 0


def test_a_message_in_another_list_costs_a_second_one(published, carrier, row, worker):
    """As of a relay that knows no levels, in a rolling deploy: the job is published where it belongs, and starts once."""
    job = published(100, -50)
    carrier.rename(broker.key(broker.list_name("default", 6)), broker.key("default"))

    assert reconciler.republish_lost_messages() == 1
    relay.relay()

    assert lists(carrier) == {0: 1, 6: 1}
    assert attempts.begin(job.pk, worker).number == 1
    assert attempts.begin(job.pk, uuid.uuid4()) is None
    assert reconciler.republish_lost_messages() == 0


def test_queues_and_priorities_are_each_looked_up_once():
    """Whatever waits: the reconciler asks every few seconds."""
    with connection.cursor() as cursor:
        cursor.execute(BACKLOG, [timedelta(0), 6000])
        cursor.execute("UPDATE offbeat_jobs_job SET state = 'published', published_at = now()")
        cursor.execute("UPDATE offbeat_jobs_job SET queue = 'mail' WHERE priority = 50")
        cursor.execute("VACUUM (FREEZE, ANALYZE) offbeat_jobs_job")
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {reconciler.WAITING}")
        (plan,) = cursor.fetchone()
        cursor.execute(reconciler.WAITING)
        found = cursor.fetchall()
    plan = plan if isinstance(plan, list) else json.loads(plan)

    assert found == [("default", -50), ("default", 0), ("mail", 50)]
    assert rows_read(plan[0]["Plan"]) <= 10


def test_the_lists_are_kombus():
    """The transport's channel, and the tools that look at Redis by themselves, mean the same lists as we do."""
    with current_app.connection_for_write() as own, own.channel() as channel:
        names = [channel._q_for_pri("mail", level) for level in channel.priority_steps]  # noqa: SLF001  kombu's own

    assert names == [broker.list_name("mail", level) for level in LEVELS]
    assert [level_of(priority_of(number)) for number in range(10)] == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9]


def test_the_most_urgent_list_is_filled_first(monkeypatch):
    """A worker that is idle takes what comes first, as when a pause ends."""
    filled, publish = [], broker.publish
    monkeypatch.setattr(
        broker, "publish", lambda messages, **how: filled.extend(messages) or publish(messages, **how)
    )
    Job.objects.bulk_create(
        Job(task=nothing.name, queue="default", max_attempts=1, priority=priority)
        for priority in (-90, 90, 0)
    )

    relay.relay()

    assert filled == [broker.list_name("default", level_of(priority)) for priority in (90, 0, -90)]
