"""Celery's worker for tests, which runs tasks in a thread."""

import os

import pytest
from celery import current_app
from celery.contrib.testing.worker import start_worker

from offbeat.jobs.worker.lane_pool import ThreadLanes


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
