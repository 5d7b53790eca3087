"""What a job may be called with."""

import datetime as dt
import decimal
import json
import uuid

import pytest

from offbeat.jobs.arguments import ArgumentError, encode_arguments
from offbeat.jobs.models import Worker


def test_json_is_taken():
    """Everything that JSON has comes out as it went in."""
    args, kwargs = encode_arguments("t", [1, 1.5, "ü", True, None, [1, {"a": []}]], {"b": {"c": [2]}})

    assert json.loads(args) == [1, 1.5, "ü", True, None, [1, {"a": []}]]
    assert json.loads(kwargs) == {"b": {"c": [2]}}


def test_a_tuple_becomes_a_list():
    """A tuple is JSON's list, as in Celery's own messages."""
    assert encode_arguments("t", [(1, (2,))], {}) == ("[[1, [2]]]", "{}")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            "is a datetime, which JSON does not have: pass its isoformat()",
        ),
        (dt.date(2026, 1, 1), "is a date, which JSON does not have: pass its isoformat()"),
        (uuid.UUID(int=0), "is a UUID, which JSON does not have: pass str() of it"),
        (decimal.Decimal(1), "is a Decimal, which JSON does not have: pass str() of it"),
        ({1}, "is a set, which JSON does not have: pass a sorted list"),
        (b"x", "is a bytes, which JSON does not have: pass its decode()"),
        (Worker(), "is a Worker, which JSON does not have: pass the primary key of a row"),
        (object(), "is a object, which JSON does not have: pass what JSON has"),
        (float("nan"), "is nan, which JSON does not have"),
        (float("-inf"), "is -inf, which JSON does not have"),
        ("a\x00b", "holds a NUL character, which PostgreSQL cannot store"),
        ({1: 2}, "has the key 1, which JSON would turn into text"),
    ],
)
def test_what_is_not_json_is_refused(value, problem):
    """The message names the task, the argument, what it is, and what to pass instead."""
    with pytest.raises(ArgumentError) as raised:
        encode_arguments("shop.pay", [7, value], {})

    assert str(raised.value) == f"shop.pay: argument 2 {problem}."


def test_a_keyword_argument_is_named():
    """One given by name is named by it."""
    with pytest.raises(ArgumentError, match=r'^t: argument "when" is a date'):
        encode_arguments("t", [], {"when": dt.date(2026, 1, 1)})


def test_what_is_deep_inside_is_found():
    """The way to a nested value is told as one would write it."""
    with pytest.raises(ArgumentError, match=r"^t: argument 1\[0\]\['ids'\]\[2\] is a UUID"):
        encode_arguments("t", [[{"ids": [1, 2, uuid.UUID(int=0)]}]], {})


def test_a_nul_in_a_name_is_refused():
    """PostgreSQL can store it in no key of an object either."""
    with pytest.raises(ArgumentError, match="NUL"):
        encode_arguments("t", [{"a\x00": 1}], {})


def test_a_lone_surrogate_is_refused():
    """Half a character, as from a badly decoded file name, is no text that PostgreSQL stores."""
    with pytest.raises(ArgumentError, match="surrogate"):
        encode_arguments("t", ["\udc80"], {})


def test_it_is_a_type_error():
    """Whoever catches TypeError for a call that does not fit catches this too."""
    assert issubclass(ArgumentError, TypeError)


def test_what_is_nested_too_deep():
    """Whoever reads it would end in a RecursionError."""
    deep = []
    for _ in range(150):
        deep = [deep]

    with pytest.raises(ArgumentError, match=r"argument 1\[0\].*… is nested more than 100 levels deep"):
        encode_arguments("shop.tasks.work", [deep], {})
