from datetime import timedelta

from offbeat.cronjobs import checks, entries
from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.cronjobs.management.commands.enqueue_prune_jobs import Command
from offbeat.cronjobs.policies import Policies
from offbeat.deployment import spec


class Old(EnqueueCommand):
    """As a fork of an older version has it."""

    grace = timedelta(minutes=7)


class Renamed(Old):
    late_after = timedelta(minutes=9)


class Inherited(Renamed):
    grace = timedelta(minutes=11)


def test_the_old_name_still_counts():
    """`grace` is `late_after` in forks that have not renamed it; the class that is nearest decides."""
    found = [Policies.of(command()).late_after for command in (Command, Old, Renamed, Inherited)]

    assert [late_after / timedelta(minutes=1) for late_after in found] == [5, 7, 9, 11]


def test_the_check_asks_to_rename_it(monkeypatch):
    """The message has the new name, and the hint is an edit."""
    cronjob = spec.CronJobSpec(
        name="daily", schedule="0 3 * * *", command="python manage.py enqueue_prune_jobs"
    )
    monkeypatch.setattr(entries, "in_file", lambda: (cronjob,))
    monkeypatch.setattr(Command, "grace", timedelta(minutes=7), raising=False)

    (found,) = checks.check_cronjobs()

    assert found.id == "offbeat_cronjobs.W002"
    assert found.msg == (
        "platform.yaml: cronjobs/daily: the policy grace of enqueue_prune_jobs is now called late_after."
    )
    assert found.hint == "Rename the attribute: late_after = timedelta(minutes=5)."
