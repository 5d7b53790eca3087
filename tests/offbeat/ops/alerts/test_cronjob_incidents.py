"""Incidents of cronjobs: told with what to do, over when one has fired, and told anew when they return."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core import mail

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.registration import register
from offbeat.cronjobs.wakeup import wake_up
from offbeat.jobs.models import Job
from offbeat.ops.alerts.models import Incident
from tests.offbeat.ops.alerts.conftest import look, subjects
from tests.offbeat.ops.support import entry
from tests.offbeat.support.somebody import somebody


@pytest.fixture
def forgotten(quiet):
    """A cronjob that the platform has never woken up."""
    plants = replace(entry("0 * * * *", "plants"), line="enqueue_prune_jobs", is_in_file=False)
    register(plants, database_now() - timedelta(hours=3))
    return plants


def wake(plants):
    wake_up(plants, now=database_now())
    Job.objects.update(state="succeeded")


def test_a_cronjob_is_told_once_and_when_it_is_over(forgotten, webhook):
    """However often processes look, an incident of a cronjob is two mails and two posts, and none of them is a job."""
    for _ in range(2):
        look()
    jobs = Job.objects.count()
    wake(forgotten)
    for _ in range(2):
        look()

    assert subjects() == ["plants: overdue", "plants: over: overdue"]
    assert "has never fired since it was registered" in mail.outbox[0].body
    assert "What to do: check the platform's cron" in mail.outbox[0].body
    assert mail.outbox[0].to == ["ops@example.com"]
    assert [post["is_over"] for post in webhook.posts] == [False, True]
    assert jobs == 0


def test_a_cronjobs_incident_is_posted_with_its_facts(forgotten, webhook, settings):
    """A text that chat programs show, and beside it the cronjob, what is wrong, how bad that is, since when, and where to look."""
    settings.BASE_URL = "https://www.example.com"
    look()

    (post,) = webhook.posts
    assert post["text"].startswith("plants: overdue: has never fired since it was registered")
    assert (post["kind"], post["severity"], post["cronjob"], post["is_over"]) == (
        "not_fired",
        "error",
        "plants",
        False,
    )
    assert post["link"] == "https://www.example.com/ops/cronjobs/plants/"
    assert post["since"] < post["opened_at"]
    assert post["closed_at"] is None


def test_an_incident_that_returns_is_a_new_one(forgotten):
    """Over and back again is told again."""
    look()
    wake(forgotten)
    look()
    CronJob.objects.update(
        cursor=database_now() - timedelta(hours=3), last_fire_at=database_now() - timedelta(hours=3)
    )
    look()

    assert subjects() == ["plants: overdue", "plants: over: overdue", "plants: overdue"]
    assert Incident.objects.count() == 2


def test_nobody_to_tell(forgotten, settings):
    """Without ADMINS and webhook the incident is recorded all the same."""
    settings.ADMINS, settings.ALERT_WEBHOOK_URL = [], ""
    look()

    assert Incident.objects.get().kind == "not_fired"


def test_a_cronjob_that_somebody_holds_is_told_of(forgotten):
    """A transaction that was left open on its row keeps nobody from looking at it."""
    with somebody("SELECT * FROM offbeat_cronjobs_cronjob FOR UPDATE"):
        look()

    assert subjects() == ["plants: overdue"]
