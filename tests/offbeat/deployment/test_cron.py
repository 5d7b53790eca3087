"""The stand-in for platforms without cronjobs: what it runs and when, and how it ends."""

import re
import signal
import sys
from datetime import UTC, datetime, timedelta

import pytest

from offbeat.deployment import cron, spec
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT, Running

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CRON = [sys.executable, "src/offbeat/deployment/cron.py"]
PROGRAM = "import pathlib, sys, time; open('{log}', 'a').write(sys.argv[1] + '\\n'); {rest}\n"


def platform(*cronjobs):
    return spec.Platform(name="app", services=(), cronjobs=cronjobs)


def cronjob(name, schedule="* * * * *", command="true"):
    return spec.CronJob(name=name, schedule=schedule, command=command)


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now = NOON
        self.naps = []

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.naps.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def woken(monkeypatch):
    """The names of the cronjobs that were woken, with the minutes after noon."""
    found = []
    monkeypatch.setattr(cron, "wake", lambda cronjob: found.append(cronjob.name) or "exit code 0")
    return found


def test_every_cronjob_is_woken_once_at_the_start(woken):
    """What was missed while it was away is made good at once; what was not is not due, says the ledger."""
    clock = Clock()

    cron.Cron(platform(cronjob("hourly", "@hourly"), cronjob("yearly", "@yearly")), clock, clock.pause).step()

    assert woken == ["hourly", "yearly"]
    assert clock.naps == []


def test_cronjobs_are_woken_at_their_slots(woken):
    """Ten minutes of a clock bring ten of one, and two of the other, in their order."""
    clock = Clock()
    keeper = cron.Cron(platform(cronjob("minutely"), cronjob("five", "*/5 * * * *")), clock, clock.pause)
    keeper.step()
    woken.clear()

    while clock.now < NOON + timedelta(minutes=10):
        keeper.step()
    keeper.step()

    assert woken.count("minutely") == 10
    assert woken.count("five") == 2
    assert clock.now == NOON + timedelta(minutes=10)


def test_a_long_wait_is_cut_into_naps(woken):
    """A clock that was set, or a machine that slept, is noticed within a minute."""
    clock = Clock()
    keeper = cron.Cron(platform(cronjob("yearly", "@yearly")), clock, clock.pause)

    for _ in range(4):
        keeper.step()

    assert clock.naps == [60, 60, 60]
    assert woken == ["yearly"]


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("true", r"exit code 0 after \d+\.\d s"),
        ("false", r"exit code 1 after \d+\.\d s"),
        (
            "/nowhere/python manage.py tick",
            r"cannot be started: No such file or directory \(/nowhere/python\)",
        ),
        ("sleep 60", r"killed after 0\.2 s: it should have ended by itself"),
    ],
)
def test_every_end_is_told(command, outcome):
    """A command that fails, is not there, or hangs is one line, and the next one runs."""
    assert re.fullmatch(outcome, cron.wake(cronjob("any", command=command), limit=0.2))


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
