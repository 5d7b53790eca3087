"""Incidents: people are told once when something begins and once when it is over, whoever is left to tell."""

import time
from datetime import timedelta

from django.core import mail

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.words import stamp
from offbeat.jobs import broker, decisions, other_ledgers, refusal, unreadable_store
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.producer import Call, enqueue
from offbeat.ops import conditions
from offbeat.ops.alerts import incidents
from offbeat.ops.alerts.conf import AlertsConf
from offbeat.ops.alerts.models import Incident
from offbeat.ops.conditions import Account
from tests.offbeat.ops.alerts.conftest import ALL, a_dead_letter, let_incidents_age, look, subjects
from tests.offbeat.ops.support import greet


def test_nothing_wrong_is_nothing_told(quiet):
    """While all is well, nobody hears of it."""
    look()

    assert (subjects(), Incident.objects.count()) == ([], 0)


def test_a_dead_letter_is_told_once(quiet, webhook):
    """The first dead letter of a task is told of at once; the next look, and the next dead letter, say nothing new."""
    a_dead_letter()
    look()
    a_dead_letter()
    look()
    look()

    assert subjects() == ["tests.greet: dead letters"]
    assert (
        "1 dead letter waits for your decision; the newest: ValueError: it was told to" in mail.outbox[0].body
    )
    assert [(post["kind"], post["subject"], post["is_over"]) for post in webhook.posts] == [
        ("dead_letters", "tests.greet", False)
    ]


def test_its_end_is_told_once(quiet, webhook):
    """When somebody has decided, that is told, once."""
    job = a_dead_letter()
    look()

    decisions.discard(job.id)
    look()
    look()

    assert subjects() == ["tests.greet: dead letters", "tests.greet: over: dead letters"]
    assert "Over since" in mail.outbox[1].body
    assert [post["is_over"] for post in webhook.posts] == [False, True]


def test_a_task_that_no_worker_knows_is_told(quiet, settings):
    """With what the jobs wait for; not at once, for a deploy is no incident."""
    job = enqueue(Call("shop.gone", "default", 5))
    refusal.refuse([job.pk], "shop.gone")
    look()
    early = subjects()

    settings.OFFBEAT_ALERTS = {"queue_age": 0}
    look()

    assert early == []
    assert "shop.gone: no worker knows the task" in subjects()


def test_the_next_dead_letter_after_a_quiet_hour_is_news(quiet):
    """While nobody decides, the incident stays open; a dead letter that comes after an hour without one is told of again, once."""
    job = a_dead_letter()
    Job.objects.filter(pk=job.pk).update(finished_at=job.created_at - timedelta(hours=2))
    look()
    look()
    a_dead_letter()
    look()
    look()

    assert subjects() == ["tests.greet: dead letters"] * 2
    assert "1 dead letter" in mail.outbox[0].body
    assert "2 dead letters" in mail.outbox[1].body
    assert Incident.objects.get().closed_at is None


def test_an_old_queue_is_told(quiet):
    """A job that has been due for more than ten minutes is told of, with its queue."""
    job = greet.enqueue()
    Job.objects.filter(pk=job.pk).update(due_at=job.created_at - timedelta(minutes=11))
    look()

    assert subjects() == ["default: jobs wait too long"]
    assert "1 job waiting: it is behind" in mail.outbox[0].body
    assert f"Warning since {stamp(job.created_at - timedelta(minutes=11))}." in mail.outbox[0].body


def test_missing_workers_are_told_after_a_while(quiet):
    """No worker is an incident after a minute, not during a deploy."""
    Worker.objects.all().delete()
    look()
    before = subjects()
    let_incidents_age(61)
    look()

    assert (before, subjects()) == ([], ["workers: no worker"])
    assert "no worker is running: jobs are kept, but none runs" in mail.outbox[0].body


def test_what_cannot_be_looked_at_is_not_over(quiet, redis, carrier):
    """While Redis is down nobody says that its messages are decided about; without any worker, no queue has one again."""
    unreadable_store.put_aside(b"hello", "no JSON", "mail")
    Worker.objects.update(queues=ALL[:-1])
    look()
    let_incidents_age(61)
    look()
    before = subjects()
    redis.stop()
    Worker.objects.all().delete()
    look()
    redis.start()

    assert sorted(before) == sorted(
        ["Redis: messages that no worker can read", f"{ALL[-1]}: no worker consumes the queue"]
    )
    assert subjects() == before


def test_what_was_short_is_never_told(quiet):
    """A restart that took less than the patience leaves no incident and no mail."""
    worker = Worker.objects.get()
    worker.delete()
    look()
    worker.save(force_insert=True)
    look()

    assert (subjects(), Incident.objects.count()) == ([], 0)


def test_redis_away_is_told_without_redis(quiet, redis):
    """An outage of Redis is told while it lasts: the telling is no job."""
    redis.stop()
    look()
    let_incidents_age(61)
    look()
    redis.start()
    look()

    assert subjects() == ["Redis: Redis is down", "Redis: over: Redis is down"]


def test_another_deployment_under_our_prefix_is_told(quiet, carrier):
    """With the name of its database, while its workers live."""
    carrier.zadd(broker.key(other_ledgers.SIGNED), {f"{'a' * 32} shop_staging": time.time()})
    look()
    let_incidents_age(61)
    look()
    carrier.delete(broker.key(other_ledgers.SIGNED))
    look()

    what = "another deployment takes our messages"
    assert subjects() == [f"shop_staging: {what}", f"shop_staging: over: {what}"]


def test_an_incident_of_a_removed_kind_is_over(quiet):
    """A deploy that knows a kind of condition no longer closes its incidents, and sends all others."""
    Incident.objects.create(
        kind="epoch_lost", subject="Redis", text="", opened_at=database_now(), mailed=1, posted=1
    )
    a_dead_letter()
    look()

    assert subjects() == ["Redis: over: epoch lost", "tests.greet: dead letters"]


def test_incidents_are_not_kept_for_ever(quiet):
    """What was over three months ago is forgotten."""
    a_dead_letter()
    look()
    decisions.discard(Job.objects.get().id)
    look()
    Incident.objects.update(closed_at=Incident.objects.get().closed_at - timedelta(days=91))
    incidents.compare(Account([]))

    assert not Incident.objects.exists()


def test_a_message_put_aside_is_told_once(quiet):
    """At once, with its reason; when somebody has decided, that is told too."""
    unreadable_store.put_aside(b"hello", "no JSON", "mail")
    look()
    look()

    assert subjects() == ["Redis: messages that no worker can read"]
    assert (
        "1 message put aside that no worker can read; the newest, of queue mail: no JSON"
        in mail.outbox[0].body
    )
    unreadable_store.drop(unreadable_store.kept()[0].id)
    look()
    assert subjects()[1:] == ["Redis: over: messages that no worker can read"]


def test_shipped_values_are_a_minute():
    """What is told of is no deploy: the patience is longer than a worker's restart."""
    assert (AlertsConf().patience, AlertsConf().interval) == (60.0, 30.0)


def test_every_kind_fits_its_column_and_has_its_patience():
    """An incident can hold every kind of condition, and every patience is a setting."""
    assert max(map(len, conditions.KINDS)) <= Incident._meta.get_field("kind").max_length  # noqa: SLF001  Django's documented way
    assert {kind.patience for kind in conditions.KINDS.values()} <= {"", *AlertsConf.names()}
