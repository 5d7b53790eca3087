"""`python manage.py` by a Python that is not the project's: one line says what to type."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from offbeat import python_refusal
from tests.offbeat.support.running import CHECKOUT

# Without the packages of this one: as the Python of the machine is.
BARE = [getattr(sys, "_base_executable", sys.executable), "-I", "-S"]
VERSIONS = Path("~/.pyenv/versions").expanduser()
OLD = [path for minor in range(6, 11) for path in VERSIONS.glob(f"3.{minor}.*/bin/python")]
VARIABLES = {"PATH": "/usr/bin:/bin"}
AS_MANAGE = """
import runpy, sys
sys.path.insert(0, {!r})
sys.argv = ["manage.py", "check"]
runpy.run_path("manage.py", run_name="__main__")
"""


def run(*command):
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, env=VARIABLES)


def manage(python, *arguments):
    return run(*python, "manage.py", *arguments)


def test_a_python_without_django():
    """One line with the command, as it was typed."""
    done = manage(BARE, "migrate", "shop", "two words")

    assert done.returncode == 69
    assert done.stderr.count("\n") == 1
    assert "has no django: the project's packages are elsewhere" in done.stderr
    assert "Write: ./run manage migrate shop 'two words'" in done.stderr


def test_a_python_that_lacks_another_package(tmp_path):
    """A machine may have a Django of its own."""
    for package in ("django", "asgiref", "sqlparse"):
        (tmp_path / package).symlink_to(Path(sysconfig.get_path("purelib")) / package)

    done = run(*BARE, "-c", AS_MANAGE.format(str(tmp_path)))

    assert (done.returncode, done.stderr.count("\n")) == (69, 1), done.stderr
    assert "Write: ./run manage check" in done.stderr


@pytest.mark.skipif(not OLD, reason="this machine has no old Python")
@pytest.mark.parametrize("python", OLD, ids=str)
def test_an_old_python(python):
    """It says so before it meets what it cannot read."""
    done = manage([str(python)], "check")

    assert done.returncode == 69
    assert done.stderr.startswith("Error: this is Python 3.")
    assert done.stderr.endswith("and the project needs 3.11 or newer. Write: ./run manage check\n")


def test_an_import_of_the_project_that_fails_keeps_its_traceback(monkeypatch):
    """In the project's own environment a missing module is a mistake in the code."""
    monkeypatch.setattr(python_refusal, "is_projects_own", lambda: True)

    python_refusal.refuse_missing_package(ModuleNotFoundError("No module named 'shp'", name="shp"))
