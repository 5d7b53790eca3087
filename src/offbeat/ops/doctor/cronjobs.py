"""Cronjobs: never fired, overdue, failing, paused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.cronjobs import entries, statuses, table
from offbeat.cronjobs.words import stamp
from offbeat.ops.doctor.findings import Finding, green, red, yellow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.cronjobs.statuses import Report

ADVICE = {
    "not_fired": "look at the platform's cron: python manage.py export_platform <platform> prints what it needs",
    "not_published": "is Redis away, or full?",
    "not_started": "is a worker alive that consumes its queue?",
    "too_long": "look at its job's page: is it stuck, or its time limit too short?",
    "no_success": "look at its dead letters: python manage.py jobs list --state dead",
}


def cronjobs() -> Iterator[Finding]:
    reports = statuses.reports()
    for report in reports:
        if not report.is_removed:
            yield from findings_of(report)
    for name in table.not_known_yet(entries.in_file(), reports):
        yield yellow(f"cronjob {name}", "is new: no worker and no wake-up has run since", "start a worker")


def findings_of(report: Report) -> Iterator[Finding]:
    name = f"cronjob {report.name}"
    if report.problem:
        yield red(name, report.problem, "mend platform.yaml or the command, and deploy")
    for signal in report.signals:
        yield red(name, signal.text, ADVICE.get(signal.kind, ""))
    if report.is_paused:
        text = f"paused by {report.row.paused_by or 'somebody'}"
        yield yellow(name, text, f"python manage.py cronjobs resume {report.name}, when it may go on")
    elif not report.signals and not report.problem:
        yield green(name, f"{report.in_words}; next {stamp(report.next_slot)}")
