"""The house's rules: imports point down only, and the core knows nothing of the project."""

from __future__ import annotations

import ast

import pytest

from tests.offbeat.support.running import CHECKOUT

SOURCE = CHECKOUT / "src"
CORE = SOURCE / "offbeat"
# What each part of the core may import, beside the modules of the core that are in no part.
BELOW = {
    "ops": {"cronjobs", "jobs", "deployment"},
    "cronjobs": {"jobs", "deployment"},
    "jobs": set(),
    "deployment": set(),
    "dev": {"ops", "cronjobs", "jobs", "deployment"},
    "": set(),  # the modules beside the parts
}
# Each exception has its reason; remove the line and the test says who still needs it.
EXCEPTIONS = {
    ("celery.py", "jobs"): "the application is put together there",
    **{
        ("settings.py", part): "their variables are known by their Conf"
        for part in ("jobs", "cronjobs", "ops")
    },
}


def imports_of(path):
    """Give the dotted names that a module imports, wherever in the module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules():
    return sorted(CORE.rglob("*.py"))


def part_of(path):
    """Give the part of the core that a module is in, "" for one beside the parts."""
    parts = path.relative_to(CORE).parts
    return parts[0] if len(parts) > 1 else ""


def imported_parts():
    """Give (module, part) for each import from one part of the core into another."""
    for path in modules():
        for name in imports_of(path):
            first, *rest = name.split(".")
            if first == "offbeat" and rest[0] in BELOW and rest[0] != part_of(path):
                yield str(path.relative_to(CORE)), rest[0]


def test_every_part_is_known():
    """A new part of the core says where it stands."""
    assert {part_of(path) for path in modules()} == BELOW.keys()


@pytest.mark.parametrize("part", BELOW)
def test_imports_point_down_only(part):
    """No part imports one that stands above it, and nothing imports the developer's stand-ins."""
    found = {(module, other) for module, other in imported_parts() if part_of(CORE / module) == part}

    wrong = {(module, other) for module, other in found if other not in BELOW[part]}

    assert wrong - EXCEPTIONS.keys() == set()


def test_exceptions_are_needed():
    """An exception that nobody uses any more is removed."""
    assert EXCEPTIONS.keys() <= set(imported_parts())


def test_the_core_imports_nothing_of_the_project():
    """Whatever else is in src belongs to the team."""
    teams = {path.stem for path in SOURCE.iterdir()} - {"offbeat"}

    assert {
        (path, name) for path in modules() for name in imports_of(path) if name.split(".")[0] in teams
    } == set()


def test_no_module_is_a_drawer():
    """A file is named after the thing in it."""
    names = {path.name for path in modules()}

    assert not names & {"utils.py", "helpers.py", "services.py", "common.py", "misc.py"}
