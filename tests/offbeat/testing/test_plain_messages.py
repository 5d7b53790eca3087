"""What .delay() does in a test: the message is kept, run_jobs() runs it, and what nobody ran is reported."""

from datetime import timedelta

import pytest
from celery import chain
from django.test import TestCase
from kombu.exceptions import EncodeError

from offbeat.jobs.plain_messages import keep_messages, kept
from offbeat.jobs.testing import JobFailedError, run_jobs
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.effects.tasks import divide
from tests.offbeat.jobs import samples
from tests.offbeat.testing.test_enqueued_jobs import explained

pytest_plugins = ["pytester"]


@pytest.fixture
def messages():
    with keep_messages() as messages:
        yield messages


@pytest.fixture
def effects(db):
    return lambda: list(Effect.objects.order_by("id").values_list("label", flat=True))


def test_run_jobs_runs_what_delay_has_sent(messages, effects):
    """With whatever it enqueues and sends itself."""
    samples.record.delay("a")
    samples.enqueue_another.apply_async(["b"])

    assert run_jobs() == 3
    assert effects() == ["a", "b"]
    assert messages.waiting == []


def test_the_error_of_a_message_is_raised(messages, db):
    """As that of a job."""
    divide.delay(1, 0)

    with pytest.raises(ZeroDivisionError):
        run_jobs()


def test_an_error_that_is_not_to_be_raised(messages, db):
    """A plain message leaves no dead letter; Celery's log has it."""
    divide.delay(1, 0)

    assert run_jobs(raises=False) == 1


def test_a_countdown_waits(messages, effects):
    """Until the test looks ahead; what has expired does not run."""
    samples.record.apply_async(["a"], countdown=60)
    samples.record.apply_async(["b"], expires=-1)

    assert [run_jobs(), run_jobs(ahead=timedelta(minutes=2))] == [0, 1]
    assert effects() == ["a"]


def test_a_retry_of_a_message(messages, db):
    """Waits as its countdown says."""
    samples.ask_again.delay("a", countdown=60)

    assert [run_jobs(), run_jobs(), run_jobs(ahead=timedelta(hours=1))] == [1, 0, 1]


def test_a_chain(messages, effects):
    """One message after the other."""
    chain(samples.record.si("a"), samples.record.si("b")).delay()

    assert run_jobs() == 2
    assert effects() == ["a", "b"]


def test_arguments_must_be_json(messages):
    """As where a message is sent."""
    with pytest.raises(EncodeError):
        samples.record.delay(object())


def test_a_message_of_an_unknown_task(messages, db):
    """Is no silence either."""
    samples.record.app.send_task("shop.gone")

    with pytest.raises(JobFailedError, match=r"no task shop\.gone is known here"):
        run_jobs()


def test_enqueued_says_that_a_message_is_no_job(messages, enqueued):
    """Whoever asks for a job and has sent a message is told."""
    samples.record.delay("a")

    said = explained(enqueued(samples.record), [("a",)])

    assert (
        "record: 1 sent by .delay() or .apply_async(), a plain message and no job: .enqueue() makes one"
        in said
    )


SUITE = """
from tests.offbeat.jobs import samples

def test_one():
    samples.record.delay("a")
    samples.record.delay("b")

def test_two(redis):
    pass
"""


def test_what_nobody_ran_is_reported(pytester):
    """At the end of the run, and nothing fails by it."""
    pytester.makepyfile(SUITE)
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef redis():\n    pass\n")

    result = pytester.runpytest_inprocess("-p", "offbeat.testing.plugin", "-p", "no:django")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*messages of .delay() and .apply_async()*",
            "*::test_one: tests.offbeat.jobs.samples.record (2)",
            "Nothing ran them.*",
        ]
    )
    assert kept() is None


class InTestCase(TestCase):
    """Django's own test case."""

    @pytest.fixture(autouse=True)
    def _use(self, messages):
        """As the plugin keeps them."""

    def test_a_message_runs(self):
        """In its transaction."""
        samples.record.delay("a")

        assert run_jobs() == 1
