"""Which pools there are, and what waits in one of lanes."""

import os
import threading
from collections import deque

import pytest
from celery import current_app
from celery.contrib.testing.worker import start_worker
from celery.worker import state

from offbeat.jobs.worker.lane_pool import ThreadLanes
from offbeat.jobs.worker.lane_suspects import Suspects


def test_celerys_worker_for_tests_is_refused(capsys):
    """It says why, and what a test calls instead."""
    with pytest.raises(SystemExit) as ended, start_worker(current_app, perform_ping_check=False):
        pass

    assert ended.value.code == os.EX_CONFIG
    error = capsys.readouterr().err
    assert "not in the main thread" in error
    assert "in a test call run_jobs() of offbeat.jobs.testing" in error


def test_threads_keep_their_number():
    """Remote control is answered with what to do instead, and not with an attribute that is missing."""
    for change in (ThreadLanes.grow, ThreadLanes.shrink):
        with pytest.raises(NotImplementedError, match="set --concurrency"):
            change(None)


@pytest.fixture
def lanes():
    """A pool in which calls wait: none of its lanes is free."""
    pool = ThreadLanes(1, app=current_app)
    pool.lock, pool.waiting, pool.is_closed = threading.RLock(), deque(), True
    pool.suspects = Suspects(1)
    yield pool
    state.reset_state()


class Request:
    def __init__(self, number):
        self.id = f"call {number}"

    def on_success(self, answer):
        pass


def put(lanes, *numbers):
    requests = [Request(number) for number in numbers]
    for each in requests:
        state.task_reserved(each)
        lanes.on_apply(None, correlation_id=each.id, callback=each.on_success)
    return requests


def test_what_waits_for_a_lane_is_withdrawn(lanes):
    """Once, and not what has begun meanwhile."""
    first, second = requests = put(lanes, 1, 2)

    assert lanes.waiting_requests() == requests
    assert lanes.withdraw(first)
    assert not lanes.withdraw(first)
    assert lanes.waiting_requests() == [second]


def test_of_two_messages_of_one_job_the_right_one_is_withdrawn(lanes):
    """Each has a message of its own to go back to its queue; the same one twice would end the worker."""
    first, second = requests = put(lanes, 1, 1)

    assert lanes.waiting_requests() == requests
    assert lanes.withdraw(second)
    assert lanes.waiting_requests() == [first]


def test_what_waits_for_a_lane_is_forgotten_with_its_connection(lanes):
    """It is delivered again: a plain task would run twice."""
    put(lanes, 1, 2)

    lanes.flush()

    assert lanes.waiting_requests() == []
