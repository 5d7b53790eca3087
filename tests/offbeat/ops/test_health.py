"""The health paths: what a probe, an uptime monitor and a stranger get."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.test import override_settings

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.registration import register
from offbeat.jobs import broker
from offbeat.ops import conditions, health_ready, snapshot
from offbeat.ops.health_cron import remembered
from tests.offbeat.ops.support import entry

pytestmark = pytest.mark.django_db
TOKEN = "a-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def fresh():
    """Let no answer and no outage of an earlier test count."""
    remembered.forget()
    broker.breaker.close()
    yield
    remembered.forget()
    broker.breaker.close()


@pytest.fixture
def token(settings):
    """Set METRICS_TOKEN."""
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def redis_away(redis):
    """Redis is stopped for a test."""
    redis.stop()
    yield
    redis.start()


@pytest.fixture
def overdue():
    """A cronjob whose slot of two hours ago nobody has claimed."""
    cronjob = entry("0 * * * *", "plants")
    register(cronjob, database_now())
    CronJob.objects.update(
        cursor=database_now() - timedelta(hours=2), known_since=database_now() - timedelta(hours=3)
    )
    # Its Entry comes from platform.yaml, or from a dashboard's command line as here.
    CronJob.objects.update(is_in_file=False, command="enqueue_prune_jobs")


class Gone:
    """Stands where the database's answer should be."""

    def __call__(self, *_):
        raise DatabaseError("gone")


def test_a_living_process_is_healthy(client):
    """/healthz answers 200 whatever the Host, over plain HTTP, without asking the database."""
    with override_settings(ALLOWED_HOSTS=["www.example.com"], SECURE_SSL_REDIRECT=True):
        answer = client.get("/healthz", headers={"host": "10.0.0.7:8000"})

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthz/cron"])
def test_health_is_never_cached(client, path):
    """No proxy may answer a probe with an old answer."""
    assert client.get(path)["Cache-Control"] == "no-store"


def test_ready_costs_one_query(client, django_assert_num_queries):
    """Once the migrations are known, /readyz is one SELECT 1."""
    client.get("/readyz")

    with django_assert_num_queries(1):
        answer = client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_without_redis_it_is_degraded_and_still_ready(client, token, redis_away):
    """Redis away costs no request: 200, "degraded", and why for those who may know."""
    stranger = client.get("/readyz")
    operator = client.get("/readyz", headers=BEARER)

    assert (stranger.status_code, stranger.json()) == (200, {"status": "degraded"})
    assert operator.json() == {
        "status": "degraded",
        "reason": conditions.broker_down().text,
    }


def test_without_its_database_it_is_not_ready(client, token, monkeypatch):
    """PostgreSQL away is 503, without a word about it for strangers."""
    monkeypatch.setattr(health_ready, "migrated", Gone())

    stranger = client.get("/readyz")
    operator = client.get("/readyz", headers=BEARER)

    assert (stranger.status_code, stranger.json()) == (503, {"status": "unavailable"})
    assert operator.json()["reason"] == conditions.postgres_down().text


def test_cronjobs_that_are_well_answer_200(client):
    """/healthz/cron is 200 while nothing is wrong with a cronjob."""
    answer = client.get("/healthz/cron")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_an_overdue_cronjob_answers_503(client, token, overdue):
    """A slot that nobody has claimed makes /healthz/cron 503, and names no cronjob to strangers."""
    answer = client.get("/healthz/cron")

    assert (answer.status_code, answer.json()) == (503, {"status": "overdue"})


def test_the_token_opens_the_details(client, token, overdue):
    """With METRICS_TOKEN it says which cronjob, what is wrong, and since when."""
    answer = client.get("/healthz/cron", headers=BEARER)

    (condition,) = [each for each in answer.json()["conditions"] if each["subject"] == "plants"]
    assert (condition["kind"], condition["severity"]) == ("not_fired", "error")
    assert condition["since"] < database_now().isoformat()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
def test_a_wrong_token_opens_nothing(client, token, overdue, headers):
    """A missing, wrong or badly written token gets what strangers get."""
    assert client.get("/healthz/cron", headers=headers).json() == {"status": "overdue"}


def test_an_unset_token_opens_nothing(client, overdue):
    """Where METRICS_TOKEN is not set, an empty bearer is no key."""
    assert client.get("/healthz/cron", headers={"Authorization": "Bearer "}).json() == {"status": "overdue"}


def test_strangers_cannot_wear_the_database_out(client, django_assert_num_queries):
    """Within a few seconds /healthz/cron answers from memory."""
    client.get("/healthz/cron")

    with django_assert_num_queries(0):
        client.get("/healthz/cron")


def test_cron_health_is_unknown_without_the_database(client, monkeypatch):
    """PostgreSQL away is 503 "unknown": an uptime monitor must not read it as well."""
    monkeypatch.setattr(snapshot, "database_now", Gone())

    answer = client.get("/healthz/cron")

    assert (answer.status_code, answer.json()) == (503, {"status": "unknown"})


def test_other_methods_pass(client):
    """Only GET and HEAD are answered before the rest of the site looks."""
    assert client.post("/healthz").status_code == 404


def test_real_outages_are_answered(stack):
    """A web process answers through an outage of PostgreSQL, and recovers by itself."""
    web = stack.web(METRICS_TOKEN=TOKEN)
    assert web.browser.get("/readyz").status == 200

    stack.postgres.stop()
    away = web.browser.get("/readyz", **BEARER)
    alive = web.browser.get("/healthz")
    stack.postgres.start()

    assert (away.status, away.json()["reason"]) == (503, conditions.postgres_down().text)
    assert alive.status == 200
    assert web.browser.get("/readyz").status == 200


def test_the_database_is_asked_for_nothing_else(client, overdue, django_assert_max_num_queries):
    """A look at the cronjobs costs a handful of queries, however many cronjobs there are."""
    with django_assert_max_num_queries(12):
        answer = client.get("/healthz/cron")

    assert answer.status_code == 503
