"""docs/offbeat/celery-map.md names what Celery has, and nothing else."""

from __future__ import annotations

import re
from fnmatch import fnmatch

from celery.app.defaults import NAMESPACES, flatten
from celery.bin.celery import celery
from celery.worker.control import Panel
from django.core.management import get_commands

from tests.offbeat.support.running import CHECKOUT

PAGE = (CHECKOUT / "docs" / "offbeat" / "celery-map.md").read_text(encoding="utf-8")
CORE = CHECKOUT / "src" / "offbeat"


def rows(section):
    """Give what the first cells of a section's table name in code."""
    (text,) = re.findall(rf"^## {section}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (.+?) \|", text, re.MULTILINE)[1:]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_every_option_of_the_worker():
    """By its long name; --help is Celery's own."""
    options = {
        max(option.opts, key=len) for option in celery.commands["worker"].params if option.name != "help"
    }
    also = {"--discard": "--purge", "--events": "--task-events", "--schedule": "--schedule-filename"}

    assert {also.get(name, name) for name in options} == set(rows("Options of `celery worker`")) - {"--help"}


def test_every_command():
    """Of Celery's command line."""
    assert sorted(rows("Commands of `celery`")) == sorted(celery.commands)


def test_every_command_to_workers():
    """Of `inspect` and `control`."""
    assert sorted(rows("Remote control")) == sorted(Panel.meta)


def test_every_setting():
    """Is in a row, by its name or by a pattern; no name or pattern is without a setting."""
    settings, named = {name for name, _ in flatten(NAMESPACES)}, rows("Settings")

    assert [name for name in settings if not any(fnmatch(name, each) for each in named)] == []
    assert [each for each in named if not any(fnmatch(name, each) for name in settings)] == []


def test_what_it_says_to_write_exists():
    """Commands of manage.py, and ids of checks."""
    code = "".join(path.read_text(encoding="utf-8") for path in CORE.rglob("*.py"))

    assert {name for name in re.findall(r"manage\.py (\w+)", PAGE) if name not in get_commands()} == set()
    assert [each for each in re.findall(r"`(offbeat_\w+\.[EW]\d+)`", PAGE) if f'"{each}"' not in code] == []
