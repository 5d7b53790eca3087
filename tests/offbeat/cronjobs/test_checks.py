import pytest
from celery import Task, shared_task

from offbeat.cronjobs import checks, entries
from offbeat.cronjobs.management.commands.enqueue_prune_jobs import Command
from offbeat.deployment import spec
from offbeat.jobs.models import Job


@pytest.fixture
def found(monkeypatch):
    """Give the ids and messages of what the checks find for a cronjob with this command."""

    def check(command="enqueue_prune_jobs"):
        cronjob = spec.CronJobSpec(name="daily", schedule="0 3 * * *", command=f"python manage.py {command}")
        monkeypatch.setattr(entries, "in_file", lambda: (cronjob,))
        return [(each.id, each.msg) for each in checks.check_cronjobs()]

    return check


def test_a_command_that_enqueues_is_well(found):
    """The shipped cronjob passes its own checks."""
    assert found() == []


def test_another_command_takes_no_part_in_slots(found):
    """A cronjob whose command is not an EnqueueCommand would be doubled and missed as the platform likes."""
    message = 'daily: the management command "check" is not an EnqueueCommand: it has no slots'

    assert found("check") == [("offbeat_cronjobs.E001", message)]


def test_a_mistyped_option_is_refused(found):
    """It is told by the cronjob's name, and keeps no other cronjob from its work."""
    message = "daily: enqueue_prune_jobs --bogus: unrecognized arguments: --bogus"

    assert found("enqueue_prune_jobs --bogus") == [("offbeat_cronjobs.E001", message)]


def test_a_command_that_cannot_be_imported_is_refused(found, monkeypatch):
    """Whatever its module raises is its own trouble."""
    monkeypatch.setattr("django.core.management.load_command_class", lambda *_: 1 / 0)

    message = 'daily: the management command "enqueue_prune_jobs" cannot be imported: ZeroDivisionError: division by zero'
    assert found() == [("offbeat_cronjobs.E001", message)]


def test_a_task_that_may_run_for_ever_is_refused(found, monkeypatch):
    """A cronjob's job is bounded by its task's time limit."""
    monkeypatch.setattr(checks, "longest_run", lambda _: None)

    message = "platform.yaml: cronjobs/daily: its task offbeat.jobs.tasks.prune has no time limit."
    assert found() == [("offbeat_cronjobs.E002", message)]


@shared_task(time_limit=60)
def takes_a_list(list_id):
    pass


@shared_task(time_limit=60, typing=False)
def is_not_typed():
    pass


@shared_task(base=Task, time_limit=60)
def is_celerys():
    pass


@shared_task(time_limit=60, rate_limit="1/m")
def is_limited():
    pass


WHERE = "platform.yaml: cronjobs/daily: "
NAME = "tests.offbeat.cronjobs.test_checks."


@pytest.mark.parametrize(
    ("task", "arguments", "code", "message"),
    [
        (takes_a_list, {}, "E007", "takes_a_list() missing 1 required positional argument: 'list_id'"),
        (
            takes_a_list,
            {"list_id": 1, "other": 2},
            "E007",
            "takes_a_list() got an unexpected keyword argument 'other'",
        ),
        (takes_a_list, {"list_id": {1}}, "E007", f'{NAME}takes_a_list: argument "list_id" is a set, which'),
        (takes_a_list, [1], "E007", "arguments() returned list, and should return a dict"),
        (takes_a_list, ({}, []), "E007", "arguments() returned tuple, and should return a dict"),
        (takes_a_list, ([1, 2], {}), "E007", "takes 1 positional argument but 2 were given"),
        (takes_a_list, None, "E007", "arguments() returned NoneType, and should return a dict"),
        (is_not_typed, {"a": 1}, "E007", f"{NAME}is_not_typed() does not take its arguments"),
        (is_limited, {}, "E007", f"{NAME}is_limited has rate_limit='1/m', which jobs do not support"),
        (
            is_celerys,
            {},
            "E006",
            f"its task {NAME}is_celerys cannot be enqueued: it is of the class celery.app.task.Task.",
        ),
        (
            takes_a_list.run,
            {},
            "E006",
            "its task takes_a_list cannot be enqueued: it is of the class builtins.method.",
        ),
    ],
)
def test_a_call_that_cannot_be_enqueued(found, monkeypatch, task, arguments, code, message):  # noqa: PLR0917  a table
    """Each wake-up would end in it."""
    monkeypatch.setattr(Command, "task", task)
    monkeypatch.setattr(Command, "arguments", lambda *_: arguments)

    (problem,) = found()

    assert problem[0] == f"offbeat_cronjobs.{code}"
    assert problem[1].startswith(WHERE)
    assert message in problem[1]


def test_arguments_that_ask_the_database(found, monkeypatch):
    """A check needs none: what they are is not known, and nothing is said."""
    monkeypatch.setattr(Command, "arguments", lambda *_: {"count": Job.objects.count()})

    assert found() == []


def test_arguments_that_raise(found, monkeypatch):
    """What they raise may be so here only: a warning."""
    monkeypatch.setattr(Command, "arguments", lambda *_: {}["list"])

    assert found() == [
        ("offbeat_cronjobs.W002", f"{WHERE}arguments() of its command raised KeyError: 'list'")
    ]


def test_arguments_that_fit(found, monkeypatch):
    """With the options of the command's line, and a slot."""
    monkeypatch.setattr(Command, "task", takes_a_list)
    monkeypatch.setattr(Command, "arguments", lambda _, slot, options: {"list_id": f"{slot:%Y} {options}"})

    assert found() == []


def test_a_command_without_a_task_is_refused(found, monkeypatch):
    """It would fail at its first slot."""
    monkeypatch.delattr(Command, "task")

    message = "platform.yaml: cronjobs/daily: its command enqueue_prune_jobs has no task."
    assert found() == [("offbeat_cronjobs.E005", message)]


def test_a_bad_policy_is_refused(found, monkeypatch):
    """Before the first wake-up, and by name."""
    monkeypatch.setattr(Command, "overlap", "never")

    message = "daily: enqueue_prune_jobs: overlap should be one of skip, buffer_one, allow, got 'never'"
    assert found() == [("offbeat_cronjobs.E003", message)]


def test_unknown_settings_and_short_secrets_are_told(settings):
    """A setting that nobody reads is an error, a secret that can be guessed a warning."""
    settings.OFFBEAT_CRONJOBS = {"heel": 1}
    settings.CRON_SECRET = "short"

    found = {each.id: each.msg for each in checks.check_settings()}

    assert found == {
        "offbeat_cronjobs.E004": "OFFBEAT_CRONJOBS has no setting 'heel'.",
        "offbeat_cronjobs.W001": "CRON_SECRET has 5 characters.",
    }


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("catchup", "Did you mean catch_up?"),
        ("overlaps", "Did you mean overlap?"),
        ("start_deadline", "Did you mean starting_deadline?"),
        ("prority", "Did you mean priority?"),
        ("late_affter", "Did you mean late_after?"),
        ("schedule", "Its schedule is in platform.yaml"),
        ("queue", "Write it in the task's decorator: @shared_task(queue=...)"),
        ("kwargs", "Override arguments(), which returns the keyword arguments of a job"),
    ],
)
def test_an_attribute_that_nothing_reads(found, monkeypatch, name, hint):
    """It looks like a policy, and would be believed."""
    monkeypatch.setattr(Command, name, "all", raising=False)

    assert found() == [
        (
            "offbeat_cronjobs.E008",
            f"platform.yaml: cronjobs/daily: its command enqueue_prune_jobs has {name}, which nothing reads.",
        )
    ]
    (told,) = checks.check_cronjobs()
    assert told.hint == hint


def test_attributes_of_ones_own(found, monkeypatch):
    """A command may have what it needs."""
    monkeypatch.setattr(Command, "addresses", ["a"], raising=False)
    monkeypatch.setattr(Command, "prepare", print, raising=False)

    assert found() == []
