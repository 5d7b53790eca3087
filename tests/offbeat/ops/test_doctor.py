"""The doctor: finds what is wrong, says what to do, and works when a server is away; what runs, and within which limits."""

import json

import pytest

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.registration import register
from offbeat.jobs.models import Worker
from offbeat.ops import conditions
from offbeat.ops.doctor import examination, limits, process, runtime, table
from offbeat.ops.doctor.findings import Level, green, red, yellow
from offbeat.ops.snapshot import expected_queues
from tests.offbeat.ops.findings import found, levels
from tests.offbeat.ops.support import entry

ALL = sorted(expected_queues())


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
