"""What runs: everything that is wrong with jobs, queues, workers and cronjobs, and what only people judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.cronjobs import entries, table
from offbeat.cronjobs.words import counted
from offbeat.ops import conditions
from offbeat.ops.alerts.acknowledgement import add_incidents
from offbeat.ops.doctor.findings import Finding, Level, green, yellow
from offbeat.ops.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offbeat.cronjobs.statuses import Report


def what_runs() -> Iterator[Finding]:
    snapshot = Snapshot.take()
    found = [
        each
        for each in conditions.find(snapshot).conditions
        if each.kind not in (conditions.REDIS_DOWN, conditions.BROKER_DOWN)
    ]  # of servers their own checks tell
    for each in add_incidents(found):
        text = f"{each.text}; {each.acknowledged}" if each.acknowledged else each.text
        yield Finding(each.subject, Level(each.kind.severity), text, each.kind.advice)
    if not found:
        yield green("conditions", "nothing is wrong with jobs, queues, workers and cronjobs")
    busy, places = (sum(getattr(each, name) for each in snapshot.alive) for name in ("busy", "concurrency"))
    yield green("workers alive", f"{len(snapshot.alive)}, with {busy} of {counted(places, 'job')} in hand")
    yield from versions({each.version or "unnamed" for each in snapshot.alive})
    yield from cronjobs(snapshot.reports)


def versions(found: set[str]) -> Iterator[Finding]:
    if len(found) > 1:
        advice = "during a deploy, nothing; afterwards check whether an old service still runs"
        yield yellow("workers' versions", ", ".join(sorted(found)), advice)


def cronjobs(reports: Sequence[Report]) -> Iterator[Finding]:
    """Tell of pauses, which are forgotten, and of cronjobs that nobody has met."""
    for each in reports:
        if each.is_paused and not each.is_removed:
            text = f"paused by {each.row.paused_by or 'somebody'}"
            yield yellow(
                each.name, text, f"python manage.py cronjobs resume {each.name}, when it may continue"
            )
    for name in table.not_known_yet(entries.in_file(), reports):
        yield yellow(name, "is new: no worker and no wake-up has run since then", "start a worker")
