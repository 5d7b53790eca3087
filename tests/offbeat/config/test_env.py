"""Environment variables are read with their types, and everything wrong with them is told at once."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from offbeat.env import Environment, redacted


def test_an_empty_variable_counts_as_unset():
    """Dashboards and compose files leave empty strings behind: they mean the default."""
    env = Environment({"NAME": "  "})

    assert env.text("NAME", "default") == "default"
    assert env.problems == []


def test_every_problem_is_told_at_once():
    """Three variables that are wrong make one error of three lines."""
    env = Environment({"DEBUG": "yes", "PORT": "http"})

    env.boolean("DEBUG", default=False)
    env.integer("PORT", 8000, minimum=1)
    env.text("SECRET_KEY", hint="generate one")

    with pytest.raises(ImproperlyConfigured) as error:
        env.complain()
    assert str(error.value).splitlines() == [
        'Unexpected value DEBUG=yes: use "true" or "false".',
        "Unexpected value PORT=http: use a whole number of at least 1.",
        "SECRET_KEY is not set. Hint: generate one",
    ]


@pytest.mark.parametrize(("value", "found"), [("true", True), ("false", False)])
def test_a_boolean(value, found):
    """A boolean is written as in YAML and JSON."""
    assert Environment({"DEBUG": value}).boolean("DEBUG", default=not found) is found


@pytest.mark.parametrize("value", ["-1", "1.5", "٣", "abc", "0"])
def test_an_integer_below_its_minimum_or_none_at_all(value):
    """What is no whole number of at least the minimum is refused, and the default stands in."""
    env = Environment({"N": value})

    assert env.integer("N", 7, minimum=1) == 7
    assert env.problems == [f"Unexpected value N={value}: use a whole number of at least 1."]


def test_a_list_forgives_spaces_and_a_trailing_comma():
    """Host names are separated by commas, however carelessly."""
    assert Environment({"HOSTS": " a.example , b.example,"}).items("HOSTS") == ["a.example", "b.example"]


@pytest.mark.parametrize(
    "value", ["nonsense", "http://redis:6379", "redis://", "redis://host:port", "redis://[::1"]
)
def test_a_url_that_is_none(value):
    """A URL of another scheme, without a host or with a port that is no number is refused."""
    env = Environment({"REDIS_URL": value})

    assert env.url("REDIS_URL", ["redis", "rediss"]) == ""
    assert env.problems == [f"Unexpected value REDIS_URL={value}: should be redis://… or rediss://…."]


def test_a_password_is_never_part_of_a_message():
    """A wrong URL is shown without the user and the password in it."""
    env = Environment({"DATABASE_URL": "mysql://root:hunter2@db/app"})

    env.url("DATABASE_URL", ["postgres"])

    assert "hunter2" not in env.problems[0]
    assert redacted("postgres://u:p@ss@h/db") == "postgres://h/db"
    assert redacted("postgres://u:p://p@h/db") == "postgres://h/db"
    assert redacted("u:pass@h/db") == "h/db"
    assert redacted("redis://h/0?password=pass") == "redis://h/0"


def test_numbers_by_prefix():
    """OFFBEAT_JOBS_RELAY_INTERVAL=0.5 becomes relay_interval; what is empty, and a file's path, is none of them."""
    env = Environment(
        {
            "OFFBEAT_JOBS_RELAY_INTERVAL": "0.5",
            "OFFBEAT_JOBS_MAX_ATTEMPTS": "3",
            "OFFBEAT_JOBS_DRAIN": "",
            "OFFBEAT_JOBS_HEARTBEAT_FILE": "/run/beat",
        }
    )

    assert env.numbers("OFFBEAT_JOBS_") == {"relay_interval": 0.5, "max_attempts": 3}
    assert env.problems == []


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", "²"])
def test_a_number_that_is_none(value):
    """A word where a number belongs, or what is no length of time, is a problem with the variable's name."""
    env = Environment({"OFFBEAT_JOBS_DRAIN": value})

    env.numbers("OFFBEAT_JOBS_")

    assert env.problems == [f"Unexpected value OFFBEAT_JOBS_DRAIN={value}: use a number of at least 0."]
