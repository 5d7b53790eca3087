"""When the limits of a call pass."""

from types import SimpleNamespace

from offbeat.jobs import lanes
from offbeat.jobs.worker.lane_call import LaneCall
from offbeat.jobs.worker.lane_limits import passed, task_starts


def calls_of_one_process(count):
    """Calls with limits of 2 and 3 s, which were given to their lanes at 100 s."""
    numbers = range(lanes.FIRST, lanes.FIRST + count)
    process = SimpleNamespace(starts=task_starts(count), numbers=tuple(numbers))
    nothing = (print, (), print, print, print, print)
    return [
        LaneCall(str(number), *nothing, 2, 3, number, process, begun_at=100.0, limited_at=100.0)
        for number in numbers
    ]


def test_they_begin_with_the_task():
    (call,) = calls_of_one_process(1)
    call.process.starts[0] = 105.0

    assert list(passed([call], 106.9)) == []
    assert list(passed([call], 107.0)) == [(call, True)]
    call.is_interrupted = True
    assert list(passed([call], 107.9)) == []
    assert list(passed([call], 108.0)) == [(call, False)]


def test_they_wait_for_what_runs_beside_a_call_that_cannot_begin():
    calls = calls_of_one_process(2)
    calls[0].soft = calls[0].hard = None
    calls[0].process.starts[0] = 101.0

    assert list(passed(calls, 150.0)) == []
    calls[0].process.starts[0] = 0.0

    assert list(passed(calls, 151.9)) == []
    assert list(passed(calls, 152.0)) == [(calls[1], True)]


def test_they_hold_where_a_process_begins_nothing():
    """It stands still: somebody has to end it."""
    calls = calls_of_one_process(2)

    assert list(passed(calls, 101.9)) == []
    assert list(passed(calls, 102.0)) == [(calls[0], True), (calls[1], True)]
    assert list(passed(calls, 103.0)) == [(calls[0], False), (calls[1], False)]
