"""How jobs are found: by everything at once, in the order in which an index has them, with a bound on what is read."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from offbeat.jobs import error_groups, export, queries, search, selection
from offbeat.jobs.batches import open_batch
from offbeat.jobs.decisions import DISCARD, RETRY
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.search import JobSearch, find
from tests.offbeat.faults.effects.tasks import divide, nothing
from tests.offbeat.jobs.samples import record_slowly
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.plans import rows_read

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

HOUR = timedelta(hours=1)


@pytest.fixture
def jobs():
    """One of each kind, in the order of their making."""
    made = {"succeeded": nothing.enqueue(), "dead": divide.using(key="k").enqueue(1, 0)}
    run_jobs()
    made["published"] = record_slowly.enqueue("a")
    made["pending"] = nothing.using(run_at=timezone.now() + HOUR).enqueue()
    return made


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (JobSearch(), ["pending", "published", "dead", "succeeded"]),
        (JobSearch(state="dead"), ["dead"]),
        (JobSearch(state="succeeded"), ["succeeded"]),
        (JobSearch(state="cancelled"), []),
        (JobSearch(task="nothing"), ["pending", "succeeded"]),
        (JobSearch(task="=tests.offbeat.faults.effects.tasks.nothing"), ["pending", "succeeded"]),
        (JobSearch(task="=nothing"), []),
        (JobSearch(queue="mail"), ["published"]),
        (JobSearch(state="published", queue="default"), []),
        (JobSearch(key="k"), ["dead"]),
        (JobSearch(key="=k"), ["dead"]),
        (JobSearch(key="k", state="succeeded"), []),
        (JobSearch(error="division"), ["dead"]),
        (JobSearch(error="=ZeroDivisionError: division by zero"), ["dead"]),
        (JobSearch(error="=ZeroDivisionError"), []),
        (JobSearch(worker="nobody"), []),
        (JobSearch(worker="%"), []),
        (JobSearch(batch=uuid.uuid4()), []),
        (JobSearch(older=HOUR), []),
        (JobSearch(newer=HOUR), ["pending", "published", "dead", "succeeded"]),
        (JobSearch(state="dead", older=HOUR), []),
        (JobSearch(state="dead", newer=HOUR), ["dead"]),
    ],
)
def test_jobs_are_found(jobs, wanted, found):
    """By everything at once, newest first."""
    assert find(wanted).jobs == [jobs[name] for name in found]


def test_the_age_is_that_of_the_state(jobs):
    """A dead letter is as old as its death, one that runs as its start, one that waits as its enqueueing."""
    old = timezone.now() - 3 * HOUR
    Job.objects.filter(state="dead").update(finished_at=old)
    Job.objects.filter(pk=jobs["published"].pk).update(state="running", started_at=old)

    for state, name in (("dead", "dead"), ("running", "published")):
        assert find(JobSearch(state=state, older=2 * HOUR)).jobs == [jobs[name]]
        assert find(JobSearch(state=state, newer=2 * HOUR)).jobs == []
    assert find(JobSearch(state="running", older=4 * HOUR)).jobs == []


def test_a_worker_is_found_by_its_host_or_its_id(jobs):
    """By its host while it lives, by how its id begins for ever."""
    worker = Worker.objects.create(hostname="web-1", pid=1, queues=[], concurrency=1)
    Job.objects.filter(state="dead").update(worker=worker.pk)

    for text in ("web-1", str(worker.pk), str(worker.pk)[:8].upper()):
        assert find(JobSearch(worker=text)).jobs == [jobs["dead"]]


def test_those_that_wait_are_in_the_order_in_which_they_wait():
    """The one that is due first is in front."""
    now = timezone.now()
    waiting = [nothing.using(run_at=now + timedelta(hours=hours)).enqueue() for hours in (3, 1, 2)]

    assert find(JobSearch(state="pending")).jobs == [waiting[1], waiting[2], waiting[0]]


def test_a_list_is_counted_up_to_a_bound():
    """Exactly where that is cheap; beyond the bound, and where not all jobs were looked at, there may be more."""
    for _ in range(4):
        nothing.enqueue()
    some = find(JobSearch(state="published"), page=2)

    assert search.count_found(JobSearch(state="published"), some) == (4, False)
    assert search.count_found(JobSearch(state="published"), some, most=3) == (3, True)


def test_a_selection_is_in_the_order_of_the_list(jobs):
    """And has only those that the decision can be about."""
    more = divide.enqueue(1, 0)
    Job.objects.filter(pk=more.pk).update(state="expired", finished_at=timezone.now(), attempt=3)

    found = selection.select_found(JobSearch(), RETRY)

    assert [each.id for each in found.asked] == [more.pk, jobs["dead"].pk]
    assert found.words() == f"2 {divide.name} (1 expired, 1 dead)"
    assert selection.decode(selection.encode(found.asked)) == list(found.asked)
    assert len(selection.select_found(JobSearch(), RETRY, most=1).asked) == 1
    assert selection.select_found(JobSearch(), RETRY, most=1).is_cut


def test_a_question_names_five_tasks():
    """The others are counted."""
    for number in range(8):
        Job.objects.create(task=f"task-{number % 7}", queue="q", state="dead", max_attempts=1)

    assert selection.select_found(JobSearch(), DISCARD).words().endswith("2 of 2 other tasks (8 dead)")


# At a million rows

MANY = """
    INSERT INTO offbeat_jobs_job (id, task, queue, state, max_attempts, finished_at, batch_id, reason)
    SELECT gen_random_uuid(), 't', 'default', state, 5, now() - make_interval(secs => n), %s, 'E: ' || n
    FROM generate_series(1, 5000) AS n, unnest(ARRAY['succeeded', 'dead']) AS state
"""


@pytest.fixture
def history(jobs):
    """Enough jobs that PostgreSQL plans as it would for a million; all in one batch."""
    with open_batch("large") as batch:
        pass
    with connection.cursor() as cursor:
        cursor.execute(MANY, [batch.pk])
        cursor.execute("VACUUM ANALYZE offbeat_jobs_job")
    return batch.pk


@pytest.mark.parametrize(
    "filters",
    [
        {},
        *({"state": state} for state in ("dead", "pending", "published", "running")),
        {"key": "k"},
        {"batch": True},
        {"batch": True, "state": "dead"},
        {"state": "dead", "older": timedelta(minutes=30)},
    ],
    ids=str,
)
def test_finding_reads_little(history, filters):
    """What an index answers reads a handful of rows, however many have finished, and however large a batch is."""
    wanted = JobSearch(**{**filters, **({"batch": history} if "batch" in filters else {})})

    assert rows_read(lambda: find(wanted, page=10)) <= 40


def test_a_beginning_that_many_keys_have(history):
    """Its jobs are found by the keys' index alone, however far from the newest job they are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE offbeat_jobs_job SET key = 'many:' || id WHERE id < '04000000-0000-0000-0000-000000000000'"
        )
        cursor.execute("VACUUM ANALYZE offbeat_jobs_job")
    keyed = Job.objects.filter(key__startswith="many:").count()

    assert rows_read(lambda: find(JobSearch(key="many:"), page=10)) <= 4 * keyed < 1_000


WINDOWED = {"WINDOW": 500, "WIDE": 500}


@pytest.mark.parametrize(
    "act",
    [
        lambda: find(JobSearch(task="nobody")),
        lambda: find(JobSearch(worker="nobody", state="dead")),
        lambda: error_groups.find_groups(JobSearch(state="dead")),
        lambda: selection.select_found(JobSearch(error="nothing like that"), RETRY),
        lambda: export.find_ids(JobSearch(queue="nowhere")),
        lambda: search.count_found(JobSearch(state="dead"), search.PageFound([], "x"), most=500),
    ],
    ids=["list", "list of a worker", "groups", "selection", "export", "count"],
)
def test_what_no_index_finds_stops_at_the_window(history, monkeypatch, act):
    """It is looked for among so many jobs and no more."""
    for name, window in WINDOWED.items():
        monkeypatch.setattr(search, name, window)

    assert rows_read(act) <= 1_100


def test_counting_a_batch_stops_at_the_bound(history):
    """Its states are counted in an index, each up to so many."""
    assert rows_read(lambda: queries.count_batch(history, 100)) <= 250
    assert queries.count_batch(history, 100) == {"dead": 101, "succeeded": 101}
