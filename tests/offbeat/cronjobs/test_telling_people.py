"""Pings and check-ins, received by a real HTTP server."""

import json
import uuid

import pytest

from offbeat.cronjobs import entries, pings, receivers
from offbeat.cronjobs.models import Slot
from offbeat.jobs.signals import job_dead, job_started, job_succeeded
from tests.offbeat.cronjobs.conftest import water_the_plants
from tests.offbeat.cronjobs.watcher import Watcher


@pytest.fixture
def watcher():
    watcher = Watcher()
    yield watcher
    watcher.close()


@pytest.fixture
def hourly(make, monkeypatch):
    """An hourly cronjob that platform.yaml has."""
    plants = make("0 * * * *", "Europe/Berlin").known("2026-11-23 07:30")
    monkeypatch.setattr(entries, "all_known", lambda: ({"plants": plants.entry}, {}))
    monkeypatch.setattr(entries, "find_known", lambda _: plants.entry)
    monkeypatch.setattr(receivers, "_looked_at", float("-inf"))
    return plants


def job_of(plants):
    return next(iter(plants.wake_up("2026-11-23 08:00:02").jobs.values()))


def test_watchers_hear_of_the_job(hourly, settings, watcher):
    """Start and success, or the failure with its reason, under the job's id as run id, in order."""
    settings.OFFBEAT_CRONJOBS = {"ping_url": f"http://{watcher.address}/key/{{name}}?create=1"}
    job = job_of(hourly)

    job_started.send(water_the_plants.name, job_id=job, attempt=1)
    job_started.send(water_the_plants.name, job_id=job, attempt=2)
    job_succeeded.send(water_the_plants.name, job_id=job, attempt=2)
    job_dead.send(water_the_plants.name, job_id=job, reason="ValueError: no water")
    pings.flush()

    assert watcher.told == [
        (f"/key/plants/start?create=1&rid={job}", ""),
        (f"/key/plants?create=1&rid={job}", ""),
        (f"/key/plants/fail?create=1&rid={job}", "ValueError: no water"),
    ]


def test_no_job_reads_platform_yaml_again(hourly, settings, watcher, monkeypatch):
    """A process reads it once in minutes: with thousands of cronjobs that takes longer than a job."""
    settings.OFFBEAT_CRONJOBS = {"ping_url": f"http://{watcher.address}/{{name}}"}
    monkeypatch.setattr(entries, "find_known", lambda _: 1 / 0)

    job_succeeded.send(water_the_plants.name, job_id=job_of(hourly), attempt=1)
    pings.flush()

    assert len(watcher.told) == 1


def test_a_cronjobs_own_address(hourly, settings, watcher, monkeypatch):
    """The command's ping_url goes before the setting."""
    settings.OFFBEAT_CRONJOBS = {"ping_url": "http://127.0.0.1:1/{name}"}
    monkeypatch.setattr(hourly.entry.command, "ping_url", f"http://{watcher.address}/own", raising=False)
    job = job_of(hourly)

    job_started.send(water_the_plants.name, job_id=job, attempt=1)
    pings.flush()

    assert watcher.told == [(f"/own/start?rid={job}", "")]


def test_sentry_gets_check_ins(hourly, settings, watcher):
    """With SENTRY_DSN each job is a check-in, whose start brings the monitor's schedule and limits."""
    settings.SENTRY_DSN = f"http://publickey@{watcher.address}/42"
    job = job_of(hourly)

    job_started.send(water_the_plants.name, job_id=job, attempt=1)
    job_succeeded.send(water_the_plants.name, job_id=job, attempt=1)
    pings.flush()

    (start, body), (end, _) = watcher.told
    address = f"/api/42/cron/plants/publickey/?check_in_id={job.hex}&status="
    assert (start, end) == (f"{address}in_progress", f"{address}ok")
    assert json.loads(body)["monitor_config"] == {
        "schedule": {"type": "crontab", "value": "0 * * * *"},
        "timezone": "Europe/Berlin",
        "checkin_margin": 5,
        "max_runtime": 1,
    }


def test_runs_by_hand_are_not_told(hourly, settings, watcher):
    """A run by hand would hide from the watcher that the schedule no longer runs."""
    settings.OFFBEAT_CRONJOBS = {"ping_url": f"http://{watcher.address}/{{name}}"}
    job = job_of(hourly)
    Slot.objects.update(trigger="manual")

    job_started.send(water_the_plants.name, job_id=job, attempt=1)
    job_started.send("some.other.task", job_id=uuid.uuid4(), attempt=1)
    pings.flush()

    assert watcher.told == []


def test_a_watcher_that_fails_is_logged(hourly, settings, watcher, caplog):
    """The job goes on; the log names the host and not the secret address."""
    watcher.status = 500
    settings.OFFBEAT_CRONJOBS = {"ping_url": f"http://{watcher.address}/secret/{{name}}"}
    job = job_of(hourly)

    job_started.send(water_the_plants.name, job_id=job, attempt=1)
    pings.flush()

    assert "a ping to 127.0.0.1 failed: HTTP Error 500" in caplog.text
    assert "secret" not in caplog.text


def test_the_last_success_is_noted(hourly):
    """In the cronjob's row, where it outlives the pruning of jobs."""
    job = job_of(hourly)

    job_succeeded.send(water_the_plants.name, job_id=job, attempt=1)

    assert hourly.row.last_success_at is not None


def test_telling_disturbs_nobody(hourly, monkeypatch, caplog):
    """Whoever records the end of a job goes on when telling of it fails."""
    monkeypatch.setattr(entries, "all_known", lambda: 1 / 0)

    job_dead.send(water_the_plants.name, job_id=uuid.uuid4(), reason="")

    assert "a job was not reported" in caplog.text


def test_a_watcher_that_answers_nonsense_costs_one_ping(hourly, settings, watcher, caplog):
    """What waits behind it is sent all the same, and the log does not quote the secret address."""
    settings.OFFBEAT_CRONJOBS = {"ping_url": f"http://{watcher.address}/secret/{{name}}"}
    job = job_of(hourly)
    watcher.speaks_http = False

    pings.put(pings.Ping("http://127.0.0.1:port/secret"))
    job_started.send(water_the_plants.name, job_id=job, attempt=1)
    job_succeeded.send(water_the_plants.name, job_id=job, attempt=1)
    pings.flush()

    assert [path for path, _ in watcher.told] == [
        f"/secret/plants/start?rid={job}",
        f"/secret/plants?rid={job}",
    ]
    assert "a ping to 127.0.0.1 failed: BadStatusLine" in caplog.text
    assert "secret" not in caplog.text
