"""How processes present themselves to PostgreSQL."""

from __future__ import annotations

import os
import platform
import re
import sys

import psycopg
import pytest

from offbeat.database import process_name

CODE = "from django.db import connection as c; u = c.cursor(); u.execute('SHOW application_name'); print(u.fetchone()[0])"


def test_a_process_says_what_it_is(stack):
    """Who waits for a lock reads who has it; a name in DATABASE_URL goes before."""
    named = f"{stack.environment['DATABASE_URL']}?application_name=mine"

    asked = [
        stack.manage("shell", "--no-imports", "-c", CODE, DATABASE_URL=url)
        for url in (stack.environment["DATABASE_URL"], named)
    ]

    ours, theirs = (done.stdout.strip() for done in asked)
    assert re.fullmatch(rf"offbeat/manage\.py shell on {re.escape(platform.node()[:20])}.* \(\d+\)", ours)
    assert theirs == "mine"


@pytest.mark.parametrize(
    ("project", "command", "host"),
    [
        ("shop", "enqueue_weekly_digest", "web"),
        ("a" * 30, "b" * 60, "c" * 60),
        ("shop", "x", "h" * 80),
        ("shop", "x", "Ü" * 80),
    ],
)
def test_a_name_fits(monkeypatch, project, command, host):
    """PostgreSQL keeps 63 bytes: the pid is among them, and the project."""
    monkeypatch.setattr(process_name, "platform_name", lambda: project)
    monkeypatch.setattr(sys, "argv", ["./manage.py", command])
    monkeypatch.setattr(platform, "node", lambda: host)

    name = process_name.application_name()

    assert len(name.encode()) <= 63
    assert name.startswith(f"{project}/manage.py ")
    assert name.endswith(f" ({os.getpid()})")


def test_each_process_of_the_web_service_says_which_it_is(stack):
    """They are forked from one that has read the settings."""
    web = stack.web()
    web.browser.get("/readyz")
    (child,) = web.children()

    with psycopg.connect(stack.environment["DATABASE_URL"]) as database:
        rows = database.execute(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        )
        names = {name for (name,) in rows}

    assert {
        name for name in names if name.startswith("offbeat/gunicorn on ") and name.endswith(f" ({child.pid})")
    }
