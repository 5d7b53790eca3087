"""System checks: their ids and hints."""

import pytest
from celery import current_app
from django.core.checks import registry

from offbeat.jobs import checks
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import nothing


def messages(check):
    return [(each.id, each.msg, each.hint) for each in check()]


CHECKS = [
    checks.check_database,
    checks.check_routers,
    checks.check_celery_settings,
    checks.check_jobs_settings,
    checks.check_visibility_timeout,
    checks.check_stop,
    checks.check_results,
    checks.check_retries,
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_project_passes(check, monkeypatch):
    """As shipped there is nothing to tell."""
    assert messages(check) == []


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_is_registered(check):
    """`manage.py check` runs it."""
    assert check in registry.registry.get_checks()


class ToReplica:
    """Reads from a replica, as Django's documentation has it."""

    @staticmethod
    def db_for_read(model, **_):
        return "replica" if model is Job else "default"


def test_a_router_to_a_replica_is_refused(settings):
    """It is late: an enqueue of a key that exists would look for its job there until it comes."""
    settings.DATABASE_ROUTERS = [ToReplica()]

    assert messages(checks.check_routers) == [
        (
            "offbeat_jobs.E016",
            "A router of DATABASE_ROUTERS sends the model Job to 'replica'; the core asks 'default' only.",
            'Let it return "default" for models whose app_label begins with "offbeat".',
        )
    ]


def test_another_database_is_refused(settings, monkeypatch):
    """Its row locks are what everything rests on."""
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")

    assert messages(checks.check_database) == [
        (
            "offbeat_jobs.E001",
            "The ledger of jobs needs PostgreSQL; DATABASES['default'] is django.db.backends.sqlite3.",
            "Set DATABASE_URL to postgres://user:password@host:5432/name.",
        )
    ]


def test_a_setting_that_celery_ignores_is_refused(settings):
    """With the one that was meant."""
    settings.CELERY_TASK_ACK_LATE = True

    assert messages(checks.check_celery_settings) == [
        (
            "offbeat_jobs.E002",
            "Celery has no setting CELERY_TASK_ACK_LATE.",
            "Did you mean CELERY_TASK_ACKS_LATE?",
        )
    ]


def test_a_setting_like_no_other_is_refused(settings):
    """Where nothing is close, it should go."""
    settings.CELERY_QQQQQ = True

    assert messages(checks.check_celery_settings)[0][2] == "Remove it."


def test_an_unknown_setting_of_ours_is_refused(settings):
    """With the one that was meant."""
    settings.OFFBEAT_JOBS = {"max_attempt": 3}

    assert messages(checks.check_jobs_settings) == [
        ("offbeat_jobs.E003", "OFFBEAT_JOBS has no setting 'max_attempt'.", "Did you mean max_attempts?")
    ]


def test_a_heartbeat_timeout_of_two_beats_is_refused(settings):
    """A slow worker would lose its jobs to another one."""
    settings.OFFBEAT_JOBS = {"heartbeat_timeout": 20}

    ((code, message, hint),) = messages(checks.check_jobs_settings)
    assert (code, message) == (
        "offbeat_jobs.E004",
        "OFFBEAT_JOBS['heartbeat_timeout'] is 20 s, less than three heartbeats of 10 s.",
    )
    assert "increase the timeout" in hint


def test_a_time_limit_beyond_the_visibility_timeout_needs_the_lease(monkeypatch):
    """Else a message comes back while its task still runs."""
    monkeypatch.setitem(current_app.steps, "consumer", set())

    ((code, message, hint),) = messages(checks.check_visibility_timeout)
    assert (code, message) == (
        "offbeat_jobs.E005",
        "Tasks may run for 600 s, and Redis delivers them again after 60 s.",
    )
    assert "offbeat.jobs.worker.install(app)" in hint


@pytest.mark.parametrize("drain", [53, 60])
def test_a_drain_beyond_the_grace_is_refused(settings, drain):
    """The platform would kill the worker before it has handed back."""
    settings.OFFBEAT_JOBS = {"drain": drain}

    ((code, message, hint),) = messages(checks.check_stop)
    assert code == "offbeat_jobs.E006"
    assert message == f"A stopping worker waits {drain} s for its jobs, but the platform kills it after 60 s."
    assert hint == "Set OFFBEAT_JOBS['drain'] to 50 at most, or increase the worker's grace and WORKER_GRACE."


def test_the_hint_is_taken(settings):
    """What it says passes."""
    settings.OFFBEAT_JOBS = {"drain": 50}

    assert messages(checks.check_stop) == []


def test_results_that_are_kept_for_ever_are_refused(monkeypatch):
    """Redis would fill up until it refuses messages."""
    monkeypatch.setitem(current_app.conf.changes, "result_backend", "redis://localhost")
    monkeypatch.setitem(current_app.conf.changes, "result_expires", None)

    ((code, message, hint),) = messages(checks.check_results)
    assert (code, message) == (
        "offbeat_jobs.E007",
        "Results are never deleted: result_backend is set and result_expires is not.",
    )
    assert "CELERY_RESULT_EXPIRES" in hint


def test_retries_without_end_or_backoff_are_warned_of(monkeypatch):
    """They would beat on a service that is down."""
    monkeypatch.setattr(nothing, "autoretry_for", (OSError,), raising=False)
    monkeypatch.setattr(nothing, "max_retries", None)

    assert messages(checks.check_retries) == [
        (
            "offbeat_jobs.W001",
            "tests.offbeat.faults.effects.tasks.nothing retries without end and without a growing delay.",
            "Give it retry_backoff=True, or max_retries.",
        )
    ]
