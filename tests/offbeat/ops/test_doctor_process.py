"""What the doctor finds in its own process: settings, secrets, variables and versions."""

import pytest
from celery import current_app
from celery.app.amqp import AMQP
from django.conf import settings as django_settings

from offbeat.ops.doctor import process
from offbeat.ops.doctor.findings import Level
from tests.offbeat.ops.findings import found, levels


@pytest.mark.parametrize(
    ("debug", "address", "level"),
    [(False, "https://www.example.com", "green"), (True, "http://localhost:8000", "yellow"),
     (True, "https://www.example.com", "red")],
)  # fmt: skip
def test_debug_is_red_in_public(settings, debug, address, level):
    """DEBUG is fine on a developer's machine, and red where strangers come by."""
    settings.DEBUG, settings.BASE_URL = debug, address

    assert levels(process.debug()) == {"DEBUG": level}


@pytest.mark.parametrize(
    ("key", "level"),
    [
        ("x" * 60, "red"),
        ("short", "red"),
        (django_settings.LOCAL_KEY, "red"),
        ("aB3$eaB3$eaB3$e" * 4, "red"),
        ("kT9w-_2LqxZr7pYb4mVh8sNc1dFg6jQa", "green"),
    ],
)
def test_a_weak_key_is_red(settings, key, level):
    """A key that can be guessed, or that everybody knows, is red in production."""
    settings.SECRET_KEY = key

    assert found(process.secrets(), "SECRET_KEY").level.word == level


def test_a_short_token_is_red(settings):
    """A token that is set must not be guessable; one that is not set is off."""
    settings.METRICS_TOKEN, settings.CRON_SECRET = "hunter2", ""

    assert levels(process.secrets()) | {"SECRET_KEY": ""} == {
        "SECRET_KEY": "",
        "METRICS_TOKEN": "red",
        "CRON_SECRET": "green",
    }


def test_a_misspelt_variable_is_found(monkeypatch):
    """A variable that nobody reads, but that looks like one of ours, is told with what was meant."""
    monkeypatch.setenv("METRICS_TOKN", "x")

    told = {each.found: each.advice for each in process.variables()}

    assert told == {"nobody reads METRICS_TOKN": "did you mean METRICS_TOKEN?"}


def test_a_dead_setting_is_found(settings):
    """Django's own checks are part of the table, by their ids."""
    settings.CELERY_TASK_ACK_LATE = True

    one = found(process.system_checks(), "check offbeat_jobs.E002")

    assert (one.level.word, one.advice) == ("red", "Did you mean CELERY_TASK_ACKS_LATE?")


def test_somebody_must_be_told(settings):
    """Where no way to people is set, that is yellow."""
    settings.ADMINS, settings.ALERT_WEBHOOK_URL, settings.SENTRY_DSN = [], "", ""

    assert levels(process.recipients()) == {"alerts": "yellow"}


def known(monkeypatch, **versions):
    """Let other versions be installed than there are."""
    installed = process.installed() | versions
    monkeypatch.setattr(process, "installed", lambda: installed)
    return found(process.versions(), "versions")


def test_what_is_pinned_is_not_known_to_break(monkeypatch):
    """The project's own versions, with its guard before Celery 5.7.0's defect, are green."""
    assert known(monkeypatch).level is Level.GREEN


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        ({"celery": "5.6.3"}, "celery 5.6.3 forgets the time limits of running tasks at each reconnect"),
        ({"celery": "5.6.3", "kombu": "5.6.2"}, "kombu 5.6.2 never notices a half-open socket"),
        ({"kombu": "5.10.1"}, ""),
    ],
)
def test_a_version_that_breaks_is_named(monkeypatch, versions, told):
    """Each with what it does, so that a reader can judge; a later version is not an earlier one."""
    finding = known(monkeypatch, **versions)

    assert finding.level is (Level.RED if told else Level.GREEN)
    assert told in finding.advice


def test_the_guard_before_a_defect_of_celery_is_looked_for(monkeypatch):
    """Celery 5.7.0 without the project's connections exits when Redis dies under a task that is acknowledged late."""
    monkeypatch.setitem(vars(current_app), "amqp", AMQP(current_app))

    finding = known(monkeypatch, celery="5.7.0")

    assert finding.level is Level.RED
    assert "celery 5.7.0 exits when Redis dies under a task that is acknowledged late" in finding.advice
    assert "offbeat.jobs.worker.install(app)" in finding.advice
