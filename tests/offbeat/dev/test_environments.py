"""What a developer's processes, and the tests, find in their environment."""

from __future__ import annotations

from offbeat.dev.environments import development, private, project_variables


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


def test_a_project_says_what_its_own_variables_are(tmp_path):
    """Those that its settings require have a value in tests and on developers' machines: without one nothing would start."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.offbeat.variables]\nSHOP_API_URL = "https://x"\nSHOPS = 2\n'
    )

    assert project_variables(tmp_path) == {"SHOP_API_URL": "https://x", "SHOPS": "2"}
