"""Lanes that begin or end at one moment share a statement and a commit, and nothing else."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from functools import partial

import pytest
from django.db import DataError, connection, connections

from offbeat.jobs import attempts, lane_rounds, lanes, records, sql, workers
from offbeat.jobs.models import Job
from tests.offbeat.jobs import samples
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM offbeat_jobs_job WHERE state = %s"
# Of a lane: nobody else does.
WAIT_FOR_LOCK = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'offbeat %' AND wait_event_type = 'Lock'
"""


class Lanes:
    """Calls, each in a lane of its own; what they return or raise, in their order."""

    def __init__(self, acts):
        self.found = [None] * len(acts)
        self.threads = [threading.Thread(target=self.run, args=each) for each in enumerate(acts)]

    def start(self):
        for each in self.threads:
            each.start()
        return self

    def start_behind_the_first(self, other):
        """Keep the round of the first one waiting for a lock that `other` takes, and have all others wait for that round."""
        other.execute("LOCK TABLE offbeat_jobs_job")
        self.threads[0].start()
        wait_until(lambda: sql.fetch_all(WAIT_FOR_LOCK))
        for each in self.threads[1:]:
            each.start()
        wait_until(lambda: len(lane_rounds._rounds._waiting) == len(self.threads) - 1)  # noqa: SLF001  nothing else tells
        return self

    def run(self, place, act):
        lanes.enter(lanes.FIRST + place, uuid.uuid4())
        try:
            self.found[place] = act()
        except Exception as error:  # noqa: BLE001  for the test to judge
            self.found[place] = error
        finally:
            connections.close_all()

    def join(self):
        for each in self.threads:
            each.join(60)
        return self.found


@pytest.fixture
def session(postgres):
    """Opens another session, in a transaction that ends with the block."""

    @contextlib.contextmanager
    def open_session():
        with (
            postgres.connect(connection.settings_dict["NAME"]) as other,
            other.transaction(force_rollback=True),
        ):
            yield other

    return open_session


@pytest.fixture
def together(session):
    """Calls each in a lane: all but the first one in one round."""

    def call(*acts):
        with session() as other:
            called = Lanes(acts).start_behind_the_first(other)
        return called.join()

    return call


def begins(jobs, worker):
    return [lambda job=job: attempts.begin(job.pk, worker) for job in jobs]


def ends(begun):
    return [lambda attempt=attempt: attempts.finish(attempt) for attempt in begun]


def enqueue(count, **options):
    return [samples.record.using(**options).enqueue(f"{number}") for number in range(count)]


def states(jobs):
    return [Job.objects.get(pk=job.pk).state for job in jobs]


def test_a_round(worker, together):
    """Six lanes begin in two transactions, each under its own number, and end in two."""
    jobs = enqueue(6)

    begun = together(*begins(jobs, worker))

    assert [(each.job_id, each.number, each.args) for each in begun] == [
        (job.pk, 1, [f"{number}"]) for number, job in enumerate(jobs)
    ]
    assert {job.pk for job in Job.objects.filter(pid__gte=lanes.FIRST)} == {job.pk for job in jobs}
    assert Job.objects.values("pid").distinct().count() == len(jobs)
    assert sql.fetch_one(TRANSACTIONS, ["running"]) == (2,)

    assert together(*ends(begun)) == [None] * 6
    assert states(jobs) == ["succeeded"] * 6
    assert sql.fetch_one(TRANSACTIONS, ["succeeded"]) == (2,)


def test_begins_and_ends_in_one_round(worker, together):
    """What ends and what begins is one transaction."""
    first, second, third = enqueue(3)
    one, two = together(*begins([first, second], worker))

    together(*ends([one, two]), *begins([third], worker))

    assert states([first, second, third]) == ["succeeded", "succeeded", "running"]
    assert sql.fetch_one("SELECT count(DISTINCT xmin::text) FROM offbeat_jobs_job") == (2,)


def test_results(worker, together):
    """Each job keeps its own."""
    jobs = enqueue(3)
    begun = together(*begins(jobs, worker))
    for number, attempt in enumerate(begun):
        attempt.result = f'{{"n": {number}}}' if number else None

    together(*ends(begun))

    assert [Job.objects.get(pk=job.pk).result for job in jobs] == [None, {"n": 1}, {"n": 2}]


def test_odd_texts(worker, together):
    """Queues and results of a round arrive as they are, whatever is in them."""
    queue, result = 'a "quoted", {braced}\\ queue, NULL', '["\\\\ \\" , {} \u00e9 NULL", null]'
    jobs = enqueue(2)
    Job.objects.update(queue=queue)
    begun = together(*(lambda job=job: attempts.begin(job.pk, worker, job.task, queue) for job in jobs))
    for attempt in begun:
        attempt.result = result

    together(*ends(begun))

    assert [Job.objects.get(pk=job.pk).result for job in jobs] == [json.loads(result)] * 2


def test_a_row_that_somebody_holds(worker, session):
    """The others of its round do not wait for it, neither to begin nor to end; its own lane does."""
    jobs = enqueue(3)
    with session() as holder:
        holder.execute("SELECT 1 FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [jobs[1].pk])
        called = Lanes(begins(jobs, worker)).start()
        wait_until(lambda: states(jobs) == ["running", "published", "running"])
    begun = called.join()
    assert [each.job_id for each in begun] == [job.pk for job in jobs]

    with session() as holder:
        holder.execute("SELECT 1 FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [jobs[1].pk])
        called = Lanes(ends(begun)).start()
        wait_until(lambda: states(jobs) == ["succeeded", "running", "succeeded"])
    assert called.join() == [None] * 3
    assert states(jobs) == ["succeeded"] * 3


def test_a_table_that_a_begin_waits_for(worker, session):
    """A migration has locked what only begins ask: the ends of their round do not wait for it."""
    ended, first, second = enqueue(3)
    attempt = attempts.begin(ended.pk, worker)
    called = Lanes([*begins([first], worker), *ends([attempt]), *begins([second], worker)])
    with session() as migration:
        with session() as other:
            called.start_behind_the_first(other)
            migration.execute("LOCK TABLE offbeat_jobs_pause")
        wait_until(lambda: states([ended]) == ["succeeded"])
    called.join()

    assert states([first, second]) == ["running"] * 2


def test_a_lost_race(worker, together):
    """An attempt that is no longer current is fenced off; the others of its round succeed."""
    jobs = enqueue(3)
    begun = together(*begins(jobs, worker))
    Job.objects.filter(pk=jobs[1].pk).update(attempt=2)

    found = together(*ends(begun))

    assert [type(each) for each in found] == [type(None), attempts.FencedError, type(None)]
    assert states(jobs) == ["succeeded", "running", "succeeded"]


@pytest.mark.parametrize(("result", "error"), [('"\\u0000"', DataError), ("\udc00", UnicodeEncodeError)])
def test_an_end_that_is_refused(worker, together, result, error):
    """By PostgreSQL or on the way there: the others of its round are recorded all the same."""
    jobs = enqueue(3)
    begun = together(*begins(jobs, worker))
    begun[1].result = result

    found = together(*ends(begun))

    assert isinstance(found[1], error)
    assert states(jobs) == ["succeeded", "running", "succeeded"]


def test_a_session_that_is_ended(worker, session):
    """The lane that writes loses its session, and the next one writes the next round."""
    jobs = enqueue(3)
    with session() as other:
        called = Lanes(begins(jobs, worker)).start_behind_the_first(other)
        ((pid,),) = sql.fetch_all(WAIT_FOR_LOCK)
        sql.execute("SELECT pg_terminate_backend(%s)", [pid])
    found = called.join()

    assert [type(each).__name__ for each in found] == ["OperationalError", "Attempt", "Attempt"]


def test_two_messages_of_a_job(worker, together):
    """One of them begins it, though both come in one round."""
    (job, other), queue = enqueue(2), "default"

    found = together(
        *begins([other], worker),
        lambda: attempts.begin(job.pk, worker, "tests.offbeat.another_task", queue),
        *begins([job, job], worker),
    )

    assert found[1] is None
    assert [each.job_id for each in found if each] == [other.pk, job.pk]


def test_what_may_not_start(worker, together):
    """A job that has ended, and a key that is busy, are turned away as without rounds; a key that is free begins."""
    done, *others = enqueue(2)
    keyed = enqueue(2, concurrency_key="one")
    together(*begins([done], worker))
    Job.objects.filter(pk=done.pk).update(state="succeeded")

    found = together(*begins([*others, done, *keyed], worker))

    assert found[0].job_id == others[0].pk
    assert found[1] is None
    assert len([each for each in found[2:] if each]) == 1
    assert sorted(states(keyed)) == ["pending", "running"]


PLANS = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%unnest%'"


def test_a_round_is_planned_once(worker):
    """However many lanes come together: PostgreSQL tries five times before it keeps a plan."""
    jobs = enqueue(9)

    def run():
        for job in jobs:
            attempts.finish(attempts.begin(job.pk, worker))
        return sql.fetch_all(PLANS)

    (plans,) = Lanes([run]).start().join()

    # The very first begin connects, by Django.
    assert sorted(plans) == [(3, 5), (4, 5)]


# PostgreSQL has committed, and waits to say so for a standby that does not exist: the end of the session is the answer.
UNANSWERED = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'"


@pytest.fixture
def unanswered(postgres):
    """Calls each in a lane of its own, and ends the session of each statement after its commit, and before its answer."""

    def call(*acts):
        with postgres.connect(connection.settings_dict["NAME"]) as other:
            called = Lanes([partial(waits_for_standby, act) for act in acts]).start()
            while any(each.is_alive() for each in called.threads):
                for (pid,) in other.execute(UNANSWERED).fetchall():
                    other.execute("SELECT pg_terminate_backend(%s)", [pid])
        return called.join()

    with postgres.connect() as server:
        server.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        server.execute("SELECT pg_reload_conf()")
        yield call
        server.execute("ALTER SYSTEM RESET synchronous_standby_names")
        server.execute("SELECT pg_reload_conf()")


def waits_for_standby(act):
    """Call it until its session lives, as a worker does; only the first session waits for the standby."""
    connection.ensure_connection()
    sql.execute("SET synchronous_commit = on")
    return records.patiently(act)


def test_an_end_whose_answer_is_lost(worker, together, unanswered):
    """It is committed, alone or in a round: that is no lost race, and what follows a success follows."""
    jobs = enqueue(6)
    begun = together(*begins(jobs, worker))

    found = unanswered(*ends(begun))

    assert found == [None] * 6
    assert states(jobs) == ["succeeded"] * 6


def test_a_failure_whose_answer_is_lost(worker, together, unanswered):
    """The same: it is a dead letter, of which `job_dead` tells."""
    jobs = enqueue(3)
    begun = together(*begins(jobs, worker))

    found = unanswered(*(partial(attempts.bury, each, "no", "") for each in begun))

    assert found == [None] * 3
    assert states(jobs) == ["dead"] * 3


def test_a_begin_whose_answer_is_lost(unanswered):
    """The lane begins the attempt anew under another number: nothing is counted, and no job is left behind."""
    jobs = enqueue(6)

    found = unanswered(*begins(jobs, workers.current()))

    assert [each.job_id for each in found] == [job.pk for job in jobs]
    assert (
        list(Job.objects.order_by("args").values_list("state", "crashes", "excused"))
        == [("running", 0, 0)] * 6
    )
    assert [each.number for each in found] == [Job.objects.get(pk=job.pk).attempt for job in jobs]
