"""The table of `manage.py cronjobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.cronjobs.words import counted, lateness, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from offbeat.cronjobs.statuses import Report
    from offbeat.deployment import spec

HEAD = ("cronjob", "schedule", "next slot", "last slot", "", "decided")


def text(reports: Sequence[Report], unknown: Sequence[str]) -> str:
    """Return the table, and below it what is wrong, a line each."""
    lines = aligned([HEAD, *(row(each) for each in reports)])
    lines += [
        f"{name}: is new in platform.yaml; no worker and no wake-up has run since then" for name in unknown
    ]
    lines += [f"{each.name}: {line}" for each in reports for line in remarks(each)]
    wrong = sum(not each.is_well for each in reports)
    return "\n".join([*lines, f"{counted(len(reports), 'cronjob')}, {wrong or 'none'} with a condition."])


def row(report: Report) -> tuple[str, ...]:
    last = report.last
    return (
        report.name,
        report.in_words,
        "paused" if report.is_paused else stamp(report.next_slot),
        stamp(last.slot) if last else "none yet",
        last.became if last else "",
        f"{lateness(last.slot, last.decided_at)} by {last.trigger}" if last else "",
    )


def remarks(report: Report) -> list[str]:
    """Return what is to be said of a cronjob beside its row."""
    lines = [f"{each.kind.name.replace('_', ' ').upper()}: {each.text}" for each in report.conditions]
    if report.is_removed:
        lines.append("is no longer in platform.yaml; its history is kept" + renamed(report))
    if report.row.paused_at:
        lines.append(f"paused by {report.row.paused_by} since {stamp(report.row.paused_at)}")
    return lines


def renamed(report: Report) -> str:
    return f" (renamed to {', '.join(report.renamed_to)}?)" if report.renamed_to else ""


def not_known_yet(cronjobs: Iterable[spec.CronJobSpec], reports: Iterable[Report]) -> list[str]:
    known = {each.name for each in reports}
    return [each.name for each in cronjobs if each.name not in known]


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def as_json(reports: Iterable[Report]) -> list[dict[str, Any]]:
    return [
        {
            "cronjob": each.name,
            "schedule": each.row.schedule,
            "timezone": each.row.timezone,
            "in_words": each.in_words,
            "next_slot": each.next_slot.isoformat(),
            "paused_by": each.row.paused_by or None,
            "has_never_fired": each.has_never_fired,
            "is_removed": each.is_removed,
            "is_well": each.is_well,
            "conditions": [condition.as_json() for condition in each.conditions],
            "last_slot": each.last.slot.isoformat() if each.last else None,
            "last_outcome": each.last.became if each.last else None,
            "late_seconds": each.last.lateness.total_seconds() if each.last else None,
        }
        for each in reports
    ]
