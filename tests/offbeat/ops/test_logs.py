"""Logs, and what Sentry gets: which request and job each line is for, and no secret in any."""

import json
import logging

import pytest
from structlog.contextvars import bound_contextvars

from offbeat.ops import logs_sentry
from offbeat.ops.logs import Formatter, wants_colours
from offbeat.ops.logs_context import request_id
from tests.offbeat.ops.support import greet
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.polling import wait_until


@pytest.fixture
def line():
    """Format one record as production does, and read it back."""

    def read(message, *args, exc_info=None, **extra):
        logger = logging.getLogger("tests.offbeat.ops")
        record = logger.makeRecord(logger.name, logging.WARNING, "", 0, message, args, exc_info, extra=extra)
        return json.loads(Formatter(as_json=True).format(record))

    return read


def test_a_line_is_json(line):
    """A line has its time, level, logger, message and whatever was given beside it."""
    found = line("%d jobs wait", 3, action="publish_deferred", queue="mail")

    assert found.pop("time").endswith("Z")
    assert found == {
        "message": "3 jobs wait",
        "level": "warning",
        "logger": "tests.offbeat.ops",
        "action": "publish_deferred",
        "queue": "mail",
    }


def test_passwords_are_not_logged(line):
    """A driver's error that holds a whole URL is printed without its password, in the message and in the traceback."""
    error = ValueError("cannot reach redis://default:s3cret@redis:6379/0")

    found = line("failed: %s", error, exc_info=(type(error), error, raised(error)))

    assert "s3cret" not in json.dumps(found)
    assert found["message"] == "failed: cannot reach redis://***@redis:6379/0"
    assert "Traceback" in found["exception"]


def raised(error):
    """Give a traceback."""
    try:
        raise error
    except type(error):
        return error.__traceback__


def test_the_request_itself_is_not_logged(line, rf):
    """Django's own lines carry the request, whose text has the query: a link's token must not be kept."""
    found = line("Not Found", request=rf.get("/confirm?token=abc"), status_code=404)

    assert "abc" not in json.dumps(found)
    assert found["status_code"] == 404


@pytest.mark.parametrize(
    ("environ", "is_terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
    ],
)
def test_a_file_gets_no_colours(environ, is_terminal, expected):
    """Colours are for terminals; the two variables that everybody knows say otherwise."""
    assert wants_colours(environ, is_terminal) == expected


def test_people_get_colours(monkeypatch):
    """On a terminal a line is no JSON, and says the same."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    logger = logging.getLogger("tests.offbeat.ops")
    record = logger.makeRecord(logger.name, logging.WARNING, "", 0, "hello", (), None, extra={"action": "x"})

    text = Formatter(as_json=False).format(record)

    assert "hello" in text
    assert "\x1b[" in text


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-ID": "6f9c8b1e-0001"}, "6f9c8b1e-0001"),
        ({"Fly-Request-Id": "01HXYZABCDEF-ams"}, "01HXYZABCDEF-ams"),
    ],
)
def test_the_routers_id_is_taken(rf, headers, expected):
    """A request keeps the id that the platform's router gave it."""
    assert request_id(rf.get("/", headers=headers)) == expected


@pytest.mark.parametrize("given", ["short", 'a"quoted"one', "x" * 200, "line\nbreak-in-it"])
def test_a_strange_id_is_replaced(rf, given):
    """What a stranger made up does not get into the logs."""
    found = request_id(rf.get("/", headers={"X-Request-ID": given}))

    assert found != given
    assert len(found) == 32


def test_a_request_is_answered_with_its_id(client, db, printed):
    """Every line that a request logs has its id, and so has the answer."""
    answer = client.get("/nowhere", headers={"X-Request-ID": "request-0001"}, secure=True)

    (found,) = [each for each in printed if each["logger"] == "django.request"]
    assert answer["X-Request-ID"] == "request-0001"
    assert found["request_id"] == "request-0001"


def test_a_job_is_named_in_its_lines(ledger, printed):
    """What is logged while a job runs says which job, task and attempt; what comes after it does not."""
    job = greet.enqueue(fail=True)

    run_jobs()
    logging.getLogger("tests.offbeat.ops").warning("afterwards")

    (died,) = [each for each in printed if each["logger"] == "celery.app.trace"]
    (after,) = [each for each in printed if each["logger"] == "tests.offbeat.ops"]
    assert (died["job"], died["task"], died["attempt"]) == (str(job.id), "tests.greet", 1)
    assert "job" not in after


def test_a_request_is_named_in_its_jobs_lines(ledger, printed):
    """A job, and what it enqueues in turn, logs with the id of the request that it comes from."""
    with bound_contextvars(request_id="request-0001"):
        greet.enqueue(fail=True)

    run_jobs()

    (died,) = [each for each in printed if each["logger"] == "celery.app.trace"]
    assert died["request_id"] == "request-0001"


def test_a_slot_is_named_in_its_jobs_lines(stack):
    """In a real worker, the lines of a cronjob's job say its cronjob, its slot and its job."""
    worker = stack.worker()
    told = stack.manage("enqueue_prune_jobs", "--now", "--json")

    found = wait_until(lambda: [each for each in lines(worker) if each.get("action") == "jobs_pruned"])

    (slot,) = json.loads(told.stdout)["slots"]
    assert found[0]["cronjob"] == "prune-jobs"
    assert found[0]["job"] == slot["job"]
    assert found[0]["slot"][:19] == slot["slot"][:19]


def lines(process):
    """Give the lines of a process that are JSON."""
    return [json.loads(text) for text in process.output.splitlines() if text.startswith("{")]


def test_sentry_gets_a_jobs_error(stack, sentry):
    """A task's error in a real worker reaches Sentry with its traceback and its job, and without what it was called with."""
    stack.worker(SENTRY_DSN=sentry.dsn, DJANGO_SETTINGS_MODULE="tests.offbeat.settings")
    told = stack.manage(
        "shell", "-c", DIVIDE, SENTRY_DSN=sentry.dsn, DJANGO_SETTINGS_MODULE="tests.offbeat.settings"
    )
    job = told.stdout.split()[-1]

    event = wait_until(
        lambda: next((each for each in sentry.events if each.get("exception", {}).get("values")), None)
    )

    assert event["tags"]["job"] == job
    assert event["tags"]["attempt"] == "1"
    assert event["exception"]["values"][-1]["type"] == "TypeError"
    assert "someone@example.com" not in json.dumps(event)
    assert len([each for each in sentry.events if each.get("exception")]) == 1


DIVIDE = "from tests.offbeat.faults.effects.tasks import divide; print(divide.enqueue('someone@example.com', 2).id)"


def test_sentry_gets_a_dead_letter_that_nobody_lived_to_tell(stack, sentry):
    """A job whose process was killed for the last time reaches Sentry, though no exception was raised."""
    told = stack.manage("shell", "-c", KILL, DJANGO_SETTINGS_MODULE="tests.offbeat.settings")
    stack.worker(SENTRY_DSN=sentry.dsn, DJANGO_SETTINGS_MODULE="tests.offbeat.settings")

    event = wait_until(lambda: next((each for each in sentry.events if each.get("message")), None))

    assert event["tags"]["job"] == told.stdout.split()[-1]
    assert event["message"].startswith(
        "tests.offbeat.faults.effects.tasks.kill_itself is dead: 1 of 1 attempts ended"
    )


KILL = """
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import kill_itself
job = kill_itself.enqueue("here")
Job.objects.filter(pk=job.pk).update(max_attempts=1)
print(job.id)
"""


def test_sentry_gets_nobodys_data():
    """Cookies, bodies, queries, addresses and tokens leave no trace in an event; ids do."""
    event = {
        "request": {
            "url": "https://www.example.com/confirm/MTIz:1abcde:kSuZ7gYcF4c1yTqHbJ0o9c8XwVt0/",
            "query_string": "q=1",
            "cookies": {"sessionid": "abc"},
            "data": {"email": "someone@example.com"},
            "headers": {"Cookie": "sessionid=abc", "Authorization": "Bearer t", "User-Agent": "curl"},
        },
        "user": {"ip_address": "10.0.0.1"},
        "exception": {"values": [{"value": "550 someone@example.com: no such user"}]},
        "extra": {"url": "postgres://u:p4ss@db/x", "given": [{"api_key": "p4ss"}]},
    }

    found = logs_sentry.scrubbed(event, {})

    assert found["request"] == {
        "url": "https://www.example.com/confirm/***/",
        "headers": {"User-Agent": "curl"},
    }
    assert found["exception"]["values"][0]["value"] == "550 ***: no such user"
    assert found["extra"] == {"url": "postgres://***@db/x", "given": [{"api_key": "***"}]}
    assert "user" not in found
