import pytest
from django.db import ProgrammingError, connection
from django.test import Client
from django.urls import include, path

from offbeat.cronjobs import entries, row_lock
from offbeat.cronjobs.management.commands.enqueue_prune_jobs import Command
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.deployment import spec
from tests.offbeat.cronjobs.conftest import BAD_QUERY

urlpatterns = [path("", include("offbeat.cronjobs.urls"))]

SECRET = "correct-horse-battery-staple"
ENTRY = spec.CronJobSpec(
    name="prune-jobs", schedule="0 3 * * *", command="python manage.py enqueue_prune_jobs"
)


@pytest.fixture
def post(transactional_db, settings, monkeypatch):
    """Call an address as a scheduler does: over HTTPS, with checks of CSRF."""
    settings.ROOT_URLCONF = __name__
    settings.CRON_SECRET = SECRET
    settings.SECURE_SSL_REDIRECT = True
    monkeypatch.setattr(entries, "in_file", lambda: (ENTRY,))
    client = Client(enforce_csrf_checks=True)

    def call(address, secret=SECRET, method="post", host="testserver", secure=True):
        headers = {"Host": host} | ({"Authorization": f"Bearer {secret}"} if secret else {})
        return getattr(client, method)(address, headers=headers, secure=secure)

    return call


def test_a_post_is_a_wake_up(post):
    """It claims what is due, under its own trigger, and answers as --json does."""
    post("/cron/prune-jobs")
    CronJob.objects.update(cursor="2026-01-01T00:00Z")

    answer = post("/cron/prune-jobs")

    slot = Slot.objects.get(outcome="enqueued")
    assert answer.status_code == 200
    assert answer.json()["slots"][-1]["job"] == str(slot.job_id)
    assert slot.trigger == "http"


def test_a_tick_by_http(post):
    """/cron/tick does what manage.py tick does."""
    answer = post("/cron/tick")

    assert (answer.status_code, answer.json()["text"]) == (200, "tick: 1 of 1 cronjob were due")


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", "gr\u00fc\u00df"])
def test_without_the_secret_nothing_happens(post, secret, django_assert_num_queries):
    """Any other secret is refused without a question to the database: to guess costs us nothing."""
    with django_assert_num_queries(0):
        answer = post("/cron/prune-jobs", secret)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert CronJob.objects.count() == 0


def test_off_unless_a_secret_is_set(post, settings):
    """Without CRON_SECRET there is no such address, for any caller."""
    settings.CRON_SECRET = ""

    assert {post("/cron/prune-jobs").status_code, post("/cron/tick", "").status_code} == {404}


def test_only_post(post):
    """A link that somebody follows wakes nothing up."""
    answer = post("/cron/prune-jobs", method="get")

    assert (answer.status_code, answer["Allow"], CronJob.objects.count()) == (405, "POST", 0)


@pytest.mark.parametrize(
    ("request_to", "status"), [({"secure": False}, 301), ({"host": "elsewhere.example"}, 400)]
)
def test_only_the_sites_own_https_address_wakes_anything_up(post, request_to, status):
    """Plain HTTP is redirected, another host name refused, whatever the secret."""
    answer = post("/cron/prune-jobs", **request_to)

    assert (answer.status_code, CronJob.objects.count()) == (status, 0)


def test_an_unknown_name_is_told(post):
    """The answer has the names that there are."""
    answer = post("/cron/prune-job")

    assert answer.status_code == 404
    assert answer.json()["text"] == "platform.yaml: cronjobs: there is no prune-job; there are: prune-jobs"


def test_a_busy_database_is_503(post, monkeypatch):
    """When the ledger does not answer in time, the scheduler is asked to come again."""
    monkeypatch.setattr(row_lock, "WAIT", "200ms")
    post("/cron/prune-jobs")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE offbeat_cronjobs_cronjob IN ACCESS EXCLUSIVE MODE")
        answer = post("/cron/prune-jobs")
    other.close()

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")


def test_a_bug_is_not_taken_for_an_absent_database(post, monkeypatch):
    """A command that asks PostgreSQL for nonsense is an error of the site, which is logged and told as such."""
    monkeypatch.setattr(Command, "arguments", BAD_QUERY)
    post("/cron/prune-jobs")
    CronJob.objects.update(cursor="2026-01-01T00:00Z")

    with pytest.raises(ProgrammingError, match="no_such_function"):
        post("/cron/prune-jobs")
