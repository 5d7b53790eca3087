"""The stand-in for the platform's cron, with the commands of a platform.yaml as real processes."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime

import pytest

from offbeat.dev.cron import Cron
from tests.offbeat.support.polling import wait_until

FILE = """
name: sample
services: [{{name: worker, command: celery -A config worker --queues mail, queues: [mail]}}]
cronjobs:
  - {{name: hourly-count, schedule: "{schedule}", command: python manage.py {command}}}
"""
NOON = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)


class Sample:
    """A cron on a file of its own; `said` is what it told."""

    def __init__(self, folder):
        self.file = folder / "platform.yaml"
        self.write()
        self.said: list[str] = []
        self.cron = Cron(self.said.append, self.file)

    def write(self, schedule="5 * * * *", command="version"):
        self.file.write_text(FILE.format(schedule=schedule, command=command))

    def step(self, minute):
        self.cron.step(NOON.replace(minute=minute))

    def wait_for_end(self):
        wait_until(lambda: self.step(0) or not self.cron.running)


@pytest.fixture
def sample(tmp_path):
    sample = Sample(tmp_path)
    sample.step(0)
    yield sample
    sample.cron.stop()


def test_it_tells_the_next_slot_of_each(sample):
    """At the start a developer reads when each cronjob will fire."""
    assert sample.said == ["hourly-count: next at 2026-11-16 12:05 UTC"]


def test_it_fires_at_the_slot_once(sample):
    """Nothing before the slot, one process at it, and no second one in the same minute."""
    sample.step(4)
    before = len(sample.cron.running)
    sample.step(5)
    sample.step(5)

    assert before == 0
    assert [wakeup.name for wakeup in sample.cron.running] == ["hourly-count"]


def test_the_output_is_under_the_name(sample):
    """What the command prints, and how it ended, is told under the cronjob's name."""
    sample.step(5)
    sample.wait_for_end()

    assert sample.said[-3] == "hourly-count: python manage.py version"
    assert sample.said[-2].startswith("hourly-count: 5.")
    assert sample.said[-1] == "hourly-count: exit code 0"


def test_a_failing_command_is_told(sample):
    """The exit code is the only thing that a platform sees of a cronjob."""
    sample.write(command="enqueue_nothing")
    sample.step(1)
    sample.step(5)
    sample.wait_for_end()

    assert sample.said[-1] == "hourly-count: exit code 1"


def test_a_changed_file_is_read_again(sample):
    """Adding or changing a cronjob needs no restart."""
    sample.write(schedule="30 * * * *")
    sample.step(1)

    assert sample.said[-1] == "hourly-count: next at 2026-11-16 12:30 UTC"


def test_a_change_at_the_slot_does_not_lose_it(sample):
    """Who saves the file in the second of a slot gets that slot as it was, and the next as the file says."""
    sample.write(schedule="30 * * * *")
    sample.step(5)

    assert [wakeup.name for wakeup in sample.cron.running] == ["hourly-count"]
    assert sample.said[-1] == "hourly-count: next at 2026-11-16 12:30 UTC"


def test_a_file_that_is_gone_leaves_the_cronjobs_as_they_were(sample):
    """While an editor replaces the file there is none for a moment."""
    sample.file.unlink()
    sample.step(5)

    assert [wakeup.name for wakeup in sample.cron.running] == ["hourly-count"]


def test_a_broken_file_leaves_the_cronjobs_as_they_were(sample):
    """While somebody edits, a mistake is told and what was known goes on."""
    sample.write(schedule="61 * * * *")
    sample.step(1)
    said = sample.said[-1]
    sample.step(5)

    assert "platform.yaml: cronjobs/hourly-count/schedule:" in said
    assert said.endswith("The cronjobs stay as they were.")
    assert [wakeup.name for wakeup in sample.cron.running] == ["hourly-count"]


LOCALCRON = [sys.executable, "manage.py", "localcron"]


def test_an_unknown_name_lists_the_known_ones(stack):
    """`--fire` with a wrong name is a usage error that names the right ones."""
    refused = stack.manage("localcron", "--fire", "nightly", DEBUG="true")

    assert refused.returncode == 64
    assert "no cronjob 'nightly'; it has: " in refused.stderr
    assert "prune-jobs" in refused.stderr


def test_it_refuses_production(stack):
    """Beside a real platform it would fire everything twice; it says so in the image, which has no psutil."""
    (stack.folder / "psutil.py").write_text("raise ModuleNotFoundError('No module named psutil')")
    path = f"{stack.folder}:{stack.environment['PYTHONPATH']}"

    refused = stack.manage("localcron", DEBUG="false", PYTHONPATH=path)

    assert refused.returncode == 64
    assert "Development only" in refused.stderr


def test_firing_gives_the_commands_exit_code(stack):
    """`--fire` ends as the command ended: here without a database, which is 69."""
    fired = stack.manage(
        "localcron", "--fire", "prune-jobs", DEBUG="true", DATABASE_URL="postgresql://x@127.0.0.1:1/x"
    )

    assert fired.returncode == 69
    assert "prune-jobs: exit code 69" in fired.stdout


def test_an_interrupted_fire_is_no_success(stack):
    """Who stops `--fire` before its command has ended gets the exit code of the signal."""
    fired = stack.start("fire", [*LOCALCRON, "--fire", "prune-jobs"], DEBUG="true")
    fired.wait_for("prune-jobs: python manage.py")

    assert fired.stop() == 143


def test_it_stops_when_asked(stack):
    """SIGTERM ends it in an orderly way."""
    cron = stack.start("localcron", LOCALCRON, DEBUG="true")
    cron.wait_for("next at")

    cron.signal(signal.SIGTERM)

    assert cron.wait() == 0
    assert "Standing in for the platform's cron, in development only." in cron.output
    assert "Traceback" not in cron.output
