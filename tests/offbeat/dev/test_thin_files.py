"""What a fork makes of the files that are the project's: lines with a mark go, and the name changes where it is the project's."""

from __future__ import annotations

import pytest

from offbeat.dev.thin_files import MarkError, as_fork, unmarked

MARKED = """\
kept = 1
gone = 2  # example

# example begins
gone = 3
# example ends

kept = 4  # for example
"""


def test_only_marked_lines_go():
    """Marked lines and blocks go with their marks and one of the gaps around; what speaks of an example stays."""
    lines = MARKED.splitlines(keepends=True)

    assert unmarked("a.py", lines, "example") == ["kept = 1\n", "\n", "kept = 4  # for example\n"]


@pytest.mark.parametrize("marks", [["begins"], ["ends"], ["begins", "begins", "ends"]])
def test_marks_that_do_not_pair(marks):
    """A block without an end or a beginning is an error that names its line: nothing is guessed."""
    lines = [f"# example {mark}\n" for mark in marks]

    with pytest.raises(MarkError, match=r'^a\.py: line [12]: each "example begins" should have'):
        unmarked("a.py", lines, "example")


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("platform.yaml", "image: registry.example/your-org/offbeat:latest", "image: registry.example/your-org/acme:latest"),
        ("compose.yaml", "postgres://offbeat:x@postgres:5432/offbeat", "postgres://acme:x@postgres:5432/acme"),
        ("compose.yaml", "./docs/offbeat/monitoring:/etc", "./docs/offbeat/monitoring:/etc"),
        ("Procfile", "web: gunicorn --config src/offbeat/gunicorn.py", "web: gunicorn --config src/offbeat/gunicorn.py"),
        ("run", "python -m offbeat.dev.up", "python -m offbeat.dev.up"),
        (".env.example", "# REDIS_PREFIX=offbeat-staging", "# REDIS_PREFIX=acme-staging"),
        ("src/config/settings.py", '"Offbeat <offbeat@localhost>"', '"Acme <acme@localhost>"'),
        ("src/config/settings.py", 'include("offbeat.urls")', 'include("offbeat.urls")'),
        ("src/config/settings.py", "from offbeat import env", "from offbeat import env"),
        ("pyproject.toml", 'name = "offbeat"', 'name = "acme"'),
        ("pyproject.toml", 'known-first-party = ["config", "offbeat"]', 'known-first-party = ["config", "offbeat"]'),
        ("requirements.txt", "# via offbeat (pyproject.toml)", "# via acme (pyproject.toml)"),
        ("requirements.txt", "# via offbeat (src/offbeat/pyproject.toml)", "# via offbeat (src/offbeat/pyproject.toml)"),
        ("src/offbeat/gunicorn.py", "Offbeat", "Offbeat"),
    ],
)  # fmt: skip
def test_the_name_changes_where_it_is_the_projects(path, before, after):
    """The project's name changes, and the core's package keeps its own."""
    assert as_fork(path, before.encode(), "acme", with_example=True).decode() == after


def test_a_picture_is_left_alone():
    """What is no text has no name in it."""
    assert as_fork("docs/logo.png", b"\x89PNG\xff", "acme", with_example=False) == b"\x89PNG\xff"
