"""PostgreSQL's clock, as a worker counts it on."""

from datetime import UTC, datetime, timedelta

import pytest

from offbeat.jobs.worker.clock import LedgerClock

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def told(*answers):
    """Give what was noticed at each answer: asked and answered in monotonic seconds, and seconds since noon."""
    clock = LedgerClock()
    return [
        clock.note(asked, NOON + timedelta(seconds=shown), answered) for asked, shown, answered in answers
    ]


def test_the_first_answer_is_no_step():
    """Nobody knows what the clock showed before."""
    assert told((100.0, 0, 100.1)) == [None]


def test_a_clock_that_runs_is_no_step():
    """Ten seconds later it shows ten seconds more; two seconds more or less are put right slowly."""
    assert told((100.0, 0, 100.1), (110.0, 10, 110.1), (120.0, 21.9, 120.0)) == [None, None, None]


@pytest.mark.parametrize("step", [300, -100])
def test_a_step_is_noticed_once(step):
    """How far, and when at the earliest by the new clock: just after the last answer."""
    first, second, third = told((100.0, 0, 100.0), (110.0, 10 + step, 110.0), (120.0, 20 + step, 120.0))

    assert (first, third) == (None, None)
    assert (second.seconds, second.since) == (step, NOON + timedelta(seconds=step))


def test_an_answer_that_took_long_proves_nothing():
    """The machine may have stood still before or after the clock was read."""
    assert told((100.0, 0, 100.0), (110.0, 10, 210.0), (220.0, 120, 220.0)) == [None, None, None]


def test_it_is_counted_on(monkeypatch):
    """By the monotonic clock, from the last answer on; never ahead of what it may show."""
    clock = LedgerClock()
    clock.note(100.0, NOON, 101.0)
    monkeypatch.setattr("time.monotonic", lambda: 106.0)

    assert clock.now() == NOON + timedelta(seconds=5)


def test_before_the_first_answer_nothing_is_old():
    """The beginning of time."""
    assert LedgerClock().now().year == 1970
