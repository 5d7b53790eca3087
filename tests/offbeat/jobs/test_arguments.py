"""What a job may be called with."""

import datetime as dt
import decimal
import enum
import json
import sys
import uuid
from collections import OrderedDict
from typing import NamedTuple

import pytest
from celery import shared_task
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from offbeat.jobs.arguments import ArgumentError, encode_arguments
from offbeat.jobs.models import Worker


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    SMALL = 1


class Word(enum.StrEnum):
    YES = "yes"


class Point(NamedTuple):
    x: int
    y: int


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
        (dt.timedelta(1), "is a timedelta, which JSON does not have: pass its total_seconds()"),
        (gettext_lazy("Yes"), "is a __proxy__, which JSON does not have: pass str() of it"),
        (Colour.RED, "is a Colour, which JSON does not have: pass its value"),
        ({1}, "is a set, which JSON does not have: pass a sorted list"),
        (b"x", "is a bytes, which JSON does not have: pass its decode()"),
        (Worker(), "is a Worker, which JSON does not have: pass the primary key of a row"),
        (object(), "is a object, which JSON does not have: pass a JSON value"),
        (float("nan"), "is nan, which JSON does not have"),
        (float("-inf"), "is -inf, which JSON does not have"),
        ("a\x00b", "contains a NUL character, which PostgreSQL cannot store"),
        ({1: 2}, "has the key 1, which JSON would turn into text"),
        ({10**5000: 2}, "has the key of type int, which JSON would turn into text"),
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


@pytest.mark.parametrize("place", [lambda value: value, lambda value: {"ids": [value]}])
def test_a_number_that_is_too_long(place):
    """No worker could read it; it is named by its place, as everything else."""
    where = "argument 1" if place(1) == 1 else r"argument 1\['ids'\]\[0\]"
    with pytest.raises(
        ArgumentError, match=f"{where} is a number of more than 4300 digits, which Python cannot read"
    ):
        encode_arguments("t", [place(-(10**4300))], {})

    assert len(encode_arguments("t", [10**4300 - 1], {})[0]) == 4302


def test_a_process_that_reads_longer_numbers_may_not_send_them():
    """The worker that is to read them has Python's own limit."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(ArgumentError, match="more than 4300 digits"):
            encode_arguments("t", [10**4300], {})
    finally:
        sys.set_int_max_str_digits(before)


@shared_task
def takes_anything(*args, **kwargs):
    pass


ROUND_TRIPS = [
    (10**4299, 10**4299),
    (2**63, 2**63),
    (0.1, 0.1),
    (5e-324, 5e-324),
    (9007199254740993, 9007199254740993),
    (Size.SMALL, 1),
    (Word.YES, "yes"),
    (mark_safe("<b>"), "<b>"),
    (Point(1, 2), [1, 2]),
    (OrderedDict(b=1), {"b": 1}),
    (True, True),
    ({Word.YES: 1}, {"yes": 1}),
    # What PostgreSQL's jsonb changes: docs/offbeat/jobs.md says it.
    (1e22, 10**22),
    (1e300, 10**300),
    (-0.0, 0.0),
]


@pytest.mark.parametrize(("given", "found"), ROUND_TRIPS)
def test_what_a_task_is_given(ledger, carrier, row, given, found):
    """It went through PostgreSQL, which has one kind of numbers."""
    job = row(takes_anything.enqueue(given))

    (value,) = job.args
    assert (value, type(value)) == (found, type(found))


def test_the_order_of_keys(ledger, carrier, row):
    """The shorter ones first, then by their letters; of positional arguments and lists it stays."""
    job = row(takes_anything.enqueue([3, 1, 2], {"bb": 1, "c": 2, "a": 3}, bb=1, c=2, a=3))

    assert job.args[0] == [3, 1, 2]
    assert (list(job.args[1]), list(job.kwargs)) == (["a", "c", "bb"], ["a", "c", "bb"])
