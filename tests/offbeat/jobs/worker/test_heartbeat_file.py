"""The file that the probe reads."""

import json
import os
import time

import pytest

from offbeat.jobs.worker import heartbeat_file


@pytest.fixture(autouse=True)
def beat(tmp_path, monkeypatch):
    monkeypatch.setenv("OFFBEAT_JOBS_HEARTBEAT_FILE", str(tmp_path / "beat"))
    return tmp_path / "beat"


def test_it_tells_the_time(beat):
    """Unix seconds, and who wrote it."""
    heartbeat_file.write(None)

    found = json.loads(beat.read_text())
    assert abs(found["at"] - time.monotonic()) < 5
    assert (found["pid"], found["broker_away_seconds"]) == (os.getpid(), None)


def test_it_tells_how_long_redis_has_been_away(beat):
    """In seconds, so that a reader needs no clock of the writer's."""
    heartbeat_file.write(time.monotonic() - 30)

    assert 30 <= json.loads(beat.read_text())["broker_away_seconds"] < 31


def test_it_is_replaced_in_one_step(beat):
    """A reader who has it open goes on reading the old one, whole; nothing else is left behind."""
    heartbeat_file.write(None)
    with beat.open() as old:
        heartbeat_file.write(5.0)
        assert json.load(old)["broker_away_seconds"] is None

    assert list(beat.parent.iterdir()) == [beat]


def test_it_goes_with_the_worker(beat):
    """A stopped worker is not alive for another 45 seconds; removing it twice is no error."""
    heartbeat_file.write(None)

    heartbeat_file.remove()
    heartbeat_file.remove()

    assert not beat.exists()


def test_without_the_variable_it_is_in_the_temporary_folder(monkeypatch, tmp_path):
    """One worker a container needs no setting."""
    monkeypatch.delenv("OFFBEAT_JOBS_HEARTBEAT_FILE")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert heartbeat_file.path() == tmp_path / "jobs-worker-heartbeat"
