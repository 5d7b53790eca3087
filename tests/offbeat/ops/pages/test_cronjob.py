"""The page of one cronjob."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
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
    assert "catch_up latest, overlap skip, late_after 5 min" in text
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


def test_the_bars_lead_to_jobs_and_rows(client, cronjobs):
    """Each is a link with its words: to its slot's job, or to its row where there is none; one link is for all."""
    now = timezone.now()
    stage.past("signup-report", now, {1: "missed", 2: "dead"})
    newest, missed, dead = Slot.objects.filter(cronjob="signup-report").order_by("-slot")[:3]
    place = f"/ops/cronjobs/signup-report/?day={missed.slot:%Y-%m-%d}#slot-{missed.slot.timestamp():.0f}"

    overview, own = (client.get(path).content.decode() for path in ("/ops/", "/ops/cronjobs/signup-report/"))

    for page in (overview, own):
        assert page.count(f'href="/ops/jobs/{newest.job_id}/"') >= 1
        assert page.count(f'href="/ops/jobs/{dead.job_id}/"') >= 1
        assert f'href="{place}"' in page
    assert 'class="whole" href="/ops/cronjobs/signup-report/#slots"' in overview
    row = f'<tr id="slot-{missed.slot.timestamp():.0f}">'
    assert row in client.get(place.partition("#")[0]).content.decode()


def test_the_bars_of_a_day_far_from_utc(client, cronjobs):
    """The day is the cronjob's own."""
    stage.past("weekly-digest", timezone.now(), {0: "missed"})
    slot = Slot.objects.filter(cronjob="weekly-digest").order_by("-slot").first()
    CronJob.objects.filter(pk="weekly-digest").update(timezone="Pacific/Kiritimati")
    slot.slot = slot.slot.replace(hour=23)
    slot.save()
    page = client.get("/ops/cronjobs/weekly-digest/").content.decode()

    address = re.search(r'href="(/ops/cronjobs/weekly-digest/\?day=[^"#]+)#(slot-\d+)"', page)

    assert f'id="{address[2]}"' in client.get(address[1]).content.decode()


def test_who_may_not_see_jobs_gets_rows(client, alice, cronjobs):
    """A link that one may not follow is none."""
    stage.past("signup-report", timezone.now())
    alice.user_permissions.set(Permission.objects.filter(codename="view_cronjob"))

    page = client.get("/ops/cronjobs/signup-report/").content.decode()

    assert "/ops/jobs/" not in page
    assert "#slot-" in page
