"""docs/offbeat/api.md, which promises what stays, against what the core has."""

from __future__ import annotations

import inspect
import re
from importlib import import_module

import pytest
from _pytest.fixtures import FixtureFunctionDefinition
from celery.app.task import Task
from django.core.management import get_commands
from django.dispatch import Signal
from django.test import Client
from django.urls import Resolver404, resolve

from offbeat import env, settings
from offbeat.cronjobs import EnqueueCommand
from offbeat.jobs import Batch, Job, signals, testing
from offbeat.jobs.enqueuer import Enqueuer
from offbeat.jobs.task import DurableTask
from offbeat.ops.health import PATHS
from offbeat.testing import plugin
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT

PAGE = (CHECKOUT / "docs" / "offbeat" / "api.md").read_text()
NO_DEFAULT = inspect.Parameter.empty


def section(title):
    """Give the text below a heading, up to the next one of whatever level."""
    return re.split(r"^#+ ", PAGE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """Give what stands in backquotes in the first cell of each row."""
    return [
        name for line in text.splitlines() if line.startswith("| `") for name in quoted(line.split("|")[1])
    ]


def quoted(text):
    return re.findall(r"`([^`]+)`", text)


def names(text):
    return [row.partition("(")[0] for row in rows(text)]


def signature(function):
    """Give the parameters of a function as the page writes them: without types, and without self."""
    parameters = [
        each.replace(annotation=NO_DEFAULT)
        for name, each in inspect.signature(function).parameters.items()
        if name != "self"
    ]
    text = str(inspect.Signature(parameters))
    return text.replace("datetime.timedelta(0)", "timedelta(0)")


@pytest.mark.parametrize("package", ["offbeat.jobs", "offbeat.jobs.tasks_backend", "offbeat.cronjobs"])
def test_the_page_has_the_names_of_a_package(package):
    """What a package lists as public is on the page, and nothing else."""
    assert sorted(names(section(f"`{package}`"))) == sorted(import_module(package).__all__)


def test_the_page_has_the_fields_that_stay():
    """Each field that the page promises is one of the models."""
    job, batch = (
        section("`offbeat.jobs`").partition("Public fields of a `Job`")[2].split("fields of a `Batch`")
    )
    promised = {name for name in quoted(job) if name.islower()}

    assert promised <= {*(field.name for field in Job._meta.get_fields()), "is_finished"}  # noqa: SLF001
    assert set(quoted(batch)) <= {field.name for field in Batch._meta.get_fields()}  # noqa: SLF001


def test_the_page_has_the_methods_of_a_task():
    """What a task has beside Celery's own, as it is called."""
    own = {
        name: method
        for name, method in vars(DurableTask).items()
        if inspect.isfunction(method) and name[0] != "_" and (name == "retry" or not hasattr(Task, name))
    }

    assert sorted(rows(section("A task"))) == sorted(
        f"{name}{signature(method)}" for name, method in own.items()
    )


def test_the_page_has_the_options_of_a_task():
    """The options of `using`, and those of the decorator."""
    using = next(line for line in section("A task").splitlines() if line.startswith("| `using"))
    options = set(inspect.signature(Enqueuer).parameters) - {"task"}

    assert set(quoted(using.split("|")[2])) == options
    assert all(hasattr(DurableTask, name) for name in quoted(section("A task").rpartition("and these:")[2]))


def test_the_page_has_the_signals():
    """Each signal of jobs is on the page."""
    own = [name for name, value in vars(signals).items() if isinstance(value, Signal)]

    assert names(section("`offbeat.jobs.signals`")) == own


def test_the_page_has_what_tests_use():
    """The functions and errors of offbeat.jobs.testing, as they are called."""
    own = {
        name: value
        for name, value in vars(testing).items()
        if getattr(value, "__module__", "") == testing.__name__ and name[0] != "_"
    }

    assert rows(section("`offbeat.jobs.testing`")) == [
        f"run_jobs{signature(testing.run_jobs)}",
        f"arun_jobs{signature(testing.arun_jobs)}",
        "EndlessJobsError",
        "JobFailedError",
    ]
    assert own.keys() == set(names(section("`offbeat.jobs.testing`")))


def test_the_page_has_what_is_for_the_database():
    """Each name is there, and is called as the page says."""
    for row in rows(section("For the database")):
        path, _, given = row.partition("(")
        module, _, name = path.rpartition(".")
        called = getattr(import_module(module), name)
        # Python 3.11 shows the arguments of __new__, which takes any.
        found = inspect.signature(called.__init__ if inspect.isclass(called) else called).parameters

        assert set(given.rstrip(")").split(", ")) <= set(found)


def test_the_page_has_the_attributes_of_a_command():
    """A cronjob's command is set up by these attributes and methods."""
    attributes, _, methods = (
        section("`offbeat.cronjobs`").partition("Its attributes are")[2].partition("override its methods")
    )

    assert quoted(attributes) == list(EnqueueCommand.__annotations__)
    assert quoted(methods)[0] == f"arguments{signature(EnqueueCommand.arguments)}"
    assert quoted(methods)[1] == f"add_arguments{signature(EnqueueCommand.add_arguments)}"


def test_the_page_has_what_the_settings_give():
    """Each name that a project takes from the core's settings is there."""
    variables, readers = section("Settings").split("| method of `env`")

    assert [name for name in names(variables) if not hasattr(settings, name)] == []
    public = [
        name for name, value in vars(env.Environment).items() if inspect.isfunction(value) and name[0] != "_"
    ]
    assert set(names(readers)) <= set(public)


def test_the_page_has_where_it_is_plugged_in():
    """Each dotted name can be imported, and each file is there."""
    for name in names(section("Where a project plugs it in")):
        if name.startswith("src/"):
            assert (CHECKOUT / name).is_file()
            continue
        module, _, attribute = name.rpartition(":" if ":" in name else ".")
        assert hasattr(import_module(module), attribute) or import_module(name)


def test_the_page_has_the_commands():
    """Each management command of the core, and no other."""
    own = [name for name, app in get_commands().items() if app.startswith("offbeat.")]

    assert set(own) <= set(names(section("Management commands")))
    everywhere = [path.stem for path in (CHECKOUT / "src" / "offbeat").rglob("management/commands/*.py")]
    assert sorted(names(section("Management commands"))) == sorted(set(everywhere) - {"__init__"})


def test_the_page_has_what_tests_are_given(stack):
    """Each attribute of the stack, and the function that polls."""
    row = next(line for line in section("In tests").splitlines() if line.startswith("| `stack`"))

    assert [name for name in quoted(row.split("|")[2]) if not hasattr(stack, name)] == []
    assert names(section("In tests"))[1] == f"{wait_until.__module__}.{wait_until.__name__}"


def test_the_page_has_the_fixtures():
    """Each of the plugin, with its option, and the manual has it."""
    own = {
        name
        for name, value in vars(plugin).items()
        if isinstance(value, FixtureFunctionDefinition) and name[0] != "_"
    }

    assert set(names(section("In tests"))[2:]) == own | {plugin.INI}
    manual = (CHECKOUT / "docs/offbeat/testing-jobs.md").read_text()
    assert [name for name in (*own, plugin.INI) if f"`{name}" not in manual] == []


@pytest.mark.parametrize("path", rows(section("Addresses")))
def test_the_page_has_the_addresses(path):
    """Each address is answered, by a page or before any."""
    if path in PATHS:
        return
    try:
        resolve(path.replace("<name>", "tick"))
    except Resolver404:
        pytest.fail(f"nothing answers at {path}")


def test_the_health_paths_are_on_the_page():
    """What is answered before any page is promised too."""
    assert set(PATHS) <= set(rows(section("Addresses")))
    assert Client().get("/healthz").status_code == 200
