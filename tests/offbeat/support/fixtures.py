"""Fixtures for every test, the project's own too: servers, and the app as real processes. The plugin `servers` brings them."""

from __future__ import annotations

import shutil
import subprocess
from importlib import import_module
from types import SimpleNamespace

import dj_database_url
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, connections
from django.db.models.signals import post_migrate
from structlog.contextvars import clear_contextvars

from tests.offbeat.support import emptied_tables, servers
from tests.offbeat.support.first_process import first_alone
from tests.offbeat.support.stack import Stack
from tests.offbeat.support.static_files import collect_once, read_once

TEMPLATE = "migrated"
DATABASE = "stack"


@pytest.fixture(scope="session")
def postgres(django_db_blocker):
    """The private PostgreSQL of this test run, with a migrated database in it."""
    with first_alone(servers.shared_folder / "migrated"):
        kept = servers.shared_data / "postgres-migrated"
        if kept.exists():
            copy(kept, servers.postgres.data)
        else:
            servers.postgres.start()
            with django_db_blocker.unblock():
                make_template(servers.postgres)
            if servers.is_beside_others:
                servers.postgres.stop()
                copy(servers.postgres.data, kept)
    return servers.postgres.start()


def copy(folder, target):
    """Copy a server's data, with their owner: new ones, migrated, cost several times as much.

    A process that is killed meanwhile leaves half a copy, which the next one does not take for a whole one.
    """
    unfinished = target.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run(["cp", "-a", folder, unfinished], check=True)
    unfinished.rename(target)


@pytest.fixture(scope="session")
def redis():
    """The private Redis of this test run."""
    return servers.redis if servers.other_broker else servers.redis.start()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, migrated_template):
    """Start PostgreSQL before pytest-django makes its test database, and have it made from one that is migrated."""
    connection.settings_dict["TEST"]["TEMPLATE"] = migrated_template


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Have the migration's groups made again where tables are emptied, as by a test with a real transaction.

    Django makes its permissions again by itself: so each test finds both, in whatever order they run.
    """
    groups = import_module("offbeat.ops.migrations.0002_groups")

    def make_groups(using, **_):
        groups.make_groups(apps, SimpleNamespace(connection=connections[using]))

    ops = apps.get_app_config("offbeat_ops")
    post_migrate.connect(make_groups, sender=ops)
    with django_db_blocker.unblock():
        emptied_tables.install()
    yield
    post_migrate.disconnect(make_groups, sender=ops)


@pytest.fixture(scope="session", autouse=True)
def static_files():
    """Collect the static files, as the image's build does: pages name them by their hashes."""
    collect_once()
    with read_once():
        yield


@pytest.fixture(autouse=True)
def nothing_bound():
    """Forget what a test has bound to the log: the next one in this process logs without it."""
    yield
    clear_contextvars()


@pytest.fixture(scope="session")
def migrated_template(postgres):
    """A database that is migrated once, to be copied for each test of real processes."""
    return TEMPLATE


def make_template(postgres):
    """Make the database of that name on a server, and migrate it."""
    with postgres.connect() as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
    with connected_to(postgres.url_of(TEMPLATE)):
        call_command("migrate", verbosity=0)


@pytest.fixture
def stack(postgres, redis, migrated_template, tmp_path, django_db_blocker):
    """The app as real processes, none started yet; the test's own queries go to the same database."""
    carrier = servers.other_broker or redis
    for server in (postgres, carrier):
        server.resume()
        server.start()
    with postgres.connect() as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {migrated_template} STRATEGY file_copy")
    empty(carrier)
    stack = Stack(postgres, redis, postgres.url_of(DATABASE), tmp_path)
    with django_db_blocker.unblock(), connected_to(stack.environment["DATABASE_URL"]):
        yield stack
    stack.end()
    carrier.resume()
    carrier.start()
    empty(carrier)  # nor must a test without a stack find its ledger's sign


@pytest.fixture(scope="session")
def shared_chromium():
    """The Chromium of this process, started for the first test that asks for it."""
    from tests.offbeat.support.chromium import SharedChromium, launched  # noqa: PLC0415  few processes need Playwright

    with launched() as browser:
        shared = SharedChromium(browser)
        yield shared
        shared.show(shared.loop)


@pytest.fixture
def chromium(stack, shared_chromium):
    """A browser in which nobody has been yet: a test makes contexts of its own, which end before the processes do."""
    with shared_chromium.lend() as browser:
        yield browser


def empty(carrier):
    """Leave nothing in Redis, or in the broker in its place."""
    if carrier is servers.other_broker:
        carrier.empty()
        return
    with carrier.connect() as client:
        client.flushall()


def forget_ledger():
    """Have this process ask again which ledger it works on."""
    from offbeat.jobs import ledger  # noqa: PLC0415  the tests of models come after their apps

    ledger.identity.cache_clear()


class connected_to:  # noqa: N801  reads as what it does
    """Point Django's connection of this process at another database, for a while."""

    def __init__(self, url):
        self.values = {
            name: dj_database_url.parse(url)[name] for name in ("NAME", "HOST", "PORT", "PASSWORD")
        }

    def __enter__(self):
        connection.close()
        self.before = {name: connection.settings_dict[name] for name in self.values}
        connection.settings_dict.update(self.values)
        forget_ledger()

    def __exit__(self, *error):
        connection.close()
        connection.settings_dict.update(self.before)
        forget_ledger()
