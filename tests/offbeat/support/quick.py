"""`./run test --quick`: what is left out of a run between two edits."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

OPTION = "--quick"
MARKS = ("faults", "browser", "storm")
FIXTURES = {"stack"}
# Of the core's own, by file: what starts processes by itself, or tries thousands of cases.
SLOW = (
    "api/*",
    "config/test_[bcehkmpw]*.py",  # settings, each in a process of its own, and what is pasted into them
    "cronjobs/test_beat_*.py",
    "cronjobs/test_commands.py",
    "cronjobs/test_exit_codes.py",
    "cronjobs/test_month.py",
    "cronjobs/test_row_lock.py",
    "cronjobs/test_tick_wakeup.py",
    "cronjobs/test_views.py",
    "cronjobs/test_watchdog.py",
    "deployment/*",  # each platform's files, and what reads them
    "dev/*",  # ./run itself
    "faults/*",
    "jobs/tasks_backend/*",
    "jobs/test_broker.py",
    "jobs/test_ce*.py",
    "jobs/test_collation.py",
    "jobs/test_command.py",
    "jobs/test_error_text.py",
    "jobs/test_event_loop.py",
    "jobs/test_pr*.py",
    "jobs/test_request.py",
    "jobs/test_search.py",
    "jobs/test_s[eq]*.py",
    "jobs/worker/*",
    "ops/*",  # pages, and what they show
    "project/*",
    "test_*.py",  # the names and layers of the whole core
    "testing/*",
    "web/test_early_stop.py",
    "web/test_random_*.py",
)
LEFT_OUT = (
    f"quick: without tests that are marked {', '.join(MARKS)} or start the app's processes ({', '.join(FIXTURES)}); "
    "of tests/offbeat also without the files that its support/quick.py names. ./run test runs all"
)


def ignores(path: Path, core: Path) -> bool:
    """Whether a file is not even read."""
    if not (path.is_relative_to(core) and path.suffix == ".py"):
        return False
    place = str(path.relative_to(core))
    return any(fnmatch(place, each) and ("/" in each or "/" not in place) for each in SLOW)


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave those that neither have a mark nor start the app."""
    left_out = [item for item in items if is_slow(item.iter_markers(), getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def is_slow(marks: Sequence[pytest.Mark], fixtures: Sequence[str]) -> bool:
    return bool(FIXTURES & set(fixtures)) or any(mark.name in MARKS for mark in marks)
