"""The fixture worker: a real worker on the test's own database."""

import pytest
from django.test import TestCase

from offbeat.jobs import other_ledgers
from offbeat.jobs.models import Job
from offbeat.jobs.testing import JobFailedError
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.effects.tasks import divide, work
from tests.offbeat.support.polling import wait_until


def test_jobs_and_messages_run_in_a_real_worker(worker):
    """In another process; a dead letter is the test's failure, with its traceback, unless that is looked at."""
    job = work.enqueue("a")
    work.delay("b")
    worker.finish_jobs()
    wait_until(lambda: Effect.objects.filter(what="done").count() == 2)

    assert Job.objects.get(pk=job.pk).pid not in {None, worker.process.pid}

    divide.enqueue(1, 0)
    with pytest.raises(JobFailedError, match=r"divide .* is a dead letter: ZeroDivisionError[^$]*in divide"):
        worker.finish_jobs()
    worker.finish_jobs(raises=False)

    assert worker.stop() == 0
    work.enqueue("c")
    with pytest.raises(RuntimeError, match="the worker ended with 0"):
        worker.finish_jobs()


@pytest.fixture
def greeting(settings):
    settings.GREETING = "hello"


def test_it_starts_where_settings_are_overridden(greeting, worker):
    """As by a fixture of a whole project: the worker reads the project's own, in a process of its own."""
    work.enqueue("a")
    worker.finish_jobs()

    assert Job.objects.get().state == "succeeded"


@pytest.mark.django_db(transaction=True)
def test_a_worker_of_before_leaves_no_sign():
    """Of the ledger that the test before this one had: it was emptied, and nobody takes another's messages."""
    assert other_ledgers.others() == []


class InTestCase(TestCase):
    """One transaction, which no other process sees."""

    def test_it_is_refused(self):
        """It would wait for ever."""
        with pytest.raises(pytest.fail.Exception, match="use TransactionTestCase"):
            self.request.getfixturevalue("worker")

    @pytest.fixture(autouse=True)
    def _use(self, request):
        self.request = request
