"""Environment variables are read with their types, and everything wrong with them is told at once."""

from __future__ import annotations

from dataclasses import dataclass

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
    ("value", "shown"),
    [
        ("hunter2", "…"),
        ("http://hunter2:6379", "http://…"),
    ],
)
def test_a_url_that_is_none(value, shown):
    """A URL of another scheme is refused; its scheme alone is shown."""
    env = Environment({"REDIS_URL": value})

    assert env.url("REDIS_URL", ["redis", "rediss"]) == ""
    assert env.problems == [f"Unexpected value REDIS_URL={shown}: should be redis://… or rediss://…."]


@pytest.mark.parametrize(
    "value", ["redis://", "redis://host:hunter2", "redis://hunter2:70000", "redis://hunter2:1,hunter2:2"]
)
def test_a_url_without_a_host(value):
    """Without one host, or with a port that is no number, it is refused."""
    env = Environment({"REDIS_URL": value})

    assert env.url("REDIS_URL", ["redis", "rediss"]) == ""
    (problem,) = env.problems
    assert problem.startswith("Unexpected value REDIS_URL=redis://…: should be redis://… or rediss://…")
    assert problem.endswith("with the name of one host, and only digits as its port.")


def test_a_password_is_never_part_of_a_message():
    """A wrong URL is shown without the user and the password in it."""
    env = Environment({"DATABASE_URL": "mysql://root:hunter2@db/app"})

    env.url("DATABASE_URL", ["postgres"])

    assert "hunter2" not in env.problems[0]
    assert redacted("postgres://u:p@ss@h/db") == "postgres://h/db"
    assert redacted("postgres://u:p://p@h/db") == "postgres://h/db"
    assert redacted("u:pass@h/db") == "h/db"
    assert redacted("redis://h/0?password=pass") == "redis://h/0"


@dataclass
class Conf:
    relay_interval: float = 1.0
    max_attempts: int = 5
    drain: float = 45.0
    ping_url: str = ""


def test_numbers_by_prefix():
    """OFFBEAT_JOBS_RELAY_INTERVAL=0.5 becomes relay_interval, where a class has a number of that name; empty ones are not set."""
    env = Environment(
        {
            "OFFBEAT_JOBS_RELAY_INTERVAL": "0.5",
            "OFFBEAT_JOBS_MAX_ATTEMPTS": "3",
            "OFFBEAT_JOBS_DRAIN": "",
            "OFFBEAT_JOBS_PING_URL": "/run/beat",
        }
    )

    assert env.numbers("OFFBEAT_JOBS_", Conf) == {"relay_interval": 0.5, "max_attempts": 3}
    assert env.problems == []


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", "²"])
def test_a_number_that_is_none(value):
    """A word where a number belongs, or what is no length of time, is a problem with the variable's name."""
    env = Environment({"OFFBEAT_JOBS_DRAIN": value})

    env.numbers("OFFBEAT_JOBS_", Conf)

    assert env.problems == [f"Unexpected value OFFBEAT_JOBS_DRAIN={value}: use a number of at least 0."]


@pytest.mark.parametrize("prefix", ["OFFBEAT_JOBS_", "OFFBEAT_JOB_"])
def test_a_variable_of_ours_that_nobody_reads(prefix):
    """What begins with OFFBEAT_ and is read by nobody is refused, and the nearest one that is read is named."""
    env = Environment({f"{prefix}DRAN": "3"})
    env.numbers("OFFBEAT_JOBS_", Conf)

    with pytest.raises(ImproperlyConfigured) as refused:
        env.complain()

    assert str(refused.value) == f"Nothing reads {prefix}DRAN. Hint: did you mean OFFBEAT_JOBS_DRAIN?"


def test_a_variable_of_ours_like_no_other():
    """Where no known name is near, none is guessed."""
    with pytest.raises(ImproperlyConfigured, match=r"^Nothing reads OFFBEAT_XYZ\. Hint: remove it\.$"):
        Environment({"OFFBEAT_XYZ": "1"}).complain()


@pytest.mark.parametrize(
    "name",
    [
        "JOBS_API_URL",
        "ALERTS_EMAIL",
        "CRONJOBS_OWNER",
        "JOBS_DRAN",
        "OFFBEAT_PORT",  # as Kubernetes and Docker name a service beside the container
        "OFFBEAT_WEB_SERVICE_HOST",
        "OFFBEAT_WEB_SERVICE_PORT_HTTP",
        "OFFBEAT_WEB_PORT_8000_TCP_ADDR",
    ],
)
def test_a_variable_of_somebody_else(name):
    """What the project, or the platform, means for itself is left alone."""
    Environment({name: "https://example.com"}).complain()


def test_an_empty_variable_of_ours():
    """A dashboard's empty variable counts as one that is not set, even misspelt."""
    Environment({"OFFBEAT_JOBS_DRAN": ""}).complain()


def test_a_variable_that_the_project_reads_is_known():
    """Who reads a variable has made it known, whatever it begins with."""
    env = Environment({"OFFBEAT_LABEL": "x"})
    env.text("OFFBEAT_LABEL")

    env.complain()


def test_a_problem_is_told_once():
    """Two settings that read one variable do not tell its mistake twice."""
    env = Environment({"DEBUG": "yes"})

    for _ in range(2):
        env.boolean("DEBUG", default=False)

    assert len(env.problems) == 1
