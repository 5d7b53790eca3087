"""What a task's decorator says that is no option, or no value of one."""

import pytest
from celery import Task, shared_task
from django.core.checks import registry

from offbeat.jobs import option_checks
from offbeat.jobs.task import DurableTask


class Plain(Task):
    """A team's own class, as Celery's manual shows it."""

    abstract = True


def found(**options):
    """Give what is reported of a task with these options; it is gone again afterwards."""

    @shared_task(name="tests.option_checks.sample", **options)
    def sample():
        pass

    try:
        return [
            (each.id, each.msg, each.hint)
            for each in option_checks.check_options()
            if "option_checks" in each.msg
        ]
    finally:
        sample.app.tasks.unregister(sample.name)


def test_it_is_registered_and_the_core_passes():
    """`manage.py check` runs it; as shipped there is nothing to report."""
    assert option_checks.check_options in registry.registry.get_checks()
    assert [each for each in option_checks.check_options() if "offbeat." in each.msg.partition(":")[0]] == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("time_limt", "time_limit"),
        ("max_atempts", "max_attempts"),
        ("atomik", "atomic"),
        ("retry_backof", "retry_backoff"),
        ("quue", "queue"),
        ("statement_time_out", "statement_timeout"),
    ],
)
def test_a_misspelt_option(name, nearest):
    """Celery takes it, and nothing reads it."""
    message = f"tests.option_checks.sample: nothing reads its option {name}."

    assert found(**{name: 1}) == [("offbeat_jobs.W003", message, f"Did you mean {nearest}?")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_attempts": 0}, "max_attempts should be a whole number from 1 on, got 0."),
        ({"max_attempts": "3"}, "max_attempts should be a whole number from 1 on, got '3'."),
        ({"atomic": "yes"}, "atomic should be True or False, got 'yes'."),
        ({"statement_timeout": -1}, "statement_timeout should be seconds, or 0 for no end, got -1."),
        ({"time_limit": "60"}, "time_limit should be seconds, got '60'."),
        ({"max_retries": 1.5}, "max_retries should be a whole number, or None for no end, got 1.5."),
        (
            {"time_limit": 60, "soft_time_limit": 90},
            "soft_time_limit should be below time_limit, got 90 s and 60 s.",
        ),
        ({"soft_time_limit": 900}, "soft_time_limit should be below time_limit, got 900 s and 600 s."),
        ({"queue": 3}, "queue should be the name of a queue, got 3."),
    ],
)
def test_a_value_that_is_none(options, said):
    """It would fail, or do nothing, when the first job runs."""
    ((check, message, _),) = found(**options)

    assert (check, message) == ("offbeat_jobs.E015", f"tests.option_checks.sample: {said}")


def test_options_of_a_base_class():
    """A team's own class reads what it likes."""

    class Tracked(DurableTask):
        abstract = True
        time_limits = None

    assert (
        found(base=Tracked, time_limits=(1, 2), audience="all", max_attempts=3, atomic=True, time_limit=60)
        == []
    )


@pytest.mark.parametrize(
    ("options", "soft"),
    [
        ({"time_limit": 60}, 54),
        ({"time_limit": 540}, 486),
        ({"time_limit": 3600}, 540),
        ({"time_limit": 60, "soft_time_limit": 50}, 50),
        ({"time_limit": 60, "base": Plain}, 54),
        ({"soft_time_limit": 50}, 50),
        ({}, 540),
    ],
)
def test_the_default_soft_limit_is_below_the_tasks_own_hard_one(options, soft, monkeypatch):
    """Celery's `delay` refuses a task whose soft limit, even a default, is above its hard one."""

    @shared_task(name="tests.option_checks.limited", **options)
    def limited():
        pass

    monkeypatch.setattr(limited.app.amqp, "send_task_message", lambda *_, **__: None)
    try:
        limited.delay()

        assert (limited.soft_time_limit, limited.time_limit) == (soft, options.get("time_limit", 600))
    finally:
        limited.app.tasks.unregister(limited.name)
