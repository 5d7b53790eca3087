"""An error of the project's code in two or three lines."""

from __future__ import annotations

import pytest

from offbeat.dev.code_error import describe_error


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
