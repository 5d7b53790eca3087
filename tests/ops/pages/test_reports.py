"""What the pages remember of cronjobs between requests."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cronjobs import monitoring
from deployment import spec
from ops.pages import reports
from tests.browser import stage

pytestmark = pytest.mark.django_db


def test_the_reports_are_those_of_cronjobs(cronjobs):
    """What the pages remember between requests changes no report, now or three hours later."""
    for name in stage.CAST:
        stage.past(name, timezone.now(), {1: "dead", 2: "missed"})
    moments = [timezone.now() + timedelta(hours=hours) for hours in (0, 0, 3)]

    for moment in moments:
        ours, theirs = reports.reports(moment)[0], monitoring.reports(moment)
        shown = [
            (each.name, each.next_slot, each.slots, each.signals, each.is_well, each.in_words)
            for each in ours
        ]
        assert shown == [
            (each.name, each.next_slot, each.slots, each.signals, each.is_well, each.in_words)
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
