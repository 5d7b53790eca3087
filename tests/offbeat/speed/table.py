"""Ratios beside those that were recorded, as a table of Markdown."""

from __future__ import annotations

from typing import NamedTuple

# A ratio of two things that run in turns varies by a tenth from run to run on a quiet machine, and by more on CI's.
BOUND = 1.3


class Kind(NamedTuple):
    words: str
    more_is_better: bool


KINDS = {
    "rate": Kind("jobs a second, durable to plain Celery", more_is_better=True),
    "start": Kind("start of a job, p50, durable to plain Celery", more_is_better=False),
    "bulk": Kind("jobs a second, `enqueue_many` to `enqueue`", more_is_better=True),
    "wake-up": Kind("CPU of a wake-up, to the least of a process with these settings", more_is_better=False),
    "tick": Kind("a tick over 1,000 cronjobs to one over 100", more_is_better=False),
}


def table(found, recorded, load):
    """Return the page. `recorded` has `where`, in words, and `ratios`; what it lacks is not compared."""
    ratios = recorded["ratios"]
    rows = [
        [KINDS[name].words, "more" if KINDS[name].more_is_better else "less", f"{value:.2f}",
         f"{ratios[name]:.2f}" if name in ratios else "", verdict(name, value, ratios.get(name))]
        for name, value in found.items()
    ]  # fmt: skip
    lines = [
        ["ratio", "better is", "here", "recorded", ""],
        ["---", "---", "---:", "---:", "---"],
        *rows,
    ]
    note = (
        f"Recorded: {recorded['where']}. The load of this machine was {load:.1f} before. This is a report and fails nothing. A "
        f'ratio that is worse by more than {BOUND - 1:.0%} says "look at this", and so may one of a machine that does something '
        "else meanwhile. Run it again: `./run speed`."
    )
    return "\n".join(["## Speed", "", *(f"| {' | '.join(line)} |" for line in lines), "", note, ""])


def verdict(name, value, before):
    """Tell whether a ratio has become so much worse that somebody should look at it."""
    if before is None:
        return "new"
    worse = before / value if KINDS[name].more_is_better else value / before
    return "**look at this**" if worse > BOUND else ""
