"""What the pages remember of cronjobs between requests."""

from datetime import timedelta

import pytest
from django.utils import timezone

from offbeat.cronjobs import statuses
from offbeat.cronjobs.models import Slot
from offbeat.deployment import spec
from offbeat.jobs.models import Job
from offbeat.ops.pages import reports
from tests.offbeat.browser import stage

pytestmark = pytest.mark.django_db


def test_the_reports_are_those_of_cronjobs(cronjobs):
    """What the pages remember between requests changes no report, now or three hours later."""
    for name in stage.CAST:
        stage.past(name, timezone.now(), {1: "dead", 2: "missed"})
    moments = [timezone.now() + timedelta(hours=hours) for hours in (0, 0, 3)]

    for moment in moments:
        ours, theirs = reports.reports(moment)[0], statuses.reports(moment)
        shown = [
            (each.name, each.next_slot, each.slots, each.conditions, each.is_well, each.in_words)
            for each in ours
        ]
        assert shown == [
            (each.name, each.next_slot, each.slots, each.conditions, each.is_well, each.in_words)
            for each in theirs
        ]


def test_a_changed_file_is_read_anew(cronjobs, tmp_path, monkeypatch):
    """A cronjob that is added to platform.yaml is known at the next look, without a restart."""
    path = tmp_path / "platform.yaml"
    path.write_text(spec.PLATFORM_FILE.read_text())
    monkeypatch.setattr(spec, "PLATFORM_FILE", path)
    monkeypatch.setattr(spec.read, "__defaults__", (path,))
    _, before = reports.reports(timezone.now())
    entry = "  - name: another\n    schedule: '@daily'\n    timezone: UTC\n    command: python manage.py enqueue_prune_jobs -v 2\n"
    path.write_text(f"{path.read_text().rstrip()}\n{entry}")

    _, after = reports.reports(timezone.now())

    assert set(after.known) - set(before.known) == {"another"}


def test_what_becomes_of_a_slot_is_seen(cronjobs):
    """A slot that was missed, or whose job died, is asked about again: it may be backfilled, or its job retried."""
    stage.past("signup-report", timezone.now(), {1: "missed", 2: "dead"})
    missed, dead = Slot.objects.filter(outcome="missed").last(), Slot.objects.filter(job__state="dead").last()
    before = reports.past_slots()["signup-report"]

    job = Job.objects.filter(state="succeeded").first()
    Slot.objects.filter(pk=missed.pk).update(outcome="enqueued", job=job)
    Job.objects.filter(pk=dead.job_id).update(state="succeeded")

    after = {each.slot: each.became for each in reports.past_slots()["signup-report"]}
    assert {each.slot: each.became for each in before if each.slot in {missed.slot, dead.slot}} == {
        missed.slot: "missed",
        dead.slot: "dead",
    }
    assert (after[missed.slot], after[dead.slot]) == ("succeeded", "succeeded")
