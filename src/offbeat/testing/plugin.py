"""A pytest plugin: fixtures for tests of jobs and of cronjobs, described in docs/offbeat/testing-jobs.md.

A project of the template has it already, one with the wheel by its entry point; else it is `-p offbeat.testing.plugin`.
What needs Django is imported in the fixtures: pytest reads this before there are settings.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from offbeat.testing.frozen_clock import FrozenClock
    from offbeat.testing.worker_process import WorkerProcess

# Fixtures that start real workers, which take messages from a real Redis.
REAL = {"worker", "stack", "redis"}
INI = "offbeat_messages"
UNRUN = "offbeat_unrun_messages"
HINT = (
    "Nothing ran them. The fixture run_jobs runs them in the test, the fixture worker in a real worker; "
    "a job, made by .enqueue(), is checked with the fixture enqueued."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        INI,
        'what .delay() and .apply_async() do in a test without a worker: "keep" for run_jobs(), or "send" to Redis',
        default="keep",
    )


@pytest.fixture(autouse=True)
def _kept_messages(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep what `.delay()` sends for run_jobs(), and report at the end what nobody ran."""
    if not (_keeps(request) and has_jobs()):
        yield
        return
    from offbeat.jobs.plain_messages import keep_messages  # noqa: PLC0415  see above

    with keep_messages() as messages:
        yield
    if counts := Counter(message.task for message in messages.waiting):
        sent = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        request.node.user_properties.append((UNRUN, sent))


def _keeps(request: pytest.FixtureRequest) -> bool:
    return request.config.getini(INI) == "keep" and not REAL & set(request.fixturenames)


def has_jobs() -> bool:
    """Tell whether there is a Django with jobs: a test may need neither."""
    with contextlib.suppress(ImportError):
        from django.apps import apps  # noqa: PLC0415  see above

        return apps.ready and apps.is_installed("offbeat.jobs")
    return False


@pytest.fixture
def run_jobs(db: None) -> Callable[..., int]:
    """Executes what is due in the test's own process: `offbeat.jobs.testing.run_jobs`."""
    from offbeat.jobs import testing  # noqa: PLC0415  see above

    return testing.run_jobs


@pytest.fixture
def arun_jobs(db: None) -> Callable[..., Any]:
    """The same for async tests, to be awaited."""
    from offbeat.jobs import testing  # noqa: PLC0415  see above

    return testing.arun_jobs


@pytest.fixture
def enqueued(db: None) -> Callable[..., Any]:
    """Gives the jobs of a task that this test has enqueued, to be compared: `enqueued(send_receipt) == [call(7)]`."""
    from offbeat.testing.enqueued_jobs import enqueued  # noqa: PLC0415  see above

    return enqueued


@pytest.fixture
def frozen_clock(db: None, request: pytest.FixtureRequest) -> Iterator[FrozenClock]:
    """The time of Django and of the ledger, which moves by these alone: `move(hours=1)`, `move_to("2026-11-26 09:00")`."""
    if "worker" in request.fixturenames:
        pytest.fail("frozen_clock and worker exclude each other: a real worker goes by the real time.")
    from offbeat.testing.frozen_clock import FrozenClock  # noqa: PLC0415  see above

    with FrozenClock() as clock:
        yield clock


@pytest.fixture
def fire(frozen_clock: FrozenClock) -> Callable[..., Any]:
    """Wakes a cronjob of platform.yaml up at a slot, and gives its jobs: `fire("weekly-digest", "2026-11-30 09:00")`."""
    from offbeat.testing import wakeups  # noqa: PLC0415  see above

    return partial(wakeups.fire, frozen_clock)


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[WorkerProcess]:
    """A real worker on the test's database: `finish_jobs()`, `output`, `stop()`, `kill()`."""
    from django.db import connection  # noqa: PLC0415  see above

    from offbeat.testing.worker_process import WorkerProcess  # noqa: PLC0415  see above

    if connection.in_atomic_block:
        pytest.fail(
            "worker needs what the test commits, and this test is one transaction: use TransactionTestCase."
        )
    process = WorkerProcess(tmp_path)
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.end()


def pytest_assertrepr_compare(op: str, left: Any, right: Any) -> list[str] | None:
    """Say which job is not as expected, and in what."""
    if not has_jobs():
        return None
    from offbeat.testing.enqueued_jobs import EnqueuedJobs  # noqa: PLC0415  see above

    if op == "==" and isinstance(left, EnqueuedJobs) and isinstance(right, list | tuple):
        return left.explain(right)
    if op == "==" and isinstance(right, EnqueuedJobs) and isinstance(left, list | tuple):
        return right.explain(left)
    if op == "in" and isinstance(right, EnqueuedJobs):
        jobs = [f"  {number}. {job!r}" for number, job in enumerate(right, 1)] or ["  none"]
        return [
            f"no job of {right.name} is {left!r}; those that were enqueued:",
            *jobs,
            *right.others(),
        ]
    return None


_unrun: list[tuple[str, str]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":  # with xdist, where the reports of all processes come together
        _unrun.extend((report.nodeid, str(sent)) for name, sent in report.user_properties if name == UNRUN)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _unrun:
        terminalreporter.section("messages of .delay() and .apply_async()")
        for nodeid, sent in _unrun:
            terminalreporter.line(f"{nodeid}: {sent}")
        terminalreporter.line(HINT)
        _unrun.clear()
