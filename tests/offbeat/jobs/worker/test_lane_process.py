"""The process of lanes, from its fork to its exit."""

import sys

from offbeat.jobs.worker import lane_process, lane_threads
from tests.offbeat.support.polling import wait_until


def test_what_is_written_before_its_fork_and_its_exit(tmp_path, monkeypatch):
    """Half a line is neither lost with the process, nor written twice where its parent had begun it."""
    with (tmp_path / "said").open("w") as said:
        monkeypatch.setattr(sys, "stdout", said)
        monkeypatch.setattr(lane_threads, "serve", lambda *_: said.write("child"))
        said.write("parent, ")

        process = lane_process.fork([1], None, "host", [])
        wait_until(process.is_dead)
        process.channel.close()

    assert (tmp_path / "said").read_text() == "parent, child"
