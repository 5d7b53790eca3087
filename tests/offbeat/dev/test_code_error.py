"""An error of the project's code in two or three lines."""

from __future__ import annotations

import json

import pytest
from django.conf import settings
from django.db.migrations.exceptions import NodeNotFoundError

from offbeat.dev import migration_state
from offbeat.dev.code_error import describe_error
from offbeat.dev.servers import CHECKOUT


@pytest.fixture
def module(tmp_path):
    """Run a file of a project, and return the error that it raises."""

    def run(text):
        path = tmp_path / "src/shop.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        with pytest.raises(Exception) as caught:  # noqa: PT011  any
            exec(compile(text, str(path), "exec"), {})  # noqa: S102
        return describe_error(caught.value, tmp_path)

    return run


def test_a_syntax_error(module):
    """The place, the words, the line and where in it."""
    assert module("x = 1\ny = (1\n") == "src/shop.py, line 2: '(' was never closed\n    y = (1\n        ^"


def test_an_error_while_importing(module):
    """The last line of the project that it came through, although a package of others raised it."""
    said = module("import json\njson.loads('{')\n")

    assert said.startswith("src/shop.py, line 2, in <module>: JSONDecodeError: Expecting property name")
    assert said.endswith("\n    json.loads('{')")


def test_an_error_of_an_error(module):
    """Where one error was made of another, the place is that of the first."""
    said = module(
        "def f():\n    1 / 0\ntry:\n    f()\nexcept ZeroDivisionError as e:\n    raise ValueError('no') from e\n"
    )

    assert said.startswith("src/shop.py, line 6, in <module>: ValueError: no")


def test_a_secret_is_in_no_message(module):
    """What looks like a password in an address is hidden, as in all that is printed."""
    assert "hunter2" not in module("raise ValueError('postgres://me:hunter' + '2@db/x')")


def test_an_error_from_elsewhere():
    """Without a place in the project the kind and the words are all there is."""
    assert describe_error(ValueError("no such thing")) == "ValueError: no such thing"


def test_an_app_that_is_not_there(monkeypatch):
    """No line of the project imports it, and those of the core that called Django help nobody."""
    named = [*settings.INSTALLED_APPS, "shopp.apps.ShoppConfig"]
    monkeypatch.setattr(settings, "INSTALLED_APPS", named)
    error = ModuleNotFoundError("No module named 'shopp'", name="shopp")

    assert describe_error(error).splitlines() == [
        "ModuleNotFoundError: No module named 'shopp'",
        "    INSTALLED_APPS of tests.offbeat.settings has 'shopp.apps.ShoppConfig'",
    ]


def test_an_error_of_django_that_the_core_called(monkeypatch):
    """Such as a circle of migrations: a line of the core would send its reader to the wrong place."""
    monkeypatch.setattr(migration_state, "MigrationExecutor", json.loads)
    with pytest.raises(TypeError) as caught:
        list(migration_state.report_migrations())

    assert describe_error(caught.value, CHECKOUT / "src").startswith("TypeError: the JSON object must be")


def test_migrations_that_contradict_each_other(monkeypatch):
    """Another branch has a migration whose parent is not here: a line says it, and the processes restart."""

    def load(_):
        raise NodeNotFoundError("shop.0003 depends on shop.0002, which is not there", ("shop", "0002"))

    monkeypatch.setattr(migration_state, "MigrationExecutor", load)

    assert list(migration_state.report_migrations()) == [
        "Migrations cannot be compared: shop.0003 depends on shop.0002, which is not there"
    ]
