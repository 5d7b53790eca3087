"""DATABASE_URL is read as people paste it, or refused in words that say what is wrong, and hold nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import quote

import pytest

from tests.offbeat.support.fresh_settings import load
from tests.offbeat.support.running import CHECKOUT

PASSWORD = "hunt{}er2"
ODD = "#/?[]% "


def found(url, **variables):
    settings, problems = load(DATABASE_URL=url, **variables)
    return settings.DATABASES["default"], problems


@pytest.mark.parametrize("character", ODD + ":@!$&'()*+,;=~\u00e4")
def test_an_odd_password_that_is_written_right(character):
    """Percent-encoded, each character is the one that was meant."""
    password = PASSWORD.format(character)

    database, problems = found(f"postgres://app:{quote(password, safe='')}@db.example:5432/shop")

    assert problems == []
    assert (database["PASSWORD"], database["HOST"], database["NAME"]) == (password, "db.example", "shop")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
@pytest.mark.parametrize("place", ["in the middle", "at the beginning", "at the end", "in the user"])
@pytest.mark.parametrize("character", ODD + "@")
def test_an_odd_password_that_is_not(scheme, place, character):
    """An address that another host, port or database could be read from is refused; the message has no part of it."""
    user, password = {
        "in the middle": ("app", f"hunt{character}er2"),
        "at the beginning": ("app", f"{character}hunter2"),
        "at the end": ("app", f"hunter2{character}"),
        "in the user": (f"ap{character}p", "hunter2"),
    }[place]

    _, problems = found(f"{scheme}://{user}:{password}@db.example:5432/shop")

    assert len(problems) == 1
    assert "DATABASE_URL" in problems[0]
    assert f"%{ord(character):02X}" in problems[0]
    assert not any(part in problems[0] for part in ("hunt", "er2", "db.example", "shop"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "pgbouncer=true",
            "PostgreSQL knows no pgbouncer after the question mark: remove it: Offbeat detects a pooler",
        ),
        (
            "connection_limit=1&pool_timeout=0",
            "PostgreSQL knows no connection_limit after the question mark: remove it.",
        ),
        ("schema=public", "write options=-csearch_path%3D<schema> instead"),
        ("ssl=true", "write sslmode=require instead"),
        ("SSLMODE=require", "PostgreSQL knows no SSLMODE"),
        ("sslmode=on", "sslmode=on: use disable, allow, prefer, require, verify-ca or verify-full."),
        ("sslmode=Require", "sslmode=Require: use disable"),
        ("sslmode=require&sslmode=disable", "sslmode appears after the question mark twice"),
        ("hunter2/x=1", "PostgreSQL knows no such name after the question mark"),
    ],
)
def test_a_parameter_that_libpq_does_not_know(query, said):
    """It is named, with what to do; it was a traceback in every process."""
    _, problems = found(f"postgres://app:pass@db.example/shop?{query}")

    assert all(problem.startswith("DATABASE_URL: ") for problem in problems)
    assert said in problems[0]
    assert "hunter2" not in problems[0]


@pytest.mark.parametrize(
    "query",
    ["sslmode=require&channel_binding=require", "connect_timeout=3", "application_name=mine", "options=-csearch_path%3Dshop",
     "currentSchema=shop", "target_session_attrs=read-write", "sslrootcert=system&sslmode=verify-full"],
)  # fmt: skip
def test_a_parameter_that_is_known(query):
    """What libpq, Django or dj-database-url read is left to them."""
    assert found(f"postgres://app:pass@db.example/shop?{query}")[1] == []


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://app:hunter2@h/db", "postgres+ssl://app:hunter2@h/db", "jdbc:postgresql://h/db?password=hunter2",
     "hunter2", "mysql://app:hunter2@h/db", "postgres:/app:hunter2@h/db", "postgres//app:hunter2@h/db", "app:hunter2@h/db", "postgres://hunter2:x"],
)  # fmt: skip
def test_another_programs_spelling(url):
    """The message says what the address should begin with."""
    _, problems = found(url)

    assert len(problems) == 1
    assert problems[0].startswith("Unexpected value DATABASE_URL=")
    assert "should be postgres://… or postgresql://…" in problems[0]
    assert "hunter2" not in problems[0]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", None),
        ("?sslmode=require", None),
        ("?sslmode=prefer", "sslmode=prefer verifies nothing, and DATABASE_CA is set"),
        ("?sslmode=disable", "sslmode=disable verifies nothing"),
        ("?sslrootcert=/b.pem", "sslrootcert and DATABASE_CA both name an authority"),
    ],
)
def test_an_authority(query, said):
    """DATABASE_CA verifies all, unless the address asks for less; it is never left unused."""
    authority = "/etc/ssl/certs/ca-certificates.crt"

    database, problems = found(f"postgres://app:pass@h/db{query}", DATABASE_CA=authority)

    if said:
        assert said in problems[0]
    else:
        assert problems == []
        assert database["OPTIONS"]["sslrootcert"] == authority
        assert database["OPTIONS"]["sslmode"] == (query.partition("sslmode=")[2] or "verify-full")


def test_a_process():
    """Exit 78 and one line, where a traceback was."""
    for url in (
        "postgres://app:pass@db.example/shop?pgbouncer=true",
        "postgres://app:hunt#er2@db.example/shop",
    ):
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate"], env=os.environ | {"DATABASE_URL": url},
            cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

        assert done.returncode == os.EX_CONFIG
        assert len(done.stderr.splitlines()) == 1
        assert "DATABASE_URL" in done.stderr
