"""Servers that somebody has named: whose they may be, and who is asked before they are used."""

from __future__ import annotations

import io
import os
import socket

import psycopg
import pytest

from offbeat.dev.named_servers import named_servers
from offbeat.dev.refusal import RefusedError
from offbeat.dev.shared_servers import agree

HERE = {
    "DATABASE_URL": "postgres://me:secret@localhost:1/shop",
    "REDIS_URL": "redis://:secret@127.0.0.1:6379/0",
}
AWAY = HERE | {"DATABASE_URL": "postgres://me:secret@db.example.com/shop"}
ACT = "The worker takes the jobs that wait there"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def ask(environment, *, is_agreed=False):
    return agree(environment, ACT, "./run up --shared-servers", is_agreed=is_agreed)


@pytest.mark.parametrize(
    ("variables", "shown", "is_here"),
    [
        ({}, "PostgreSQL at localhost:1, database shop", True),
        ({"DATABASE_URL": "postgres://[::1]/x"}, "PostgreSQL at ::1:5432, database x", True),
        (
            {"DATABASE_URL": "postgres:///x?sslmode=disable"},
            "PostgreSQL at a local socket:5432, database x",
            True,
        ),
        ({"DATABASE_URL": "postgres:///x?host=/run/pg"}, "PostgreSQL at /run/pg:5432, database x", True),
        (
            {"DATABASE_URL": "postgres:///x?sslmode=disable", "PGHOST": "db"},
            "PostgreSQL at db:5432, database x",
            False,
        ),
        (
            {"DATABASE_URL": "postgres:///x?sslmode=disable", "PGSERVICE": "live"},
            "PostgreSQL at the service live:5432, database x",
            False,
        ),
        (
            {"DATABASE_URL": "postgres:///x?host=db.example.com"},
            "PostgreSQL at db.example.com:5432, database x",
            False,
        ),
        (
            {"DATABASE_URL": "postgres://localhost/x?hostaddr=10.0.0.9"},
            "PostgreSQL at 10.0.0.9:5432, database x",
            False,
        ),
        (
            {"DATABASE_URL": "postgres://localhost.example.com/x"},
            "PostgreSQL at localhost.example.com:5432, database x",
            False,
        ),
    ],
)
def test_where_a_database_is(variables, shown, is_here):
    """As Django and libpq find it, without a password."""
    server, redis = named_servers(HERE | variables)

    assert (str(server), server.is_here) == (shown, is_here)
    assert str(redis) == "Redis at 127.0.0.1:6379"


@pytest.mark.parametrize(
    ("url", "shown", "is_here"),
    [
        ("unix://:secret@/run/redis.sock", "Redis at a local socket", True),
        ("valkeys://:secret@cache.example.com", "Redis at cache.example.com:6379", False),
        ("sentinel://:secret@127.0.0.1:1,[::1]:2/0", "Redis at 127.0.0.1,::1:1,2", True),
        ("sentinel://127.0.0.1;sentinel://:secret@10.0.0.7/0", "Redis at 127.0.0.1,10.0.0.7:26379", False),
    ],
)
def test_where_a_redis_is(url, shown, is_here):
    """One sentinel that is elsewhere is enough."""
    _, found = named_servers(HERE | {"REDIS_URL": url})

    assert (str(found), found.is_here) == (shown, is_here)


@pytest.mark.parametrize(("there", "missing"), [("DATABASE_URL", "REDIS_URL"), ("REDIS_URL", "DATABASE_URL")])
def test_one_of_the_two_is_refused(there, missing):
    """The message says what would be right."""
    with pytest.raises(
        RefusedError, match=f"{there} is set and {missing} is not.* Hint: set {missing} .*unset both"
    ):
        named_servers({there: HERE[there]})


def test_none_of_the_two_is_fine():
    """The embedded ones are nobody else's."""
    assert named_servers({}) == []


def test_without_a_terminal_a_flag_is_needed(monkeypatch, capsys):
    """The error names both servers, what would happen, and the flag; with it both are printed."""
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(RefusedError) as refused:
        ask(AWAY)
    agreed = ask(AWAY, is_agreed=True)

    assert refused.value.code == os.EX_USAGE
    assert str(refused.value) == (
        "DATABASE_URL and REDIS_URL name PostgreSQL at db.example.com:5432, database shop, Redis at 127.0.0.1:6379: "
        f"PostgreSQL is not on this machine. {ACT}. Hint: ./run up --shared-servers if that is what you want; "
        "otherwise unset both for embedded servers."
    )
    assert agreed
    assert "Redis at 127.0.0.1:6379: PostgreSQL is not on this machine." in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["\n", "n\n", ""])
def test_only_a_yes_is_one(monkeypatch, answer):
    """On a terminal somebody is asked, and nothing is done without a yes."""
    monkeypatch.setattr("sys.stdin", Terminal(answer))

    with pytest.raises(RefusedError, match="Nothing was started"):
        ask(AWAY)


def test_a_yes_is_enough(monkeypatch, capsys):
    """The question names both servers."""
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))

    assert ask(AWAY)
    assert "Go on? [y/N]" in capsys.readouterr().err


def test_a_database_of_this_machine_is_used_unasked(monkeypatch, capsys):
    """Both are printed all the same."""
    monkeypatch.setattr("sys.stdin", io.StringIO())

    assert not ask(HERE)
    assert (
        capsys.readouterr().err
        == "Using PostgreSQL at localhost:1, database shop, Redis at 127.0.0.1:6379.\n"
    )


def test_a_database_whose_workers_live_is_somebodys(monkeypatch, stack):
    """Also on this machine: those of another checkout would lose their jobs to ours."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    environment = HERE | {"DATABASE_URL": stack.environment["DATABASE_URL"]}
    columns = "id, hostname, pid, queues, concurrency, version"
    row = f"INSERT INTO offbeat_jobs_worker ({columns}) VALUES (gen_random_uuid(), %s, %s, '[]', 1, '')"  # noqa: S608
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(row, [socket.gethostname(), 2**22 + 1])  # was killed a moment ago
        before = ask(environment)
        connection.execute(row, ["web-1.example.com", 7])

    assert not before
    with pytest.raises(RefusedError, match=r"workers run there already \(web-1.example.com, pid 7\)"):
        ask(environment)
