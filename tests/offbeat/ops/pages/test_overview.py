"""The overview: how everything is, in words first."""

import re
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from offbeat.cronjobs.models import CronJob
from offbeat.jobs import broker, other_ledgers
from offbeat.jobs.models import Job, Worker
from offbeat.ops.alerts.models import Incident
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import dead, text_of

pytestmark = pytest.mark.django_db


def test_all_quiet(client, cronjobs, worker):
    """With a worker alive, cronjobs on time and nothing dead, the page says so in its title and its first words."""
    answer = client.get("/ops/")

    assert "<title>All quiet · Offbeat</title>" in answer.content.decode()
    assert "All quiet. Every worker, queue and cronjob works." in text_of(answer)


def test_the_last_incident_is_remembered(client, cronjobs, worker):
    """In quiet times the page says what was wrong last, and since when it is over, be it a cronjob or the whole."""
    now = timezone.now()
    Incident.objects.create(
        kind="not_fired", subject="weekly-digest", text="was not woken up", closed_at=now - timedelta(hours=2)
    )
    first = text_of(client.get("/ops/"))
    Incident.objects.create(
        kind="redis_down", subject="Redis", text="it was down", closed_at=now - timedelta(hours=1)
    )

    second = text_of(client.get("/ops/"))

    assert "The last incident was over 2 h ago : weekly-digest: was not woken up" in first
    assert "The last incident was over 1 h ago : Redis: it was down" in second


def test_what_is_wrong_is_told_in_words_and_since_when(client, cronjobs, worker):
    """A dead letter and a cronjob that never fired are counted, named and dated."""
    dead()
    CronJob.objects.filter(pk="signup-report").update(
        last_fire_at=None,
        cursor=timezone.now() - timedelta(hours=3),
        known_since=timezone.now() - timedelta(hours=3),
    )

    text = text_of(client.get("/ops/"))

    assert "2 things are wrong. The newest since" in text
    assert "for 8 min : newsletter.tasks.send_confirmation, dead letters. The first since" in text
    assert "signup-report : has never fired since it was registered" in text
    assert (
        "newsletter.tasks.send_confirmation : 1 dead letter waits for your decision; the newest: SMTPError: no"
        in text
    )
    assert "warning for 8 min → python manage.py jobs list --state dead; then retry or discard" in text
    assert "has never fired" in text


def test_what_broke_a_minute_ago_is_not_hidden_by_an_old_condition(client, cronjobs, worker):
    """Besides since when the first thing is wrong, the headline says what is newest; and of one thing, that it happened again."""
    now = timezone.now()
    dead(finished_at=now - timedelta(days=3), started_at=now - timedelta(days=3))
    first = text_of(client.get("/ops/"))
    dead(finished_at=now - timedelta(minutes=9, seconds=20))
    again = text_of(client.get("/ops/"))
    dead("shop.pay", finished_at=now - timedelta(seconds=90))

    text = text_of(client.get("/ops/"))

    assert "One thing is wrong. The first since" in first
    assert "One thing is wrong. The newest since" in again
    assert "for 9 min 20 s . The first since" in again or "for 9 min . The first since" in again
    assert "for 1 min : shop.pay, dead letters. The first since" in text
    assert "for 3 d" in text
    assert text.index("shop.pay : 1 dead letter") < text.index("send_confirmation : 2 dead letters")


def test_when_a_condition_was_noticed_counts(client, cronjobs, worker):
    """Some are true long after what they are dated by, such as three slots without success: news since a check has seen them."""
    now = timezone.now()
    dead(finished_at=now - timedelta(days=3))
    dead("shop.pay", finished_at=now - timedelta(days=2))
    Incident.objects.create(kind="dead_letters", subject="shop.pay", seen_at=now - timedelta(minutes=2))

    assert "for 2 min : shop.pay, dead letters. The first since" in text_of(client.get("/ops/"))


def test_the_order_serves_who_is_on_call(client, cronjobs, worker):
    """What is wrong, queues, workers and dead letters come before the list of cronjobs, in the source as on a phone."""
    dead()

    text = text_of(client.get("/ops/"))

    places = [
        text.index(each)
        for each in (" is wrong.", "Queues", "Services", "Dead letters", "Cronjobs succeeded")
    ]
    assert places == sorted(places)


def test_another_deployment_under_our_prefix(client, worker, redis):
    """Its database is named, and what to do."""
    with redis.connect() as server:
        server.zadd(broker.key(other_ledgers.SIGNED), {f"{'a' * 32} shop_staging": time.time()})

        text = text_of(client.get("/ops/"))

        server.delete(broker.key(other_ledgers.SIGNED))
    assert "in the database shop_staging" in text
    assert "give each deployment its own REDIS_PREFIX" in text


def test_no_worker(client, cronjobs):
    """Without a worker the page says that jobs are kept, and since when nobody has been seen."""
    silent = timezone.now() - timedelta(minutes=3)
    Worker.objects.create(hostname="web-7", pid=11, queues=["default"], concurrency=4, heartbeat_at=silent)

    text = text_of(client.get("/ops/"))

    assert "workers : no worker is running: jobs are kept, but none runs error for 3 min" in text
    assert "web-7 (11) is silent since" in text


def test_a_queue_without_consumer(client, cronjobs, worker):
    """Jobs in a queue that nobody consumes are told of, with how many they are."""
    stage.job("reports.render", "published", timezone.now() - timedelta(minutes=2), queue="slow")

    text = text_of(client.get("/ops/"))

    assert "slow : no worker consumes this queue: 1 job waiting error for 2 min" in text


def test_a_queue_that_is_behind(client, cronjobs, worker):
    """A queue whose oldest job waits for a quarter of an hour is told of, though workers consume it."""
    stage.job("reports.render", "published", timezone.now() - timedelta(minutes=15), queue="mail")

    assert "mail : 1 job waiting: it is behind warning for 15 min" in text_of(client.get("/ops/"))


def test_redis_away(client, cronjobs, worker, redis):
    """Without Redis the page stays, and says that nothing is lost."""
    redis.stop()
    try:
        text = text_of(client.get("/ops/"))
    finally:
        redis.start()

    assert "Redis : Redis does not answer: jobs wait in PostgreSQL until it does" in text


def test_a_worker_is_shown_with_what_it_does(client, cronjobs, worker):
    """Host, process, version, queues, busy and free places, heartbeat: beside its service."""
    text = text_of(client.get("/ops/"))

    assert "worker 1 of 4 busy · 1 alive web-7 11 1/4 v9 · default, mail · heartbeat" in text


def test_a_queue_is_shown_with_its_depth_and_its_flow(client, cronjobs, worker):
    """What waits, what is for later, what runs, and a picture of the last half hour with its words."""
    now = timezone.now()
    stage.job("a", "pending", now - timedelta(minutes=4, seconds=20), queue="mail")
    stage.job("a", "pending", now + timedelta(hours=1), queue="mail")
    stage.job("a", "running", now - timedelta(minutes=2), queue="mail")
    stage.job("a", "succeeded", now - timedelta(minutes=5), queue="mail")

    answer = client.get("/ops/")

    assert "mail 1 waiting the oldest 4 min" in text_of(answer)
    assert "1 running · 1 later · 0 dead" in text_of(answer)
    assert "mail: in the last half hour 3 jobs came and 1 were finished" in answer.content.decode()


def test_a_cronjob_is_shown_with_its_strip(client, cronjobs, worker):
    """Schedule in words and raw, time zone, next slot, and a strip that says in words what its colours say."""
    stage.past("signup-report", timezone.now(), {0: "dead", 4: "missed", 5: "skipped"})

    answer = client.get("/ops/")

    assert "weekly-digest At 09:00, only on Monday (Europe/Berlin) 0 9 * * MON" in text_of(answer)
    assert (
        "The last 30 slots: 27 succeeded, 1 skipped, 1 missed, 1 dead. The newest," in answer.content.decode()
    )
    assert answer.content.decode().count('class="slot succeeded" x=') == 27
    assert re.search(r"<title>[\d: -]+Z dead, \d\.\d s late: ConnectionRefusedError", answer.content.decode())


def test_a_cronjob_that_nobody_has_met(client, worker):
    """An entry of platform.yaml that the ledger does not know yet is there all the same."""
    assert "prune-jobs New in platform.yaml: no worker and no wake-up has run since" in text_of(
        client.get("/ops/")
    )


def test_a_paused_cronjob(client, cronjobs, worker):
    """It says who paused it."""
    CronJob.objects.filter(pk="weekly-digest").update(paused_at=timezone.now(), paused_by="bob")

    assert "paused by bob" in text_of(client.get("/ops/"))


def test_reasons_are_text(client, cronjobs, worker):
    """What a mail server or a slot says cannot become markup, not even in a tooltip."""
    stage.past("signup-report", timezone.now(), {0: "dead"})
    Job.objects.filter(state="dead").update(reason='"><script>alert(1)</script>')

    body = client.get("/ops/").content.decode()

    assert "<script>alert" not in body
    assert body.count("&lt;script&gt;alert") >= 2


def test_a_refresh_is_only_the_part_that_changes(client, cronjobs, worker):
    """An open page asks for the news and gets it without head, navigation and scripts, but with the title."""
    body = client.get("/ops/", headers={"HX-Request": "true"}).content.decode()

    assert body.startswith("<title>All quiet")
    assert "All quiet." in body
    assert "<nav" not in body
    assert "<script" not in body


def test_the_overview_asks_a_constant_number_of_queries(client, cronjobs, worker):
    """More jobs, slots, workers, queues and dead letters cost no further query."""
    client.get("/ops/")
    with CaptureQueriesContext(connection) as few:
        client.get("/ops/")
    for number in range(12):
        Worker.objects.create(hostname=f"web-{number}", pid=number, queues=[f"q{number}"], concurrency=4)
        stage.job("a", "published", timezone.now(), queue=f"q{number}")
        dead(queue=f"q{number}")
    for name in stage.cronjobs():
        stage.past(name, timezone.now())

    with CaptureQueriesContext(connection) as many:
        client.get("/ops/")

    assert len(many) == len(few)
    assert len(few) <= 20
