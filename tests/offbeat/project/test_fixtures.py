"""The fixtures for a project's own tests, as a project has them: under its settings, and by its pyproject.toml."""

from unittest.mock import call

import pytest

from offbeat.cronjobs import entries
from offbeat.jobs import plain_messages
from tests.offbeat.project.smoke import tasks


def test_jobs_and_messages_of_a_test(db, run_jobs, enqueued, tmp_path):
    """Both run, in the test's own process."""
    file = tmp_path / "lines"
    tasks.write_line.enqueue(str(file), "a job")
    tasks.write_line.delay(str(file), "a message")

    assert enqueued(tasks.write_line) == [call(str(file), line="a job")]
    assert run_jobs() == 2
    assert file.read_text() == "a job\na message\n"


def test_an_error_fails_the_test(run_jobs):
    """It is the task's own."""
    tasks.write_line.enqueue("/no/such/folder/lines", "a")

    with pytest.raises(FileNotFoundError):
        run_jobs()


def test_a_slot_of_the_core(fire, run_jobs):
    """The cronjob that comes with the core, unless the project does without."""
    if all(each.name != "prune-jobs" for each in entries.in_file()):
        pytest.skip("platform.yaml has no prune-jobs")

    (job,) = fire("prune-jobs")

    assert run_jobs() == 1
    job.refresh_from_db()
    assert job.state == "succeeded"


def test_a_real_worker(worker, tmp_path):
    """It consumes the queues of platform.yaml, and messages go to Redis while it runs."""
    file = tmp_path / "lines"
    tasks.write_line.enqueue(str(file), "a job")

    worker.finish_jobs()

    assert file.read_text() == "a job\n"
    assert plain_messages.kept() is None
