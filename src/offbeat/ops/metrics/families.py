"""The families of /metrics, made of what was read. Names and units follow https://prometheus.io/docs/practices/naming/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from offbeat.ops.metrics import buckets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client.core import Metric

    from offbeat.ops.metrics.counters import Labels

PREFIX = "offbeat_"


def gauge(
    name: str, help_text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, help_text, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def counter(
    name: str, help_text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    """Return a counter; the library adds "_total" to its name."""
    family = CounterMetricFamily(PREFIX + name, help_text, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def histogram(
    name: str,
    help_text: str,
    labels: Sequence[str],
    bounds: tuple[float, ...],
    values: Iterable[tuple[Sequence[str], Mapping[str, float], float]],
) -> Metric:
    """Return a histogram of (labels, counts by bucket, sum)."""
    family = HistogramMetricFamily(PREFIX + name, help_text, labels=labels)
    for of, counts, total in values:
        family.add_metric(of, buckets.cumulative(bounds, dict(counts)), total)
    return family


def by_label(counts: Mapping[str, Labels]) -> Iterable[tuple[Sequence[str], float]]:
    """Give each (subject, label) with its value."""
    return (
        ((subject, label), value) for subject, labels in counts.items() for label, value in labels.items()
    )
