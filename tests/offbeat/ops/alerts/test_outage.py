"""An outage of PostgreSQL is told without it, once for all processes."""

import json

from django.db import OperationalError, ProgrammingError, connection

from offbeat.jobs import broker
from offbeat.ops import conditions
from offbeat.ops.alerts import incidents, outage, watch
from offbeat.ops.alerts.outage import Outage
from tests.offbeat.ops.alerts.conftest import subjects
from tests.offbeat.support.polling import wait_until


def test_an_outage_is_remembered_by_the_databases_address(carrier):
    """Its identity cannot be asked for meanwhile: another deployment's outage has a key of its own."""
    ours = outage.key()
    connection.settings_dict["NAME"], name = "another", connection.settings_dict["NAME"]
    theirs = outage.key()
    connection.settings_dict["NAME"] = name

    assert ours.startswith(broker.key(outage.KEY))
    assert theirs != ours


def test_an_outage_of_the_database_is_told(carrier, settings):
    """PostgreSQL away is told by one process of many, which needs no database for it; so is its end, by any."""
    settings.OFFBEAT_ALERTS = {"patience": 0}
    first, second, third = Outage(), Outage(), Outage()

    for each in (first, second, first):
        each.note_away()
    for each in (third, first, second):
        each.note_back()

    assert subjects() == ["PostgreSQL: PostgreSQL is down", "PostgreSQL: over: PostgreSQL is down"]


def test_both_servers_away_are_told_by_each_process(carrier, settings, redis):
    """While Redis is away too, nobody knows who told of the begin, so whoever did tells of the end as well."""
    settings.OFFBEAT_ALERTS = {"patience": 0}
    outage = Outage()

    redis.stop()
    outage.note_away()
    redis.start()
    outage.note_back()

    assert subjects() == ["PostgreSQL: PostgreSQL is down", "PostgreSQL: over: PostgreSQL is down"]


def test_a_short_outage_of_the_database_is_not_told(carrier):
    """A failover within the patience is nobody's incident."""
    outage = Outage()

    outage.note_away()
    outage.note_back()

    assert subjects() == []


def test_a_look_without_a_database_is_an_outage(carrier, settings, monkeypatch):
    """The watch takes a database that is gone for an outage, a table that is not there yet for none, and goes on."""
    settings.OFFBEAT_ALERTS = {"patience": 0}
    monkeypatch.setattr(watch, "outage", Outage())

    monkeypatch.setattr(incidents, "is_our_turn", raising(ProgrammingError("no such table")))
    watch.check_once()
    before = subjects()
    monkeypatch.setattr(incidents, "is_our_turn", raising(OperationalError("gone")))
    watch.check_once()

    assert (before, subjects()) == ([], ["PostgreSQL: PostgreSQL is down"])


def raising(error):
    def look():
        raise error

    return look


def test_a_real_outage_of_the_database_is_told(stack, webhook):
    """While PostgreSQL is stopped all say so in the same words: webhook, doctor, metrics and health paths; and when it is over."""
    stack.environment |= {
        "ALERT_WEBHOOK_URL": webhook.url,
        "OFFBEAT_ALERTS_INTERVAL": "1",
        "OFFBEAT_ALERTS_PATIENCE": "1",
        "METRICS_TOKEN": "a-token-of-the-tests",
    }
    web, bearer = stack.web(), {"Authorization": "Bearer a-token-of-the-tests"}
    web.browser.get("/healthz")

    stack.postgres.stop()
    begun, *_ = wait_until(lambda: [post for post in webhook.posts if post["kind"] == "postgres_down"])
    doctor = json.loads(stack.manage("doctor", "--json").stdout)["findings"]
    metrics = web.browser.get("/metrics", **bearer).text
    cron = web.browser.get("/healthz/cron", **bearer).json()["conditions"]
    ready = web.browser.get("/readyz", **bearer).json()["reason"]
    stack.postgres.start()
    wait_until(lambda: [p for p in webhook.posts if p["kind"] == "postgres_down" and p["is_over"]])

    down = conditions.postgres_down()
    assert begun["text"] == f"PostgreSQL: PostgreSQL is down: {down.text}"
    assert (begun["severity"], begun["subject"]) == ("error", "PostgreSQL")
    (red,) = [each for each in doctor if each["name"] == "PostgreSQL"]
    assert (red["level"], red["found"].startswith(down.text)) == ("red", True)
    assert 'offbeat_condition{kind="postgres_down",severity="error",subject="PostgreSQL"} 1.0' in metrics
    assert (cron, ready) == ([down.as_json()], down.text)
    told = [post["is_over"] for post in webhook.posts if post["kind"] == "postgres_down"]
    assert told == [False, True]
