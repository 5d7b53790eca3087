"""The house's one rule: imports point down only."""

from __future__ import annotations

import ast

import pytest

from tests.support.running import CHECKOUT

SOURCE = CHECKOUT / "src"
ABOVE = {
    "newsletter": {"ops", "cronjobs", "jobs", "deployment", "config"},  # example
    "ops": {"cronjobs", "jobs", "deployment", "config"},
    "cronjobs": {"jobs", "deployment", "config"},
    "jobs": {"config"},
    "deployment": set(),
    "config": set(),
    "local": {"ops", "cronjobs", "jobs", "deployment", "config"},
}
# Each exception has its reason; remove the line and the test says who still needs it.
EXCEPTIONS = {
    (
        "config/celery.py",
        "jobs",
    ): "the Celery application is put together there, as settings.py names the apps",
    ("deployment/queues.py", "config"): "a check asks the application which queues its tasks go to",
}


def imports_of(path):
    """Give the top-level names that a module imports, wherever in the module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def modules():
    return sorted(SOURCE.rglob("*.py"))


def test_every_package_is_known():
    """A new package says where it stands."""
    packages = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}

    assert packages == ABOVE.keys()


@pytest.mark.parametrize("package", ABOVE)
def test_imports_point_down_only(package):
    """No package imports one that stands above it, and nothing imports the developer's stand-ins."""
    found = {
        (str(path.relative_to(SOURCE)), name)
        for path in (SOURCE / package).rglob("*.py")
        for name in imports_of(path)
        if name in ABOVE and name != package
    }

    wrong = {(module, name) for module, name in found if name not in ABOVE[package]}

    assert wrong - EXCEPTIONS.keys() == set()


def test_exceptions_are_needed():
    """An exception that nobody uses any more is removed."""
    found = {(str(path.relative_to(SOURCE)), name) for path in modules() for name in imports_of(path)}

    assert EXCEPTIONS.keys() <= found


def test_no_module_is_a_drawer():
    """A file is named after the thing in it."""
    names = {path.name for path in modules()}

    assert not names & {"utils.py", "helpers.py", "services.py", "common.py", "misc.py"}
