"""How long PostgreSQL, Python and Django at hand are supported: green, yellow in time, red when it is over."""

from __future__ import annotations

from datetime import date

import pytest

from offbeat.ops.doctor import postgres, support

NOW = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("product", "version", "today", "level"),
    [
        ("PostgreSQL", "14", NOW, "red"),
        ("PostgreSQL", "15", date(2026, 11, 10), "green"),
        ("PostgreSQL", "15", NOW, "yellow"),
        ("PostgreSQL", "15", date(2027, 11, 11), "yellow"),  # the last day is one of support
        ("PostgreSQL", "15", date(2027, 11, 12), "red"),
        ("PostgreSQL", "18", NOW, "green"),
        ("PostgreSQL", "19", NOW, "green"),  # newer than this core
        ("Python", "3.11", NOW, "yellow"),
        ("Python", "3.11", date(2027, 11, 1), "red"),
        ("Python", "3.14", NOW, "green"),
        ("Django", "5.2", NOW, "green"),
        ("Django", "5.2", date(2028, 5, 1), "red"),
        ("Django", "6.1", NOW, "green"),
        ("Django", "6.1", date(2027, 7, 15), "yellow"),
        ("Django", "6.1", date(2028, 1, 1), "red"),
        ("Django", "2028.0", NOW, "green"),
    ],
)
def test_a_version_on_a_day(product, version, today, level):
    """The level is that of the day."""
    assert support.support(product, version, today).level.word == level


def test_the_finding_says_until_when_and_what_to_do():
    """A person reads the day, and the version to go to."""
    found = support.support("PostgreSQL", "15", NOW, "15.15")

    assert (found.name, found.found) == ("PostgreSQL version", "15.15, security fixes until 11 November 2027")
    assert found.advice == "upgrade: 18 is the newest known version"


def test_a_version_that_is_not_known_yet():
    """It is newer than the table, and nothing is claimed."""
    found = support.support("PostgreSQL", "19", NOW)

    assert (found.found, found.advice) == ("19, supported", "")


@pytest.mark.parametrize(("number", "level"), [(140024, "red"), (150004, "yellow"), (180003, "green")])
def test_the_server_at_hand(monkeypatch, number, level):
    """PostgreSQL 15 is the oldest that is used; Django 6.1 refuses to connect to an older one."""
    monkeypatch.setattr(postgres, "ask", lambda _: number)
    monkeypatch.setattr(postgres, "today", lambda: NOW)

    (found,) = postgres.version()

    assert found.level.word == level


def test_what_the_process_is_made_of():
    """A row each for Python and Django."""
    assert [each.name for each in support.process_versions()] == ["Python version", "Django version"]


def test_the_versions_of_this_core_are_known():
    """Each version that the core runs on has its day."""
    assert {"15", "16", "17", "18"} < set(support.ENDS["PostgreSQL"])
    assert set(support.ENDS["Python"]) == {"3.11", "3.12", "3.13", "3.14"}
    assert {"5.2", "6.1"} < set(support.ENDS["Django"])
