"""The page of one cronjob."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from offbeat.cronjobs.models import CronJob, Slot
from offbeat.jobs.models import Job
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import text_of

pytestmark = pytest.mark.django_db


def test_the_page_of_a_cronjob(client, cronjobs):
    """Its calendar, its slots with what became of them, its policies; and looking at it runs nothing."""
    stage.past("signup-report", timezone.now(), {2: "missed"})
    before = Job.objects.count()

    answer = client.get("/ops/cronjobs/signup-report/")

    text = text_of(answer)
    assert stage.cronjobs()["signup-report"].command.task.name in text
    assert "catch_up latest, overlap skip, grace 5 min" in text
    assert "26 min late, over the starting_deadline of 10 min" in text
    assert answer.content.decode().count("<td") > 35
    assert Job.objects.count() == before


def test_the_slots_of_a_day(client, cronjobs):
    """A day of the calendar leads to its slots and no others, in the cronjob's own time zone."""
    row = CronJob.objects.get(pk="weekly-digest")
    for text in ("2026-11-15 22:59", "2026-11-15 23:00", "2026-11-16 22:59", "2026-11-16 23:00"):
        slot = datetime.fromisoformat(text).replace(tzinfo=UTC)
        Slot.objects.create(cronjob=row, slot=slot, trigger="schedule", outcome="skipped", decided_at=slot)

    slots = client.get("/ops/cronjobs/weekly-digest/?day=2026-11-16").context["slots"]

    assert [f"{each.slot:%d %H:%M}" for each in slots] == ["16 22:59", "15 23:00"]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "yesterday"])
def test_a_day_that_is_none(client, cronjobs, day):
    """An address that was typed shows the newest slots instead of an error."""
    assert "Newest slots" in text_of(client.get(f"/ops/cronjobs/weekly-digest/?day={day}"))


def test_the_calendar_counts_what_the_strip_shows(client, cronjobs):
    """A day's words are those of its slots."""
    stage.past("signup-report", timezone.now(), dict.fromkeys(range(3), "dead"))

    answer = client.get("/ops/cronjobs/signup-report/")

    counted = sum(
        (day.counts for week in answer.context["weeks"] for day in week),
        start=type(answer.context["weeks"][0][0].counts)(),
    )
    shown = [each.became for each in answer.context["report"].slots]
    assert counted["dead"] == shown.count("dead") == 3


def test_an_unknown_cronjob(client, cronjobs):
    """There is no page for a name that the ledger does not know."""
    assert client.get("/ops/cronjobs/nothing/").status_code == 404
