"""The doctor: finds what is wrong, says what to do, and works when a server is away."""

import json
from datetime import timedelta

import pytest
from celery import current_app
from celery.app.amqp import AMQP
from django.conf import settings as django_settings
from django.db import connection

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.registration import register
from offbeat.jobs.models import Broker, Worker
from offbeat.ops import conditions
from offbeat.ops.doctor import examination, limits, postgres, process, redis_server, runtime, table
from offbeat.ops.doctor.findings import Level, green, red, yellow
from offbeat.ops.snapshot import expected_queues
from tests.offbeat.ops.support import entry
from tests.offbeat.support.pooler import needs_pgbouncer, start_pooler

ALL = sorted(expected_queues())


def levels(findings):
    return {each.name: each.level.word for each in findings}


def found(findings, name):
    (one,) = [each for each in findings if each.name == name]
    return one


# The whole of it


def test_a_healthy_stack_is_not_red(stack):
    """With a worker, and servers that answer, nothing is wrong."""
    stack.worker()
    told = stack.manage("doctor", "--json")

    answer = json.loads(told.stdout)
    wrong = [each for each in answer["findings"] if each["level"] == "red"]
    assert wrong == []
    names = {each["name"] for each in answer["findings"]}
    assert {"PostgreSQL", "Redis", "migrations", "workers alive"} <= names
    assert told.returncode == {"green": 0, "yellow": 1}[answer["level"]]
    assert told.stderr == ""


def test_people_get_a_table(stack):
    """Without --json it is a table with what to do, and a sentence at the end; without a worker it is red."""
    told = stack.manage("doctor")

    assert told.returncode == 2
    assert "wrong    workers" in told.stdout
    assert "→ start one, or check the platform's log of the worker" in told.stdout
    assert told.stdout.strip().splitlines()[-1].startswith("1 wrong, ")


@pytest.mark.parametrize(
    ("url", "away", "there"),
    [("DATABASE_URL", "PostgreSQL", "Redis version"), ("REDIS_URL", "Redis", "PostgreSQL version")],
)
def test_it_works_when_a_server_is_away(stack, url, away, there):
    """A server that is away is red, once; everything that needs it is passed, and the rest is looked at."""
    schemes = {
        "DATABASE_URL": "postgres://u:s3cret@127.0.0.1:1/x",
        "REDIS_URL": "redis://:s3cret@127.0.0.1:1/0",
    }
    told = stack.manage("doctor", "--json", **{url: schemes[url]})

    findings = json.loads(told.stdout)["findings"]
    by_name = {each["name"]: each for each in findings}
    assert told.returncode == 2
    assert by_name[away]["found"].startswith(f"{away} does not answer: ")
    assert by_name["not checked"]["level"] == "yellow"
    assert by_name[there]["level"] == "green"
    assert "s3cret" not in told.stdout + told.stderr


def test_both_servers_away_is_still_an_answer(stack):
    """With neither server, it says so of both, and what it can say of the process."""
    told = stack.manage(
        "doctor", "--json", DATABASE_URL="postgres://u:p@127.0.0.1:1/x", REDIS_URL="redis://127.0.0.1:1/0"
    )

    by_name = {each["name"]: each["level"] for each in json.loads(told.stdout)["findings"]}
    assert (by_name["PostgreSQL"], by_name["Redis"], by_name["DEBUG"]) == ("red", "red", "green")


def test_a_broken_check_hides_no_other(monkeypatch):
    """A defect in one check is a finding of its own."""

    def broken():
        raise ValueError("oh")

    monkeypatch.setattr(examination, "CHECKS", (examination.Check(broken), examination.Check(process.debug)))

    assert [each.name for each in examination.examine()] == ["broken", "DEBUG"]


@pytest.mark.parametrize(
    ("findings", "level"),
    [([], Level.GREEN), ([green("a", "")], Level.GREEN), ([green("a", ""), yellow("b", "", "")], Level.YELLOW),
     ([red("a", "", ""), yellow("b", "", "")], Level.RED)],
)  # fmt: skip
def test_the_worst_counts(findings, level):
    """The exit code is that of the worst finding."""
    assert table.worst(findings) == level


def test_the_table_has_no_passwords():
    """What a driver says with a URL in it is shown without the password."""
    text = table.text([red("Redis", "no route to redis://u:s3cret@h", "")], lambda text, _: text)

    assert "redis://***@h" in text


# The process


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


# PostgreSQL


def test_a_missing_migration_is_red(ledger):
    """What `release` has not applied is named."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE app = 'offbeat_alerts' AND name = '0002_acknowledgement' "
            "RETURNING app, name, applied"
        )
        row = cursor.fetchone()
        try:
            (one,) = postgres.migrations()
        finally:
            cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)", row)

    assert (one.level.word, one.found) == ("red", "1 are missing: offbeat_alerts.0002_acknowledgement")


def test_an_old_server_is_red(db, monkeypatch):
    """PostgreSQL 13 is told to be too old."""
    monkeypatch.setattr(postgres, "ask", lambda _: 130011)

    (one,) = postgres.version()

    assert (one.level.word, one.found) == ("red", "13.11")


def test_too_few_connections_are_yellow(db, monkeypatch):
    """A plan with fewer connections than the services may open is told, with both numbers."""
    monkeypatch.setattr(postgres, "ask", lambda _: (20, 3))

    (one,) = postgres.connections()

    assert one.level.word == "yellow"
    assert one.found.startswith("3 of 20 are open; the services of platform.yaml may open ")


def test_a_direct_connection_is_no_pooler(db):
    """Two connections of ours have two backends, unless a pooler in transaction mode is in between."""
    assert levels(postgres.pooler()) == {"pooler": "green"}


@needs_pgbouncer
@pytest.mark.parametrize(
    ("mode", "cursors", "level", "told"),
    [
        ("session", "", "green", "in session mode"),
        ("transaction", "", "green", "in transaction mode; .iterator() fetches all rows at once"),
        ("transaction", "false", "red", "in transaction mode, with server-side cursors"),
    ],
)
def test_a_poolers_mode_is_found(stack, mode, cursors, level, told):
    """Behind a real PgBouncer the doctor tells transaction mode, in which no server-side cursor may be used, from session mode."""
    url = start_pooler(stack, mode)

    answer = stack.manage("doctor", "--json", DATABASE_URL=url, DISABLE_SERVER_SIDE_CURSORS=cursors)

    findings = {each["name"]: each for each in json.loads(answer.stdout)["findings"]}
    assert findings["PostgreSQL"]["level"] == "green"
    assert (findings["pooler"]["level"], findings["pooler"]["found"]) == (level, told)


def test_a_wrong_clock_is_red(db, monkeypatch):
    """A clock two minutes off PostgreSQL's is red."""
    now = database_now()
    monkeypatch.setattr(postgres, "ask", lambda _: now - timedelta(minutes=2))

    assert levels(postgres.clock()) == {"clock": "red"}


# Versions


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


# Redis


def test_a_redis_that_evicts_is_red(carrier):
    """A queue is no cache: any policy but noeviction is red."""
    carrier.config_set("maxmemory-policy", "allkeys-lru")
    try:
        (one,) = redis_server.eviction()
    finally:
        carrier.config_set("maxmemory-policy", "noeviction")

    assert (one.level.word, one.found) == ("red", "allkeys-lru")


def test_a_full_redis_is_told(carrier):
    """Memory that runs out is yellow, then red."""
    used = carrier.info("memory")["used_memory"]
    carrier.config_set("maxmemory", int(used * 1.02) + 100_000)
    try:
        (one,) = redis_server.memory()
    finally:
        carrier.config_set("maxmemory", 0)

    assert one.level.word in {"red", "yellow"}


def test_another_redis_is_told(ledger, carrier):
    """A Redis that the ledger does not know has lost what was published."""
    Broker.objects.update_or_create(pk=1, defaults={"token": "a" * 32})

    assert levels(redis_server.known_token()) == {"Redis loss token": "yellow"}


def test_messages_of_before_the_prefix_are_told(carrier):
    """Nobody of ours takes them."""
    assert list(redis_server.old_queues()) == []

    carrier.lpush("default", "a plain message")

    (one,) = redis_server.old_queues()
    assert (one.name, one.level.word) == ("Redis list default", "yellow")
    assert one.found.startswith("1 message")


# What runs


@pytest.fixture
def worker(ledger, carrier):
    return Worker.objects.create(hostname="here", pid=7, queues=ALL, concurrency=2, version="v1")


def test_what_is_wrong_is_a_finding_with_what_to_do(worker):
    """Each condition is a row; while there is none, that is said."""
    CronJob.objects.all().delete()
    before = levels(runtime.what_runs())
    worker.queues = ALL[:-1]
    worker.save()

    one = found(runtime.what_runs(), ALL[-1])

    assert before["conditions"] == "green"
    assert (one.level, one.advice) == (Level.RED, conditions.UNCONSUMED_QUEUE.advice)


def test_two_versions_at_once_are_yellow():
    """An old worker beside a new one is normal during a deploy, and told."""
    assert found(runtime.versions({"v2", "v1"}), "workers' versions").found == "v1, v2"


def test_a_new_cronjob_is_yellow(worker):
    """A cronjob of platform.yaml that the ledger does not know yet is told."""
    CronJob.objects.all().delete()

    assert set(levels(runtime.cronjobs([])).values()) == {"yellow"}


def test_a_paused_cronjob_is_yellow(worker):
    """A pause is told with who did it: pauses are forgotten."""
    register(entry(name="plants"), database_now())
    CronJob.objects.update(
        is_in_file=False, command="enqueue_prune_jobs", paused_at=database_now(), paused_by="Alice"
    )

    one = found(runtime.what_runs(), "plants")

    assert (one.level.word, one.found) == ("yellow", "paused by Alice")


# Limits


def test_a_drain_that_outlasts_the_grace_is_red(settings):
    """A worker that is killed while it still waits for its jobs hands nothing back."""
    settings.OFFBEAT_JOBS, settings.WORKER_GRACE = {"drain": 60}, 60

    assert levels(limits.grace())["worker's stop"] == "red"


def test_a_grace_that_differs_from_the_file_is_yellow(settings):
    """WORKER_GRACE must be what platform.yaml gives the worker."""
    settings.OFFBEAT_JOBS, settings.WORKER_GRACE = {"drain": 20}, 30

    one = found(limits.grace(), "worker's grace")

    assert one.advice == "set WORKER_GRACE=60 for the worker"


def test_a_job_longer_than_its_slots_is_told(ledger, monkeypatch):
    """A job that may run for an hour cannot be due every ten minutes."""
    greedy = entry("* * * * *", "plants")
    monkeypatch.setattr(limits.entries, "all_known", lambda: ({"plants": greedy}, {}))
    monkeypatch.setattr(
        type(greedy.command), "task", type("T", (), {"soft_time_limit": None, "time_limit": 600})
    )

    (one,) = limits.slots()

    assert one.found == "may run for 10 min, and its slots are 1 min apart"
