"""The servers and workers that benchmarks measure on: those of `./run speed`, which forks have, too."""

from tests.offbeat.speed.stand import (
    CHECKOUT,
    LEAN,
    WORKER,
    median,
    percentile,
    prepare,
    process,
    rate_of_draining,
    ratio,
    say,
    stand,
    wait_until,
)

__all__ = (
    "CHECKOUT",
    "LEAN",
    "WORKER",
    "median",
    "percentile",
    "prepare",
    "process",
    "rate_of_draining",
    "ratio",
    "say",
    "stand",
    "wait_until",
)
