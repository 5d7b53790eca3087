"""What an operator gets wrong ends in one clear message, with an exit code, never in a traceback."""

from __future__ import annotations

import os
import sys

import pytest

from tests.offbeat.support import warm_python
from tests.offbeat.support.running import CHECKOUT

COMMANDS = {
    "manage": [sys.executable, "manage.py", "migrate"],
    "worker": [sys.executable, "manage.py", "worker", "--queues", "default"],
    "celery": ["celery", "-A", "tests.offbeat.sample_project", "worker"],
    "web": [sys.executable, "src/offbeat/gunicorn.py", "tests.offbeat.sample_project.wsgi"],
    "web, as gunicorn": [
        "gunicorn",
        "--config",
        "src/offbeat/gunicorn.py",
        "tests.offbeat.sample_project.wsgi",
    ],
}
MISTAKES = {
    "no key": ({"SECRET_KEY": ""}, "SECRET_KEY is not set."),
    "no hosts": ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is not set."),
    "sqlite": (
        {"DATABASE_URL": "sqlite:///x"},
        "Unexpected value DATABASE_URL=sqlite://…: should be postgres://",
    ),
    "no redis": ({"REDIS_URL": ""}, "REDIS_URL is not set. Hint:"),
    "a query": (
        {"REDIS_URL": "redis://cache?socket_timeout=5"},
        "REDIS_URL: knows no socket_timeout after the question mark; it knows ssl_cert_reqs,",
    ),
    "a prefix": (
        {"REDIS_PREFIX": "my shop"},
        "Unexpected value REDIS_PREFIX=my shop: use 1 to 64 characters: a-z",
    ),
    "a misspelt number": (
        {"OFFBEAT_ALERTS_QUEUE_AG": "5"},
        "Nothing reads OFFBEAT_ALERTS_QUEUE_AG. Hint: did you mean OFFBEAT_ALERTS_QUEUE_AGE?",
    ),
    "no number": (
        {"OFFBEAT_CRONJOBS_HEAL": "yes"},
        "Unexpected value OFFBEAT_CRONJOBS_HEAL=yes: use a number of at least 0.",
    ),
    "nonsense": ({"REDIS_URL": "nonsense"}, "Unexpected value REDIS_URL=…: should be redis://"),
    "an address with a port": (
        {"BIND": "127.0.0.1:8000"},
        "Unexpected value BIND=127.0.0.1:8000: use an address like 0.0.0.0",
    ),
    "a name for an address": (
        {"BIND": "localhost"},
        "Unexpected value BIND=localhost: use an address like 0.0.0.0",
    ),
    "a body of words": (
        {"WEB_MAX_BODY": "1MB"},
        "Unexpected value WEB_MAX_BODY=1MB: use a whole number of at least 1.",
    ),
    "a preload of a month": (
        {"SECURE_HSTS_PRELOAD": "true"},
        "Unexpected value SECURE_HSTS_PRELOAD=true: browsers' lists need all subdomains, and a year. Hint:",
    ),
}


def run(command, **changes):
    return warm_python.run(command, env=os.environ | changes, cwd=CHECKOUT)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_variable(command, mistake):
    """Every way to start says what is wrong with a variable, and exits with 78 (EX_CONFIG)."""
    changes, message = MISTAKES[mistake]

    done = run(command, **changes)

    assert done.returncode == os.EX_CONFIG
    assert done.stderr.startswith(f"Error: {message}")
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("", ""),
        ('"2"', ""),
        ("auto", "Error: Unexpected value WEB_CONCURRENCY=auto: use a whole number from 0 to 1000. Hint:"),
    ],
)
def test_a_variable_that_gunicorn_reads_itself(given, problem):
    """It is read as every other: gunicorn, which takes digits alone and reads it as it is imported, does not see it."""
    done = run([*COMMANDS["web"], "--check-config"], WEB_CONCURRENCY=given)

    assert (done.returncode, done.stderr.startswith(problem)) == (os.EX_CONFIG if problem else 0, True)
    assert "Traceback" not in done.stderr


def test_a_variable_of_the_projects_own():
    """Names that begin like a part of the core are the project's to take: JOBS_API_URL is no interval of jobs."""
    own = {
        "JOBS_API_URL": "https://api.example.com",
        "ALERTS_EMAIL": "ops@example.com",
        "CRONJOBS_OWNER": "alice",
    }

    done = run([sys.executable, "manage.py", "version"], **own)

    assert done.returncode == 0, done.stderr


def test_everything_missing():
    """With nothing set, everything that is missing is told at once."""
    nothing = dict.fromkeys(("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"), "")

    done = run(COMMANDS["manage"], **nothing)

    assert [line.split()[1] for line in done.stderr.splitlines()] == list(nothing)


def test_postgres_away():
    """A database that does not answer is named, without its password, and the exit code is 69 (EX_UNAVAILABLE)."""
    done = run(COMMANDS["manage"], DATABASE_URL="postgres://someone:hunter2@127.0.0.1:1/app")

    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr.startswith("Error: DATABASE_URL (PostgreSQL at 127.0.0.1:1, database app): ")
    assert "Connection refused" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr
