"""Trends: what ended in each hour, counted once by the workers, drawn by the server."""

import json
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from offbeat.jobs.models import Job
from offbeat.jobs.retention import prune
from offbeat.ops.metrics import counters, hours
from offbeat.ops.metrics.models import JobEnd, TaskHour
from offbeat.ops.pages import trends
from offbeat.ops.pages.seconds import in_words
from offbeat.ops.pages.trends import SPANS
from tests.offbeat.ops.pages.support import text_of
from tests.offbeat.ops.support import greet
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


def end(at, task="shop.pay", state="succeeded", *, run=0.4, wait=0.02, times=1):
    """Note ends, as the trigger does."""
    outcome = {"succeeded": "succeeded", "dead": "failed", None: "retried"}.get(state)
    values = {"task": task, "outcome": outcome, "state": state, "wait": wait, "run": run, "at": at}
    JobEnd.objects.bulk_create(JobEnd(**values) for _ in range(times))


def gather(now=NOON, span="day", task=""):
    counters.fold()
    return trends.gather(now, SPANS[span], task)


def test_a_real_job_is_in_its_hour(ledger, carrier):
    """Run by a task's real worker code: one success, one dead letter, with their times; pruning the ledger changes nothing."""
    greet.enqueue()
    greet.enqueue(fail=True)
    run_jobs(raises=False)
    Job.objects.update(finished_at=timezone.now() - timedelta(days=99))
    prune()

    found = gather(timezone.now())

    assert (found.points[-1].ends.jobs or found.points[-2].ends.jobs) == 2
    assert found.total.ends.failed == 1
    assert list(found.tasks) == ["tests.greet"]
    assert all(0 < seconds < 60 for seconds in found.total.run)


def test_each_end_is_in_its_hour_once(ledger):
    """Of its own task and of all; folded in two parts, an hour has the sum; the hours of others are empty."""
    end(NOON - timedelta(hours=2), times=3)
    counters.fold()
    end(NOON - timedelta(hours=2), times=2)
    end(NOON - timedelta(hours=2), "shop.mail", "dead")
    end(NOON - timedelta(hours=1), state=None)

    found = gather()

    assert [point.ends.jobs for point in found.points[-4:]] == [0, 6, 0, 0]
    assert [point.ends.failed_attempts for point in found.points[-4:]] == [0, 1, 1, 0]
    assert {task: point.ends.jobs for task, point in found.tasks.items()} == {"shop.pay": 5, "shop.mail": 1}
    assert gather(task="shop.pay").total.ends.runs == {34: 6}


def test_workers_that_fold_at_once_count_once(ledger):
    """Four at a time, and one that fails in the middle: nothing is lost, nothing twice."""
    end(NOON, times=2_000)
    with transaction.atomic():
        counters.fold_chunk()
        transaction.set_rollback(True)

    def fold():
        try:
            counters.fold_chunk()
        finally:
            connection.close()

    threads = [threading.Thread(target=fold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert gather().total.ends.jobs == 2_000


def test_percentiles_are_right_to_a_tenth(ledger):
    """From a millisecond to hours, alone and together."""
    for seconds in (0.004, 0.37, 8.5, 1_900, 9_000):
        end(NOON, f"t{seconds}", run=seconds, times=40)

    for task, point in gather().tasks.items():
        assert [value / float(task[1:]) for value in point.run] == pytest.approx([1, 1], abs=0.2)
    assert gather().total.run[0] == pytest.approx(8.5, rel=0.2)


def test_odd_times_have_a_bucket(ledger):
    """Zero, and longer than the last bucket begins."""
    end(NOON, run=0.0, wait=0.0)
    end(NOON, run=1e9, wait=1e9)
    end(NOON, state="cancelled", run=None, wait=None)

    assert gather().total.ends.runs == {0: 1, hours.MOST: 1}


def test_a_week_is_in_steps_of_six_hours():
    """From midnight on, whatever the hour; the last step holds now."""
    begins = SPANS["week"].begins(NOON)

    assert (len(begins), begins[-1]) == (28, NOON.replace(hour=12, minute=0))
    assert {begin.hour for begin in begins} == {0, 6, 12, 18}
    assert SPANS["day"].begins(NOON)[0] == datetime(2026, 11, 22, 13, tzinfo=UTC)


def test_what_is_not_counted_yet_is_no_zero(ledger):
    """Before the first end that was ever counted a step is unknown; after it, one without ends is zero."""
    end(NOON - timedelta(hours=3))

    assert [point.is_known for point in gather().points[-5:]] == [False, True, True, True, True]


def test_a_clock_that_was_set_back(ledger):
    """Ends of a time that has not come yet are left out until it has."""
    end(NOON + timedelta(hours=5))
    end(NOON)

    assert gather().total.ends.jobs == 1
    assert gather(NOON + timedelta(hours=5)).total.ends.jobs == 2


def test_many_tasks_are_bounded(ledger, django_assert_num_queries):
    """Thirty are named, those that ended most often; three statements whatever their number."""
    for number in range(60):
        end(NOON, f"task{number:02}", times=number + 1)
    counters.fold()

    with django_assert_num_queries(3):
        found = trends.gather(NOON, SPANS["week"], "")

    assert found.is_cut
    assert (len(found.tasks), next(iter(found.tasks))) == (30, "task59")


def test_old_hours_are_pruned(ledger, carrier):
    """With finished jobs, after thirty days."""
    end(timezone.now() - timedelta(days=31))
    end(timezone.now())
    counters.fold()

    hours.prune()

    assert {each.hour.date() for each in TaskHour.objects.all()} == {timezone.now().date()}


def test_the_page_says_what_it_draws(ledger, client, worker):
    """Totals in words, a bar for each hour with its words, and a table of the same numbers."""
    now = timezone.now().replace(minute=59)
    end(now, times=1_200, run=0.41)
    end(now - timedelta(hours=3), "shop.mail", "dead", run=8.4)
    counters.fold()

    answer = client.get("/ops/trends/")
    text, body = text_of(answer), answer.content.decode()

    assert "1,201 jobs, 1 failed" in text
    assert "shop. pay 1,200 " in text
    assert 'aria-label="Jobs that ended in the last 24 hours: 1,201, of which 1 failed"' in body
    assert body.count('class="bar-succeeded"') == 1
    assert "1,200 ended, 0 failed</title>" in body
    assert re.search(r"half within \d+ ms, 95 % within \d+ ms</title>", body)
    assert 'href="?span=day&amp;task=shop.mail"' in body
    assert "style=" not in body


def test_one_task_has_a_page(ledger, client):
    """Linked from its jobs, and leading back to them; one that never succeeded is there like any other."""
    end(timezone.now(), "shop.mail", "dead")
    end(timezone.now(), "shop.pay")
    counters.fold()

    text = text_of(client.get("/ops/trends/?task=shop.mail&span=week"))

    assert "1 job, 1 failed" in text
    assert "Its jobs" in text
    assert "Task by task" not in text


@pytest.mark.parametrize("query", ["", "?span=year", "?task=nobody", "?task=%3Cb%3E&span=week", "?span=week"])
def test_an_empty_ledger(ledger, client, query):
    """Nothing was counted, or nothing of that: the page says so, whatever it is asked for."""
    TaskHour.objects.all().delete()
    first = text_of(client.get(f"/ops/trends/{query}"))
    TaskHour.objects.create(
        hour=timezone.now() - timedelta(days=9), task="", succeeded=1, dead=0, expired=0, cancelled=0, failed_attempts=0,
        wait={}, run={},
    )  # fmt: skip

    second = client.get(f"/ops/trends/{query}")

    assert "Nothing has been counted yet" in first
    assert "No job" in text_of(second)
    assert "<b>" not in second.content.decode()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.001, "1 ms"),
        (0.0087, "9 ms"),
        (0.41234, "410 ms"),
        (0.9999, "1.0 s"),
        (2.14, "2.1 s"),
        (1140, "19 min"),
    ],
)
def test_measured_times_in_words(seconds, words):
    """Two digits, as their histograms know no more."""
    assert in_words(seconds) == words


def test_histograms_are_sparse(ledger):
    """A row keeps the buckets that are used, not all of them: a week of a task is some kilobytes."""
    end(NOON, times=500)
    counters.fold()

    with connection.cursor() as cursor:
        cursor.execute("SELECT run::text FROM offbeat_metrics_taskhour WHERE task <> ''")
        assert json.loads(cursor.fetchone()[0]) == {"34": 500}
