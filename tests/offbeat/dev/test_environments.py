"""What a developer's processes, and the tests, find in their environment."""

from __future__ import annotations

from offbeat.dev.environments import development, private


def test_development_keeps_what_is_set():
    """A variable of the terminal or of .env wins over development's default."""
    environment = development({"PORT": "8001", "DEBUG": "false", "LOG_LEVEL": "DEBUG"})

    assert environment["DEBUG"] == "false"
    assert environment["BASE_URL"] == "http://localhost:8001"
    assert environment["LOG_LEVEL"] == "DEBUG"


def test_an_empty_variable_is_not_set():
    """`PORT= ./run up` is `./run up`."""
    assert development({"PORT": ""})["PORT"] == "8000"


def test_nothing_of_a_developer_reaches_the_tests():
    """Tests run on production's settings, wherever they run."""
    environment = private(
        {"DEBUG": "true", "DATABASE_URL": "postgres://precious", "SENTRY_DSN": "https://x", "HOME": "/h"}
    )

    assert environment["DEBUG"] == "false"
    assert environment["HOME"] == "/h"
    assert not {"DATABASE_URL", "SENTRY_DSN"} & environment.keys()
