"""One account of one truth: whatever is wrong, page, alert, doctor, metrics and health path say it alike, and none afterwards."""

import html
import re
import time
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import override_settings

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.registration import register
from offbeat.cronjobs.wakeup import wake_up
from offbeat.jobs import attempts, broker, other_ledgers, pauses, refusal, unreadable_store
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.producer import Call, enqueue
from offbeat.ops import conditions
from offbeat.ops.alerts import incidents, notifications
from offbeat.ops.alerts.models import Incident
from offbeat.ops.doctor import examination
from offbeat.ops.health_cron import remembered
from offbeat.ops.metrics import page as metrics
from offbeat.ops.snapshot import Snapshot, expected_queues
from offbeat.variables.mail_addresses import recipients
from tests.offbeat.ops.support import entry, greet
from tests.offbeat.support.operators import make_operator

ALL = sorted(expected_queues())
TOKEN = "a-token-of-the-tests"
ITEM = re.compile(r'<li class="is-(\w+)"><a href="([^"]+)">(.*?)</a>: <span>(.*?)</span>')
PLANTS = replace(entry("0 * * * *", "plants"), line="enqueue_prune_jobs", is_in_file=False)


@pytest.fixture(autouse=True)
def quiet(ledger, carrier, settings):
    """A ledger in which nothing is wrong: one worker consumes every queue, one cronjob is on time; and somebody to tell."""
    settings.METRICS_TOKEN, settings.ADMINS = TOKEN, recipients("ops@example.com")
    Incident.objects.all().delete()
    Worker.objects.create(hostname="here", pid=1, queues=ALL, concurrency=2)
    register(PLANTS, database_now())
    CronJob.objects.update(last_fire_at=database_now())


@pytest.fixture
def alice(client):
    client.force_login(make_operator("alice"))
    return client


# How each condition comes and goes. Every function makes it true, and returns what ends it.


def dead_letters():
    job = greet.enqueue(fail=True)
    attempts.bury(attempts.begin(job.pk, uuid.uuid4()), "ValueError: it was <told> to", "")
    return Job.objects.all().delete


def old_queue():
    job = greet.enqueue()
    Job.objects.filter(pk=job.pk).update(due_at=database_now() - timedelta(minutes=20))
    return Job.objects.all().delete


def paused():
    pauses.pause("queue", "default", "the partner is down", "alice")
    return lambda: pauses.resume("queue", "default")


def unknown_task():
    refusal.refuse([enqueue(Call("shop.gone", "default", 5)).pk], "shop.gone")
    return Job.objects.all().delete


def no_worker():
    (worker,) = Worker.objects.all()
    Worker.objects.all().delete()
    return lambda: worker.save(force_insert=True)


def silent_worker():
    silent = database_now() - timedelta(minutes=3)
    Worker.objects.create(hostname="gone", pid=2, queues=[], concurrency=2, heartbeat_at=silent)
    return Worker.objects.filter(hostname="gone").delete


def worker_without_redis():
    Worker.objects.update(broker_away_since=database_now() - timedelta(minutes=3))
    return lambda: Worker.objects.update(broker_away_since=None)


def unconsumed_queue():
    greet.enqueue()
    Job.objects.update(queue="letters")  # as a worker that is gone has consumed it
    return Job.objects.all().delete


def messages_put_aside():
    unreadable_store.put_aside(b"hello", "no JSON", "mail")
    return lambda: unreadable_store.drop(unreadable_store.kept()[0].id)


def foreign_ledger():
    broker.client().zadd(broker.key(other_ledgers.SIGNED), {f"{'a' * 32} shop_staging": time.time()})
    return lambda: broker.client().delete(broker.key(other_ledgers.SIGNED))


def not_fired():
    CronJob.objects.update(cursor=database_now() - timedelta(hours=3), last_fire_at=None)
    return lambda: CronJob.objects.update(cursor=database_now(), last_fire_at=database_now())


def slot_with_a_job(state, moment, minutes, **values):
    """Decide a slot that was a while ago; its job is in a state, and a moment of it was so many minutes and a half ago."""
    now = database_now()
    CronJob.objects.update(cursor=now - timedelta(hours=1))
    wake_up(PLANTS, now=now)
    Job.objects.update(state=state, **{moment: now - timedelta(minutes=minutes, seconds=30)}, **values)
    return lambda: Job.objects.update(state="succeeded", finished_at=now)


def not_published():
    return slot_with_a_job("pending", "due_at", 2, published_at=None)


def not_started():
    return slot_with_a_job("published", "due_at", 7)


def too_long():
    return slot_with_a_job("running", "started_at", 300, attempt=1)


def no_success():
    now = database_now()
    CronJob.objects.update(cursor=now - timedelta(hours=3))
    for hours in (2, 1, 0):
        wake_up(PLANTS, now=now - timedelta(hours=hours))
    Job.objects.update(state="expired", finished_at=now)
    return lambda: Job.objects.update(state="succeeded")


def misconfigured():
    CronJob.objects.update(command="no_such_command")
    return lambda: CronJob.objects.update(command="enqueue_prune_jobs")


def maintenance():
    closed = override_settings(MAINTENANCE=True)
    closed.enable()
    return closed.disable


SCENES = [
    dead_letters, old_queue, paused, unknown_task, no_worker, silent_worker, worker_without_redis, unconsumed_queue,
    messages_put_aside, foreign_ledger, not_fired, not_published, not_started, too_long, no_success, misconfigured, maintenance,
]  # fmt: skip

# What each tells: {(subject, severity, text)}.


def of_page(client, path="/ops/"):
    body = client.get(path).content.decode()
    return {
        (html.unescape(subject), severity, html.unescape(text))
        for severity, _, subject, text in ITEM.findall(body)
    }


def of_alerts():
    """Look as a process does, now and when every patience is over; give the incidents that people were told of and that last."""
    for _ in range(2):
        incidents.compare(conditions.find(Snapshot.take()))
        with connection.cursor() as cursor:
            cursor.execute("UPDATE offbeat_alerts_incident SET seen_at = seen_at - interval '601 seconds'")
    notifications.send()
    told = Incident.objects.filter(mailed=1, posted=1, closed_at=None)
    posts = [notifications.as_json(each) for each in told]
    return {(post["subject"], post["severity"], each.text) for each, post in zip(told, posts, strict=True)}


def of_doctor():
    findings = [each for each in examination.examine() if each.level and is_of_what_runs(each)]
    words = {1: "warning", 2: "error"}
    return {(each.name, words[each.level], each.found) for each in findings}


def is_of_what_runs(finding):
    """Tell what runs from what the machine of these tests is like, and from cronjobs of platform.yaml that no worker has met."""
    return finding.advice in {kind.advice for kind in conditions.KINDS.values()}


def of_metrics():
    (family,) = [each for each in metrics.families() if each.name == "offbeat_condition"]
    return {(each.labels["kind"], each.labels["subject"], each.labels["severity"]) for each in family.samples}


def of_health(client):
    remembered.forget()
    answer = client.get("/healthz/cron", headers={"Authorization": f"Bearer {TOKEN}"})
    return {(each["subject"], each["severity"], each["text"]) for each in answer.json().get("conditions", [])}


def everybody(client):
    """Give what each presenter tells, once they are known to agree."""
    told = of_page(client)
    assert of_alerts() == told
    assert of_doctor() == told
    assert of_health(client) == told
    of_kinds = of_metrics()
    assert {(subject, severity) for _, subject, severity in of_kinds} == {
        (subject, severity) for subject, severity, _ in told
    }
    return told, {kind for kind, _, _ in of_kinds}


def test_nothing_is_wrong(alice):
    """While all is well, nobody says anything."""
    assert everybody(alice) == (set(), set())


@pytest.mark.parametrize("begin", SCENES, ids=lambda scene: scene.__name__)
def test_all_say_the_same(alice, begin):
    """Each condition is told by all in the same words with the same severity, and by none when it is over."""
    end = begin()
    told, kinds = everybody(alice)
    end()
    afterwards = everybody(alice)

    kind = conditions.KINDS[begin.__name__]
    ((subject, severity, text),) = told
    assert (kinds, severity) == ({kind.name}, kind.severity.word)
    assert afterwards == (set(), set())
    begun, over = mail.outbox
    assert begun.subject.endswith(f"{subject}: {kind.title}")
    assert over.subject.endswith(f"{subject}: over: {kind.title}")
    assert begun.body.startswith(text)
    assert kind.advice in begun.body


def test_redis_down_is_said_by_all(alice, redis):
    """Whoever asks says the same, though the doctor adds what the driver said; /readyz says why it is degraded."""
    redis.stop()
    told = of_page(alice)
    alerts, doctor, health, kinds = of_alerts(), of_doctor(), of_health(alice), of_metrics()
    ready = alice.get("/readyz", headers={"Authorization": f"Bearer {TOKEN}"}).json()["reason"]
    redis.start()
    broker.breaker.close()

    ((subject, severity, text),) = told
    assert (subject, severity) == ("Redis", "error")
    assert alerts == health == told
    assert {(name, level, found.partition(" (")[0]) for name, level, found in doctor} == told
    assert kinds == {("redis_down", "Redis", "error")}
    assert ready == text
    assert everybody(alice) == (set(), set())


@pytest.mark.parametrize("begin", [not_fired, too_long, misconfigured], ids=lambda scene: scene.__name__)
def test_a_cronjobs_own_page_says_it_too(alice, begin):
    """In the same words."""
    begin()

    assert of_page(alice, "/ops/cronjobs/plants/") == of_page(alice) != set()


def test_every_kind_is_tried():
    """A new kind of condition needs a scene here; those of an outage and of another broker are tried with real ones elsewhere."""
    elsewhere = {"redis_down", "postgres_down", "broker_down", "worker_no_broker"}
    assert {scene.__name__ for scene in SCENES} == conditions.KINDS.keys() - elsewhere
    assert max(map(len, conditions.KINDS)) <= 20  # of an incident


def test_links_lead_to_where_it_can_be_mended(alice):
    """Each condition of the page links to a page of its own kind."""
    dead_letters()
    messages_put_aside()
    not_fired()

    links = {subject: link for _, link, subject, _ in ITEM.findall(alice.get("/ops/").content.decode())}

    assert links == {
        "tests.greet": "/ops/jobs/?state=dead&amp;task=tests.greet",
        "Redis": "/ops/messages/",
        "plants": "/ops/cronjobs/plants/",
    }
