"""The upper bounds of the histograms, in seconds."""

from __future__ import annotations

# From the fastest task that a worker can run to those beyond the default time limit of ten minutes.
RUN = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 600.0, 1800.0)
# From "at once" over the relay's second and a worker's recovery (60 s) to a backlog of hours.
WAIT = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0)
# Those of Prometheus' own clients for requests, down to a health path and up to a router's patience.
REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

BEYOND = "+Inf"


def label(bounds: tuple[float, ...], value: float) -> str:
    """Return the smallest bound that holds the value, as its label."""
    return next((text(bound) for bound in bounds if value <= bound), BEYOND)


def text(bound: float) -> str:
    return str(bound)


def cumulative(bounds: tuple[float, ...], counts: dict[str, float]) -> list[tuple[str, float]]:
    """Return what Prometheus' histograms are made of: for each bound how many values are at most that."""
    total, found = 0.0, []
    for name in [*map(text, bounds), BEYOND]:
        total += counts.get(name, 0.0)
        found.append((name, total))
    return found
