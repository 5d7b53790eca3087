"""`./run manage`: a command finds the servers that it needs."""

from __future__ import annotations

import re
import signal
import socket

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from offbeat.dev.demo_user import make_demo_user
from tests.offbeat.support.polling import wait_until


def test_without_up_it_has_servers_for_as_long_as_it_runs(checkout):
    """They start before the command and are gone after it; the data stays for the next one."""
    migrated = checkout.run("manage", "migrate", "--verbosity", "0")
    left = checkout.processes()
    checked = checkout.run("manage", "migrate", "--check")

    assert migrated.returncode == 0, migrated.stderr
    assert left == []
    assert checked.returncode == 0


def test_its_exit_code_is_the_commands(checkout):
    """A script that calls it learns how the command ended."""
    assert checkout.run("manage", "no_such_command").returncode == 1


def test_two_share_the_servers(checkout):
    """While one command runs, another uses the same servers instead of ending them."""
    first = checkout.start("manage", "localcron")
    first.wait_for("next at")

    second = checkout.run("manage", "migrate", "--verbosity", "0")

    assert second.returncode == 0, second.stderr
    assert first.is_running


def test_a_stop_ends_the_command_and_then_the_servers(checkout):
    """SIGTERM is passed on, and nothing is left."""
    running = checkout.start("manage", "localcron")
    running.wait_for("next at")

    running.signal(signal.SIGTERM)

    assert running.wait() == 143
    wait_until(lambda: checkout.processes() == [])


def test_a_variable_of_the_terminal_wins(checkout):
    """A server that is named by hand is the one that is asked, and no embedded one starts for it."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"

        refused = checkout.run(
            "manage",
            "migrate",
            DATABASE_URL=f"postgresql://me@{address}/mine",
            REDIS_URL=f"redis://{address}/0",
        )

    assert refused.returncode == 69
    assert f"PostgreSQL at {address}" in refused.stderr


def test_reset_waits_for_nobody(checkout):
    """Data that is in use is not deleted; the message says by whom."""
    running = checkout.start("manage", "localcron")
    running.wait_for("next at")

    refused = checkout.run("reset")

    assert refused.returncode == 75
    assert f"./run manage (pid {running.pid}) uses" in refused.stderr


@pytest.mark.parametrize(("task", "code"), [("reset", 77), ("manage", 69), ("up", 69)])
def test_a_folder_that_cannot_be_written(checkout, task, code):
    """A checkout of another user, or on a disk that is only read: that is one line, and it names the file."""
    refused = checkout.run(task, LOCAL_DIR="/dev/null/local")

    assert refused.returncode == code
    assert re.fullmatch(r"Error: \[Errno \d+\] Not a directory: '/dev/null/local'\n", refused.stderr)


def test_reset_deletes_the_data(checkout):
    """After a reset the next start is the first; only programs of optional tests are kept, for those who are offline."""
    checkout.run("manage", "migrate", "--verbosity", "0")
    fetched = checkout.folder / "local" / "tools" / "a file"
    fetched.parent.mkdir()
    fetched.touch()

    reset = checkout.run("reset")

    assert reset.returncode == 0, reset.stderr
    assert {path.name for path in (checkout.folder / "local").iterdir()} == {"tools", "running"}
    assert fetched.exists()


ELSEWHERE = {
    "DATABASE_URL": "postgres://me:secret@db.example.com/x",
    "REDIS_URL": "redis://:secret@127.0.0.1:1/0",
}


def test_one_server_of_the_two_is_refused(checkout):
    """A command on somebody's database, with a Redis that ends with it, would lose what it enqueues."""
    refused = checkout.run("manage", "check", DATABASE_URL=ELSEWHERE["DATABASE_URL"])

    assert refused.returncode == 78
    assert "DATABASE_URL is set and REDIS_URL is not" in refused.stderr


@pytest.mark.parametrize(
    "task", [("manage", "worker"), ("manage", "migrate"), ("manage", "release"), ("fire", "prune-jobs")]
)
def test_servers_elsewhere_are_not_taken_unasked(checkout, task):
    """What would take jobs, migrate or fire there needs the flag; both servers are named, without a password."""
    refused = checkout.run(*task, **ELSEWHERE)

    assert refused.returncode == 64
    assert "PostgreSQL at db.example.com:5432, database x, Redis at 127.0.0.1:1: " in refused.stderr
    assert "--shared-servers" in refused.stderr
    assert "secret" not in refused.stderr


def test_reset_says_what_it_leaves(checkout):
    """Whoever has named servers does not believe that these are empty now."""
    reset = checkout.run("reset", **ELSEWHERE)

    assert "Untouched: what DATABASE_URL and REDIS_URL lead to." in reset.stdout


def test_the_demo_user_is_made_on_this_machine_only(monkeypatch):
    """Everybody knows the password: no option makes it in a database elsewhere."""
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "db.example.com")

    with pytest.raises(CommandError, match=r"PostgreSQL at db.example.com:.* is not on this machine"):
        make_demo_user()


@pytest.mark.django_db
def test_the_demo_users_password_is_compared_once(tmp_path, monkeypatch):
    """It takes half a second, of each start; a password that somebody has changed is put back all the same."""
    compared = []
    user_class = get_user_model()
    check = user_class.check_password
    monkeypatch.setattr(
        user_class, "check_password", lambda user, raw: compared.append(user) or check(user, raw)
    )

    for _ in range(2):
        make_demo_user(verified=tmp_path / "demo-user")
    user_class.objects.update(password="another")
    make_demo_user(verified=tmp_path / "demo-user")

    assert len(compared) == 2
    assert check(user_class.objects.get(), "offbeat")
