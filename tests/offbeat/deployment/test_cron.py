"""The stand-in for platforms without cronjobs: what it runs and when, and how it ends."""

import re
import signal
import sys
from datetime import UTC, datetime, timedelta

import pytest

from offbeat.deployment import cron
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT, Running

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CRON = [sys.executable, "src/offbeat/deployment/cron.py"]
PROGRAM = "import pathlib, sys, time; open('{log}', 'a').write(sys.argv[1] + '\\n'); {rest}\n"


FILE = """
name: sample
services: [{{name: worker, command: celery -A config worker, queues: [default]}}]
cronjobs:
{cronjobs}
"""
CRONJOB = "  - {{name: {name}, schedule: '{schedule}', command: python manage.py version --name {name}}}"


class Stand:
    """A cron on a file of its own, and a clock that moves only when the cron sleeps."""

    def __init__(self, folder):
        self.file = folder / "platform.yaml"
        self.said = []
        self.naps = []
        self.now = NOON

    def write(self, **schedules):
        lines = [CRONJOB.format(name=name, schedule=schedule) for name, schedule in schedules.items()]
        self.file.write_text(FILE.format(cronjobs="\n".join(lines)))

    def start(self, **options):
        return cron.Cron(self.file, say=self.said.append, clock=lambda: self.now, pause=self.pause, **options)

    def pause(self, seconds):
        self.naps.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def stand(tmp_path):
    return Stand(tmp_path)


@pytest.fixture
def woken(monkeypatch):
    """The last words of the commands that were run."""
    found = []
    monkeypatch.setattr(cron, "run_command", lambda argv: found.append(argv[-1]) or (0, "exit code 0"))
    return found


def test_every_cronjob_is_woken_once_at_the_start(stand, woken):
    """What was missed while it was away is made good at once; what was not is not due, says the ledger."""
    stand.write(hourly="@hourly", yearly="@yearly")

    stand.start().step()

    assert len(woken) == 2
    assert stand.said[-2:] == ["hourly: exit code 0", "yearly: exit code 0"]
    assert stand.naps == []


def test_a_developers_is_not(stand, woken):
    """There the start says when each will run, and what was missed is for the worker to catch up."""
    stand.write(hourly="@hourly")

    stand.start(is_due_at_start=False).step()

    assert stand.said == ["hourly: next at 2026-11-20 13:00 UTC"]
    assert woken == []


def test_cronjobs_are_woken_at_their_slots(stand, woken):
    """Ten minutes of a clock bring ten of one, and two of the other, in their order."""
    stand.write(minutely="* * * * *", five="*/5 * * * *")
    stand_in = stand.start(is_due_at_start=False)

    while stand.now < NOON + timedelta(minutes=10):
        stand_in.step()
    stand_in.step()

    assert stand.said.count("minutely: exit code 0") == 10
    assert stand.said.count("five: exit code 0") == 2
    assert stand.now == NOON + timedelta(minutes=10)


def test_a_long_wait_is_cut_into_naps(stand, woken):
    """A clock that was set, or a machine that slept, is noticed within a minute."""
    stand.write(yearly="@yearly")
    stand_in = stand.start()

    for _ in range(4):
        stand_in.step()

    assert stand.naps == [60, 60, 60]
    assert len(woken) == 1


def test_a_changed_file_is_read_again(stand, woken):
    """Adding or changing a cronjob needs no restart, and the last one may go."""
    stand.write(hourly="5 * * * *")
    stand_in = stand.start(is_due_at_start=False)

    stand.write(hourly="30 * * * *")
    stand_in.step()
    stand.file.write_text(FILE.format(cronjobs="").replace("cronjobs:", ""))
    stand_in.step()

    assert stand.said == ["hourly: next at 2026-11-20 12:05 UTC", "hourly: next at 2026-11-20 12:30 UTC"]
    assert stand_in.due == {}


def test_a_change_at_the_slot_does_not_lose_it(stand, woken):
    """Who saves the file in the second of a slot gets that slot as it was, and the next as the file says."""
    stand.write(hourly="5 * * * *")
    stand_in = stand.start(is_due_at_start=False)

    stand.write(hourly="30 * * * *")
    stand.now += timedelta(minutes=5)
    stand_in.step()
    stand_in.step()

    assert stand.said[1:] == ["hourly: exit code 0", "hourly: next at 2026-11-20 12:30 UTC"]


def test_a_file_that_is_gone_leaves_the_cronjobs_as_they_were(stand, woken):
    """While an editor replaces the file there is none for a moment."""
    stand.write(hourly="5 * * * *")
    stand_in = stand.start(is_due_at_start=False)

    stand.file.unlink()
    stand_in.step()

    assert [cronjob.name for cronjob in stand_in.due] == ["hourly"]


def test_a_broken_file_leaves_the_cronjobs_as_they_were(stand, woken):
    """While somebody edits, a mistake is told once and what was known goes on."""
    stand.write(hourly="5 * * * *")
    stand_in = stand.start(is_due_at_start=False)

    stand.write(hourly="61 * * * *")
    stand_in.step()
    stand_in.step()

    (said,) = stand.said[1:]
    assert "platform.yaml: cronjobs/hourly/schedule:" in said
    assert said.endswith("The cronjobs are unchanged.")
    assert [cronjob.name for cronjob in stand_in.due] == ["hourly"]


@pytest.mark.parametrize(
    ("command", "code", "outcome"),
    [
        ("true", 0, r"exit code 0 after \d+\.\d s"),
        ("false", 1, r"exit code 1 after \d+\.\d s"),
        (
            "/nowhere/python manage.py tick",
            127,
            r"cannot be started: No such file or directory \(/nowhere/python\)",
        ),
        ("sleep 60", 137, r"killed after 0\.2 s: it should have ended before"),
    ],
)
def test_every_end_is_told(command, code, outcome):
    """A command that fails, is not there, or hangs is one line, and the next one runs."""
    found, text = cron.run_command(command.split(), limit=0.2)

    assert found == code
    assert re.fullmatch(outcome, text)


@pytest.fixture
def project(tmp_path):
    """A project of two cronjobs in a folder of its own: each notes its name; the second never ends."""
    log = tmp_path / "log"
    (tmp_path / "manage.py").write_text(
        PROGRAM.format(log=log, rest="time.sleep(600 * (sys.argv[1] == 'hang'))")
    )
    (tmp_path / "platform.yaml").write_text(
        "name: app\n"
        "services: [{name: worker, command: celery -A config worker, queues: [default]}]\n"
        "cronjobs:\n"
        f"  - {{name: first, schedule: '@yearly', command: {sys.executable} {tmp_path}/manage.py first}}\n"
        f"  - {{name: hang, schedule: '@yearly', command: {sys.executable} {tmp_path}/manage.py hang}}\n"
    )
    return tmp_path


def test_it_stops_with_the_command_that_it_runs(project):
    """SIGTERM ends the command under way and the stand-in itself, with exit code 0 and nothing left behind."""
    process = Running("cron", [*CRON, str(project / "platform.yaml")], {}, project / "output")
    wait_until(lambda: (project / "log").exists() and "hang" in (project / "log").read_text(), 20)
    (child,) = process.children()

    process.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not process.is_running, 20)

    assert (project / "log").read_text() == "first\nhang\n"
    assert process.process.returncode == 0
    assert not child.is_running()
    assert "cron: first: exit code 0" in process.output


def test_a_broken_file_ends_it_with_78(tmp_path):
    """The container does not start, and its log says why."""
    broken = tmp_path / "platform.yaml"
    broken.write_text("name: x\n")

    process = Running("cron", [*CRON, str(broken)], {}, tmp_path / "output")
    wait_until(lambda: not process.is_running, 20)

    assert process.process.returncode == 78
    assert (
        process.output
        == "platform.yaml: name: should be 3 to 30 of a-z, 0-9 and hyphen, starting with a letter, "
        'got "x"\n' + ("platform.yaml: services: is missing\n")
    )


def test_it_loads_no_framework(tmp_path):
    """A container of a few megabytes keeps the schedules."""
    program = "import sys; sys.argv = ['x']; "
    program += "from offbeat.deployment import cron; print({'django', 'celery'} & set(sys.modules))"

    process = Running(
        "import", [sys.executable, "-c", program], {"PYTHONPATH": str(CHECKOUT / "src")}, tmp_path / "output"
    )
    wait_until(lambda: not process.is_running, 20)

    assert process.output == "set()\n"
