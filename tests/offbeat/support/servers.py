"""A pytest plugin (`-p tests.offbeat.support.servers`): private servers, and production's settings, before Django is set up.

Redis runs from the start; PostgreSQL starts with the first test that needs it.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from importlib import import_module
from itertools import chain
from pathlib import Path

import psutil
import pytest

from offbeat.dev.embedded_postgres import EmbeddedPostgres
from offbeat.dev.embedded_redis import EmbeddedRedis
from offbeat.dev.environments import private
from offbeat.dev.servers import CHECKOUT
from tests.offbeat.support import axis, memory_folder, order, quick, warm_python
from tests.offbeat.support.first_process import first_alone
from tests.offbeat.support.locales import find_locale
from tests.offbeat.support.sqs_server import add_library

pytest_plugins = ["offbeat.testing.plugin"]
CORE = CHECKOUT / "tests" / "offbeat"
PREFIX = "offbeat-test-"


def remove_leftovers():
    """Remove what earlier runs that were killed have left: a database is 40 MB."""
    places = {Path(tempfile.gettempdir()), memory_folder.MEMORY}
    for leftover in chain.from_iterable(place.glob(f"{PREFIX}*") for place in places):
        pid = leftover.name.removeprefix(PREFIX).partition("-")[0]
        if not (pid.isdigit() and psutil.pid_exists(int(pid))):
            shutil.rmtree(leftover, ignore_errors=True)


remove_leftovers()
folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
data_folder = memory_folder.make(folder)
for each in (folder, data_folder):
    each.chmod(0o711)  # started by root, PostgreSQL runs as nobody
# Of the pytest that started this process beside others, where one did; a test may start a pytest, which is none of these.
parents = Path(os.environ.get("PYTEST_DEBUG_TEMPROOT", folder))
is_beside_others = parents.name.startswith(f"{PREFIX}{os.getppid()}-")
shared_folder = parents if is_beside_others else folder
shared_data = memory_folder.find(shared_folder)
locale, locale_path = find_locale(os.environ.get("PYTEST_LOCALE", "en_US.UTF-8"), CHECKOUT / ".local/tools")
postgres = EmbeddedPostgres(data_folder / "postgres", durable=False, locale=locale)
if is_beside_others:  # the databases of one are copied for the others, and with them the password
    postgres.folder.mkdir()
    shutil.copy(shared_data / "postgres" / "password", postgres.folder)
redis = EmbeddedRedis(folder / "redis", durable=False)
other_broker, missing = axis.make_server(folder)
settings = private(os.environ) | {
    **{
        name: os.environ[name]
        for name in (
            "OFFBEAT_ROOT",
            "OFFBEAT_TEST_BROKER",
            "OFFBEAT_TEST_POOL",
            "OFFBEAT_TEST_ALL",
        )
        if name in os.environ
    },
    "PYTHONPATH": f"{CHECKOUT / 'src'}{os.pathsep}{CHECKOUT}",
    "DATABASE_URL": postgres.url,
    "REDIS_URL": redis.url,
    "MEDIA_ROOT": tempfile.mkdtemp(prefix="media-", dir=folder),
    "PYTEST_DEBUG_TEMPROOT": str(folder),  # two runs of pytest at once clean up each other's folders
    "TESTS_STATIC_ROOT": str(shared_folder / "static"),  # not those of another checkout, nor a developer's
}
if other_broker:
    settings = {
        name: value for name, value in settings.items() if name != "REDIS_URL"
    } | other_broker.variables
if axis.BROKER == "sqs":
    add_library()
os.environ.clear()
os.environ.update(settings | locale_path)


MARKERS = (
    "faults: real processes, real kills",
    "browser: a real Chromium",
    "long: takes most of a minute, so it begins before others",
    "storm: ten workers at once; runs alone, it uses every CPU there is",
    "fault(*rows): proves these rows of docs/offbeat/faults.md, named by their first cells",
    "brokers(*names, weekly=(), only=False): holds with these brokers too, or with them only; with some it runs once a week",
    "pools(*names, weekly=(), only=False): holds with these pools too, or with them only; with some it runs once a week",
)


def pytest_addoption(parser):
    parser.addoption(
        quick.OPTION, action="store_true", help="leave out what is slow: for a run between two edits"
    )


def pytest_configure(config):
    """Bring the fixtures after pytest-django's, of which they replace one."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    # Not import_plugin(): the conftest of a folder that is named on the command line has imported it already.
    config.pluginmanager.register(
        import_module("tests.offbeat.support.fixtures"), "tests.offbeat.support.fixtures"
    )


def pytest_ignore_collect(collection_path, config):
    """Keep two suites apart whose settings differ: the core's, and what is tested with the project's."""
    if config.getoption(quick.OPTION) and quick.ignores(collection_path, CORE):
        return True
    if collection_path.parent != CORE:
        return None
    is_of_the_project = collection_path == CORE / "project"
    return is_of_the_project == (config.inipath == CORE / "pytest.ini") or None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    axis.select(config, items, missing)
    if config.getoption(quick.OPTION):
        quick.select(config, items)
    order.arrange(items, getattr(config, "workerinput", {}).get("workercount", 1))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect no garbage while the tests are collected, nor look at them ever after: thousands of them are no garbage.

    Of the processes side by side one compiles all modules of tests, and the others find them compiled.
    """
    gc.disable()
    try:
        with first_alone(shared_folder / "compiled"):
            return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_report_header(config):
    left_out = [quick.LEFT_OUT] if config.getoption(quick.OPTION) else []
    return [f"database: PostgreSQL with the locale {locale}", *left_out]


def pytest_sessionstart(session):
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("asked to stop by SIGTERM", 143))
    if other_broker is None:
        redis.start()
    elif not missing and not is_controller(session.config):
        other_broker.start()


def is_controller(config):
    """Tell whether other processes run the tests, each with servers of its own."""
    return not hasattr(config, "workerinput") and getattr(config.option, "dist", "no") != "no"


def pytest_unconfigure():
    warm_python.end_servers()
    for server in filter(None, (redis, postgres, other_broker)):
        server.resume()
        server.stop()
    for each in (folder, data_folder):
        shutil.rmtree(each, ignore_errors=True)
