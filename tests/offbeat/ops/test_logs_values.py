"""Whatever is logged: its line is printed, as one line of JSON, bounded, and without a command for anybody's terminal."""

import json
import logging

import pytest
from celery.app.trace import ExceptionInfo
from structlog import contextvars

from offbeat import redaction
from offbeat.ops.logs import Formatter


def record(message="hello", *args, exc_info=None, **extra):
    logger = logging.getLogger("tests.offbeat.ops")
    return logger.makeRecord(logger.name, logging.WARNING, "", 0, message, args, exc_info, extra=extra)


def as_json(*args, **extra):
    """Format as production does; it is one line, whatever is in it."""
    line = Formatter(as_json=True).format(record(*args, **extra))
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    return json.loads(line, parse_constant=pytest.fail)


def for_people(monkeypatch, *args, **extra):
    monkeypatch.setenv("NO_COLOR", "1")
    return Formatter(as_json=False).format(record(*args, **extra))


class MuteValue:
    """A value that cannot be shown."""

    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


class MuteError(MuteValue, Exception):
    """An error that cannot be shown."""


HOSTILE = "one\ntwo\r\x1b[2J\x1b]0;title\x07\x00\x9b31m\u2028\u202e\ud800\x7f"
CIRCLE: dict = {}
CIRCLE["again"] = CIRCLE
VALUES = {
    "controls": HOSTILE,
    "bytes": b"\xff\x00",
    "mute": MuteValue(),
    "an error": ValueError("no"),
    "a mute error": MuteError(),
    "mute inside": {"deep": [MuteValue()]},
    "a circle": CIRCLE,
    "deep": [[[[[[[[[["x"]]]]]]]]]],
    "keys": {("a", 1): 2, None: 3, MuteValue: 4},
    "a set": {1},
    "a number without an end": 10**10_000,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "wide": [["x" * 10_000] * 1_000] * 1_000,
    "long": "x" * 1_000_000,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_any_value_is_printed(value, monkeypatch):
    """As one line of JSON, and for people without a character that commands a terminal; both bounded."""
    found = as_json("got %s", "it", value=value)
    text = for_people(monkeypatch, "got %s", "it", value=value)

    assert found["message"] == "got it"
    assert found["value"] is not None
    assert len(json.dumps(found)) < 200_000
    assert "got it" in text
    assert not [each for each in text if not each.isprintable() and each not in "\n\t"]


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("%d jobs", ("many",)),
        ("%s of %s", ("one",)),
        ("%s", (MuteValue(),)),
        ("%(name)s", ({"x": 1},)),
        (MuteError(), ()),
    ],
)
def test_a_message_that_does_not_fit_is_printed(message, args, capsys, monkeypatch):
    """Whoever logs it finds the line, with what was given beside it, and not a traceback of logging itself."""
    found = as_json(message, *args, action="odd")

    assert found["action"] == "odd"
    assert "cannot be shown" in found["message"]
    assert "cannot be shown" in for_people(monkeypatch, message, *args)
    assert capsys.readouterr().err == ""


def test_hostile_text_commands_no_terminal(monkeypatch):
    """In the message, beside it, and in an exception: escapes are shown, and a second line is indented, so none is forged."""
    forged = "x\n2026-11-26T07:21:46Z [info] all is well"
    error = ValueError(HOSTILE + forged)

    text = for_people(monkeypatch, HOSTILE + forged, who=HOSTILE, exc_info=(ValueError, error, None))

    assert not [each for each in text if not each.isprintable() and each not in "\n\t"]
    assert "\\x1b[2J" in text
    assert not [line for line in text.splitlines() if line.startswith("2026-11-26T07:21:46Z")]


def test_half_characters_are_escaped():
    """A reader of JSON that refuses them must not lose the line."""
    found = as_json("a \ud800 file", file="\udcff")

    assert (found["message"], found["file"]) == ("a \\ud800 file", "\\udcff")


@pytest.mark.parametrize(
    "extra",
    [
        {"password": "hunter2"},
        {"given": {"password": "hunter2", "user": "u"}},
        {"given": [{"api_key": "hunter2"}]},
        {"error": ValueError("redis://:hunter2@redis")},
        {"given": {"deep": ["redis://:hunter2@redis"]}},
        {"given": {"redis://:hunter2@redis": 1}},
    ],
)
def test_secrets_beside_the_message_are_hidden(extra, monkeypatch):
    """Also in what is nested, by the name of a value or by its text."""
    found = json.dumps(as_json("failed", **extra))

    assert "hunter2" not in found + for_people(monkeypatch, "failed", **extra)
    assert "***" in found


def test_what_is_bound_to_the_context_is_hidden_too():
    """As the request's id is, whatever a project binds is in each line."""
    with contextvars.bound_contextvars(upstream="redis://:hunter2@redis"):
        assert as_json()["upstream"] == "redis://***@redis"


def test_long_values_keep_their_ends():
    """The beginning says what it is, the end what came of it."""
    found = as_json(
        "begin" + "x" * 100_000 + "the end", exc_info=(ValueError, ValueError("x" * 100_000 + "last"), None)
    )

    assert found["message"].startswith("begin")
    assert found["message"].endswith("the end")
    assert "characters cut" in found["message"]
    assert found["exception"].endswith("last")
    assert len(found["exception"]) < redaction.LONGEST_TRACEBACK


def test_usual_values_stay_as_they_are():
    """Numbers, nothing, truth, lists and dictionaries are those of JSON."""
    given = {
        "concurrency_key": "a",
        "one": 1,
        "half": 0.5,
        "none": None,
        "yes": True,
        "list": [1, "a"],
        "dict": {"a": {"b": None}},
    }

    assert as_json("hello", given=given)["given"] == given


def test_an_error_that_celery_carries_is_printed():
    """In a worker's main process an exception has a traceback of Celery's own making."""
    try:
        int("here")
    except ValueError:
        info = ExceptionInfo()

    assert as_json("failed", exc_info=info.exc_info)["exception"].count("ValueError: invalid literal")
