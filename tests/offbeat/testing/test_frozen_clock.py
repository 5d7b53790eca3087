"""The frozen clock: what it moves, and that it leaves nothing behind."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import TestCase
from django.utils import timezone

from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import fail_until, nothing

NINE = datetime(2030, 1, 7, 9, tzinfo=UTC)
NAMES = ("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp")


def times_of_postgresql():
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'{name}()' for name in NAMES)}")
        return set(cursor.fetchone())


def test_django_and_postgresql_have_one_time(frozen_clock):
    """Both stand still, and move together."""
    frozen_clock.move_to("2030-01-07 09:00")
    first = {timezone.now(), *times_of_postgresql()}

    frozen_clock.move(days=1, minutes=5)

    assert first == {NINE}
    assert {timezone.now(), *times_of_postgresql()} == {NINE + timedelta(days=1, minutes=5)}


def test_the_jobs_of_a_frozen_time(frozen_clock, run_jobs):
    """What waits for tomorrow runs tomorrow, and its row says so."""
    frozen_clock.move_to(NINE)
    job = nothing.using(run_at=timezone.now() + timedelta(days=1)).enqueue()

    today = run_jobs()
    frozen_clock.move(days=1)
    tomorrow = run_jobs()

    job.refresh_from_db()
    assert (today, tomorrow) == (0, 1)
    assert (job.created_at, job.finished_at) == (NINE, NINE + timedelta(days=1))


def test_a_retry_is_due_when_the_clock_says_so(frozen_clock, run_jobs):
    """A countdown of a minute is over after a minute of the frozen clock."""
    job = fail_until.enqueue("a", 2)

    tries = [run_jobs()]
    tries.append(run_jobs())
    frozen_clock.move(minutes=10)
    tries.append(run_jobs())

    assert tries == [1, 0, 1]
    assert Job.objects.get(pk=job.pk).state == "succeeded"


def test_a_deadline_passes(frozen_clock, run_jobs):
    """A job that was not started before its not_after expires, and that is no error."""
    job = nothing.using(not_after=timezone.now() + timedelta(hours=1)).enqueue()

    frozen_clock.move(hours=2)

    assert run_jobs() == 0
    assert Job.objects.get(pk=job.pk).state == "expired"


def test_it_outlives_a_new_connection(transactional_db, frozen_clock):
    """A task may have closed the old one."""
    frozen_clock.move_to(NINE)

    connection.close()

    assert times_of_postgresql() == {NINE}


def test_nothing_of_it_stays(transactional_db):
    """The tests before this one have frozen the time of this process' connection."""
    assert min(times_of_postgresql()) > NINE - timedelta(days=3650)
    assert max(times_of_postgresql()) < timezone.now() + timedelta(minutes=5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path'), to_regnamespace('offbeat_clock')")
        assert "offbeat_clock" not in str(cursor.fetchone())


def test_a_failed_transaction_does_not_hide_its_error(frozen_clock):
    """The clock is put right by the rollback."""
    with pytest.raises(Exception, match="no_such_table"), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")


class InTestCase(TestCase):
    """The same in Django's own TestCase."""

    @pytest.fixture(autouse=True)
    def _use(self, frozen_clock, run_jobs):
        self.clock, self.run_jobs = frozen_clock, run_jobs

    def test_time_stands_still(self):
        """Between two tests of a class, too."""
        self.clock.move_to(NINE)
        nothing.enqueue()

        assert self.run_jobs() == 1
        assert Job.objects.get().finished_at == NINE == timezone.now()

    def test_time_goes_on_from_today(self):
        """The other test's time is gone."""
        assert timezone.now() < NINE
        assert times_of_postgresql() == {self.clock.now}
