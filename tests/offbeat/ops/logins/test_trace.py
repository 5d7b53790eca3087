"""What a login leaves behind: a line in the log, a row in the trail, and nothing that is secret; and how long it lasts."""

import json
import logging
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from offbeat.jobs import signals
from offbeat.jobs.tasks import prune
from offbeat.ops import retention
from offbeat.ops.logs import Formatter
from offbeat.ops.models import AuditEntry, LoginAllowance
from tests.offbeat.ops.logins.conftest import PASSWORD
from tests.offbeat.ops.pages.support import text_of


@pytest.fixture
def lines():
    """Give what is logged, as production writes it."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter(as_json=True))
    logger = logging.getLogger("offbeat.ops.logins")
    logger.addHandler(handler)
    level, logger.level = logger.level, logging.INFO
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def trail():
    rows = AuditEntry.objects.order_by("id")
    return [(each.who, each.act, each.subject, each.result) for each in rows]


def test_login_and_logout_are_written_down(log_in, lines):
    """Who, from where, and with what."""
    log_in(agent="Firefox/140").client.post("/admin/logout/")

    assert [
        (line["level"], line["action"], line["who"], line["address"], line["agent"]) for line in lines()
    ] == [
        ("info", "log_in", "alice", "192.0.2.1", "Firefox/140"),
        ("info", "log_out", "alice", "192.0.2.1", "Firefox/140"),
    ]
    assert trail() == [
        ("alice", "log in", "login from 192.0.2.1", "Firefox/140"),
        ("alice", "log out", "login from 192.0.2.1", "Firefox/140"),
    ]


def test_failures_and_the_brake_are_written_down(log_in, lines):
    """Each failure that was counted, and once that others are refused."""
    for _ in range(12):
        log_in("wrong")

    acts = ["failed login"] * 5 + ["locked out"]
    assert [(line["level"], line["who"], line["action"]) for line in lines()] == [
        ("warning", "alice", act.replace(" ", "_")) for act in acts
    ]
    assert [row[:2] for row in trail()] == [("alice", act) for act in acts]


def test_no_password_is_written_down(log_in, lines):
    """Neither the one that was typed, nor one that was typed into the field of the name."""
    log_in("a secret of mine")
    log_in("x", name="correct horse battery staple")
    log_in()

    written = json.dumps(lines()) + str(trail())
    assert "secret of mine" not in written
    assert "horse" not in written
    assert PASSWORD not in written
    assert [row[0] for row in trail()] == ["alice", "(unknown)", "alice"]


def test_a_flood_fills_neither_the_trail_nor_a_line(log_in, settings):
    """Names that nobody has share one share of the rows; what a client says of itself is cut, and orders no terminal."""
    settings.OFFBEAT_LOGINS = {"address_failures": 1000, "same_failures": 1000, "name_failures": 1000}
    for number in range(30):
        log_in("wrong", name=f"nobody{number}", agent="x" * 10_000)
    for _ in range(15):
        log_in("wrong", agent="\x1b[2J")

    rows = trail()
    assert [row[0] for row in rows].count("(unknown)") == 10
    assert [row[0] for row in rows].count("alice") == 10
    assert max(len(row[3]) for row in rows) == 120
    assert "\x1b" not in str(rows)


def test_customers_are_in_the_log_only(log_in, lines):
    """The trail is about who operates the site; a shop has more logins than anybody would read."""
    get_user_model().objects.create_user("carol", password=PASSWORD)

    log_in(name="carol")

    assert [row[:2] for row in trail()] == []
    client = Client()
    client.force_login(get_user_model().objects.get(username="carol"))
    assert lines() == []


def test_the_page_of_the_trail_shows_them(log_in):
    """Also those without a page of their own."""
    log_in("wrong")

    page = text_of(log_in().client.get("/ops/audit/?who=alice"))

    assert "failed login login from 192.0.2.1" in page
    assert "log in login from 192.0.2.1" in page


def test_tests_that_log_in_write_nothing(alice, lines):
    """`client.login` and `force_login` are nobody's login."""
    client = Client()
    client.login(username="alice", password=PASSWORD)
    client.force_login(alice)
    client.logout()
    client.login(username="alice", password="wrong")

    assert trail() == []


def test_staff_log_in_anew_every_day(log_in, alice):
    """Twelve hours at most, whatever they do meanwhile; customers keep Django's two weeks."""
    client = log_in().client
    client.get("/ops/")
    ends = Session.objects.get().expire_date - timezone.now()
    get_user_model().objects.create_user("carol", password=PASSWORD)
    Session.objects.all().delete()
    Client().login(username="carol", password=PASSWORD)

    assert timedelta(hours=11.9) < ends <= timedelta(hours=12)
    assert Session.objects.get().expire_date - timezone.now() > timedelta(days=13)

    Session.objects.update(expire_date=timezone.now())
    assert client.get("/ops/").status_code == 302


def test_the_length_is_a_setting(log_in, settings):
    """A team may log in anew every hour."""
    settings.OFFBEAT_LOGINS = {"staff_session_hours": 1}

    log_in()

    assert Session.objects.get().expire_date - timezone.now() <= timedelta(hours=1)


def an_ended_session(number, ago=timedelta(days=1)):
    return Session(session_key=f"ended{number}", session_data="", expire_date=timezone.now() - ago)


def test_the_shipped_cronjob_deletes_what_has_ended(alice, monkeypatch):
    """Sessions and forgiven attempts, chunk by chunk; what is in use stays."""
    monkeypatch.setattr(retention, "CHUNK", 10)
    Session.objects.bulk_create([an_ended_session(number) for number in range(25)])
    Session.objects.bulk_create([an_ended_session("not", ago=-timedelta(days=1))])
    now = timezone.now()
    ages = [LoginAllowance(key=str(age), until=now - timedelta(hours=age - 1.5)) for age in range(25)]
    LoginAllowance.objects.bulk_create(ages)

    prune()

    assert [session.session_key for session in Session.objects.all()] == ["endednot"]
    assert sorted(row.key for row in LoginAllowance.objects.all()) == ["0", "1"]


@pytest.mark.parametrize("engine", ["cache", "file", "signed_cookies", "cached_db"])
def test_sessions_elsewhere_are_their_stores_own(db, settings, engine):
    """A project may keep them where it likes."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    Session.objects.bulk_create([an_ended_session(1)])

    prune()

    assert Session.objects.count() == (0 if engine == "cached_db" else 1)


def test_a_receiver_that_fails_keeps_no_other_from_pruning(db):
    """The job has succeeded: finished jobs are deleted."""

    def fail(**_):
        raise OSError("no room")

    signals.ledger_pruned.connect(fail)
    try:
        Session.objects.bulk_create([an_ended_session(1)])
        prune()
    finally:
        signals.ledger_pruned.disconnect(fail)

    assert Session.objects.count() == 0
