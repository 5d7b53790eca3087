"""What people decide about cronjobs: pause, resume, run now, backfill."""

from datetime import timedelta

import pytest
from django.utils import timezone

from offbeat.cronjobs import row_lock
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.jobs.models import Job
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import post, trail
from tests.offbeat.support.somebody import somebody

pytestmark = pytest.mark.django_db


def test_pause_and_resume(client, digest):
    """The cronjob remembers who paused it, and the trail both acts."""
    post(client, "/ops/cronjobs/weekly-digest/pause/")
    paused = CronJob.objects.get().paused_by
    answer = post(client, "/ops/cronjobs/weekly-digest/resume/")

    assert (paused, CronJob.objects.get().paused_at) == ("alice", None)
    assert [each[:3] for each in trail()] == [
        ("alice", "pause", "cronjob weekly-digest"),
        ("alice", "resume", "cronjob weekly-digest"),
    ]
    assert "Resumed: it continues with the next slot." in answer.content.decode()


def test_run_now(client, digest):
    """One job beside the schedule, after a question; slot and trail name who asked."""
    question = client.get("/ops/cronjobs/weekly-digest/run/").content.decode()
    post(client, "/ops/cronjobs/weekly-digest/run/")

    slot = Slot.objects.get()
    task = stage.cronjobs()["weekly-digest"].command.task.name
    assert f"One job of {task} is enqueued at once" in question
    assert (slot.trigger, slot.reason) == ("manual", "run now by alice")
    assert trail() == [("alice", "run now", "cronjob weekly-digest", f"Enqueued as job {slot.job_id}.")]


def between(days_ago_from, days_ago_until):
    now = timezone.now()
    return {
        name: f"{now - timedelta(days=days):%Y-%m-%dT%H:%M}"
        for name, days in (("since", days_ago_from), ("until", days_ago_until))
    }


def test_a_backfill_shows_its_plan_and_then_does_it(client, digest):
    """The plan enqueues nothing; done, it is what the plan said."""
    times = between(21, 0)
    plan = client.get("/ops/cronjobs/weekly-digest/backfill/", times)
    planned = [each.slot for each in plan.context["plan"].decisions]
    before = Job.objects.count()

    post(client, "/ops/cronjobs/weekly-digest/backfill/", **times)

    assert (len(planned), before) == (3, 0)
    assert [each.slot for each in Slot.objects.order_by("slot")] == planned
    assert trail()[0][:3] == ("alice", "backfill", "cronjob weekly-digest")
    assert trail()[0][3].startswith("3 slots enqueued, ")


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        ({"since": "soon", "until": "2026-11-01T00:00"}, "Enter a valid date/time."),
        ({"since": "2026-11-02T00:00", "until": "2026-11-01T00:00"}, "should be later than the beginning"),
        ({"since": "2020-01-01T00:00", "until": "2026-01-01T00:00"}, "more than 100 slots"),
    ],
)
def test_a_backfill_that_cannot_be(client, digest, times, complaint):
    """It says what would be right, and enqueues nothing."""
    answer = client.get("/ops/cronjobs/weekly-digest/backfill/", times)

    assert answer.status_code == 422
    assert complaint in answer.content.decode()
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["pause", "run", "backfill"])
def test_a_cronjob_that_somebody_holds_is_told(client, digest, monkeypatch, act):
    """Alice reads who keeps the cronjob from her, and that nothing was done; it is no error of the site."""
    monkeypatch.setattr(row_lock, "WAIT", "100ms")
    times = between(21, 0) if act == "backfill" else {}

    with somebody("SELECT * FROM offbeat_cronjobs_cronjob FOR UPDATE") as pid:
        answer = post(client, f"/ops/cronjobs/weekly-digest/{act}/", **times)

    assert f"weekly-digest is held by pid {pid} (psql, from " in answer.content.decode()
    assert answer.status_code == (422 if act == "backfill" else 200)
    assert (Slot.objects.count(), trail()) == (0, [])
