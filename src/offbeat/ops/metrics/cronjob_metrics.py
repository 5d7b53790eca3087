"""Cronjobs and their slots as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.ops.metrics.families import counter, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from prometheus_client.core import Metric

    from offbeat.cronjobs.statuses import Report
    from offbeat.ops.metrics.counters import Labels
    from offbeat.ops.snapshot import Snapshot


def families(snapshot: Snapshot, counts: Mapping[str, Mapping[str, Labels]]) -> Iterator[Metric]:
    reports = [report for report in snapshot.reports if not report.is_removed]
    yield from of_reports(reports)
    yield from of_moments(reports)
    rows = (
        ([cronjob, *label.split(" ", 1)], value)
        for cronjob, labels in counts.get("slots", {}).items()
        for label, value in labels.items()
    )
    yield counter(
        "slots",
        "Decided slots, by outcome and trigger.",
        ["cronjob", "outcome", "trigger"],
        rows,
    )


def of_reports(reports: list[Report]) -> Iterator[Metric]:
    yield gauge(
        "cronjob_paused",
        "1 while it is paused.",
        ["cronjob"],
        (([each.name], each.is_paused) for each in reports),
    )
    yield gauge(
        "cronjob_lateness_seconds",
        "How long after its slot the newest one was decided; below zero for an early wake-up.",
        ["cronjob"],
        (([each.name], each.last.lateness.total_seconds()) for each in reports if each.last),
    )


def of_moments(reports: list[Report]) -> Iterator[Metric]:
    """Yield what is a moment; of one that has not come yet, there is no value."""
    yield moments(
        "cronjob_last_fire_timestamp_seconds",
        "When the platform last triggered it.",
        {each.name: each.row.last_fire_at for each in reports},
    )
    yield moments(
        "cronjob_last_success_timestamp_seconds",
        "When a job of its last succeeded.",
        {each.name: each.row.last_success_at for each in reports},
    )
    yield moments(
        "cronjob_next_slot_timestamp_seconds",
        "When it is due next.",
        {each.name: each.next_slot for each in reports},
    )


def moments(name: str, text: str, found: Mapping[str, datetime | None]) -> Metric:
    return gauge(
        name, text, ["cronjob"], (([cronjob], at.timestamp()) for cronjob, at in found.items() if at)
    )
