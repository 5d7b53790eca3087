"""/metrics: who may read it, what it costs, and what it tells of queues, messages, cronjobs and pauses."""

import shutil
import subprocess
from datetime import timedelta

import pytest

from offbeat.cronjobs import controls
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.registration import register
from offbeat.cronjobs.wakeup import wake_up
from offbeat.jobs import pauses, unreadable_store
from offbeat.jobs.models import Job
from tests.offbeat.ops.support import entry, greet
from tests.offbeat.support.attempts import run_jobs


def test_there_is_nothing_without_a_token(client, settings):
    """Where METRICS_TOKEN is not set, /metrics is 404."""
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_strangers_get_nothing(client, headers):
    """Without the token, /metrics is 401 and says nothing."""
    answer = client.get("/metrics", headers=headers)

    assert (answer.status_code, answer.json()) == (401, {"text": "the token is missing or wrong"})


def test_a_queue_tells_its_depth_and_age(ledger, carrier, scrape):
    """Jobs that are due and not started count; those that wait for their time do not."""
    job = greet.enqueue()
    greet.using(queue="mail", run_at=database_now() + timedelta(hours=1)).enqueue()
    greet.using(run_at=database_now() + timedelta(hours=1)).enqueue()
    Job.objects.filter(pk=job.pk).update(due_at=database_now() - timedelta(seconds=90))

    found = scrape()

    assert found("queue_depth", queue="default") == 1
    assert 90 <= found("queue_oldest_age_seconds", queue="default") < 150
    assert found("queue_messages", queue="default") == 1
    assert found("queue_workers", queue="default") == 0
    assert found("queue_depth", queue="mail") == 0


def test_messages_put_aside_are_counted(ledger, carrier, scrape):
    """By queue for ever, and how many wait for a person now."""
    for queue in ("default", "mail", "mail"):
        unreadable_store.put_aside(b"hello", "no JSON", queue)
    unreadable_store.drop(unreadable_store.kept()[0].id)

    found = scrape()

    assert found("messages_put_aside_total", queue="mail") == 2
    assert found("messages_kept_aside") == 2


def test_cronjobs_tell_how_they_are(ledger, carrier, scrape):
    """Lateness, slots by outcome and trigger, moments, and a condition where one is overdue."""
    cronjob, now = entry(name="plants"), database_now()
    if now.minute in {59, 0}:  # around the hour there is one slot more, or less
        now -= timedelta(minutes=5)
    register(cronjob, now - timedelta(hours=3))
    wake_up(cronjob, now=now)
    controls.run_now(cronjob, "somebody")
    CronJob.objects.update(is_in_file=False, command="enqueue_prune_jobs")

    found = scrape()

    assert found("slots_total", cronjob="plants", outcome="enqueued", trigger="schedule") == 1
    assert found("slots_total", cronjob="plants", outcome="skipped", trigger="schedule") == 2
    assert found("slots_total", cronjob="plants", outcome="enqueued", trigger="manual") == 1
    assert found("condition", kind="not_fired", subject="plants", severity="error") is None
    assert 0 <= found("cronjob_lateness_seconds", cronjob="plants") <= 3600
    assert found("cronjob_last_fire_timestamp_seconds", cronjob="plants") == pytest.approx(now.timestamp())
    assert found("cronjob_last_success_timestamp_seconds", cronjob="plants") is None

    CronJob.objects.update(cursor=now - timedelta(days=2))
    assert scrape()("condition", kind="not_fired", subject="plants", severity="error") == 1


def test_pauses_are_told(ledger, carrier, scrape):
    """A queue and a task; and what a pause holds makes no queue old."""
    greet.enqueue()
    Job.objects.update(due_at=database_now() - timedelta(hours=2))
    pauses.pause("queue", "default", "broken", "alice")
    pauses.pause("task", greet.name, "broken", "alice")

    found = scrape(fold=False)

    assert (found("paused", queue="default", task=""), found("paused", queue="", task=greet.name)) == (1, 1)
    assert found("queue_oldest_age_seconds", queue="default") == 0
    assert found("queue_depth", queue="default") == 1


def test_a_scrape_costs_a_few_queries(ledger, carrier, scrape, django_assert_max_num_queries):
    """However many jobs, tasks and cronjobs there are, a scrape asks the same few questions."""
    for number in range(20):
        register(entry(name=f"plants-{number}"), database_now())
        greet.enqueue()
    run_jobs()

    with django_assert_max_num_queries(15):
        found = scrape(fold=False)

    assert found("server_up", server="postgres") == 1


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed: apt install prometheus")
def test_promtool_finds_nothing_to_say(ledger, carrier, scrape):
    """Names, units and help texts are what Prometheus' own tool asks for."""
    greet.enqueue()
    run_jobs()
    register(entry(), database_now())
    text = scrape().text

    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )

    assert (checked.stdout + checked.stderr, checked.returncode) == ("", 0)
