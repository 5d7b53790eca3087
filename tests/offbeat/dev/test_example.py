"""`./run remove-example`, in a clone of this checkout."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from offbeat.dev.environments import INHERITED
from offbeat.dev.example import MarkError, unmarked
from tests.offbeat.support.running import CHECKOUT

pytestmark = pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="there is no git to clone from")
# What a fork gets to see first, and what says whether the files that stay fit together; the types cost half a minute.
CHECKS = ["lint", "format", "django", "migrations", "platform.yaml"]
TESTS = [
    "tests/offbeat/config",
    "tests/offbeat/project/template/test_docs.py",
    "tests/offbeat/test_architecture.py",
    "tests/offbeat/deployment/test_checks.py",
]
# Its marks, and what names its files. Its words may stay where they are but a sample of an output.
TRACES = (
    "(# example|<!-- example) (begins|ends)|# example$|<!-- example -->"
    '|tests/newsletter|images/newsletter|import.*newsletter|^ +"newsletter"'
)
WITHOUT_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}  # a module that is gone must not be found


class Clone:
    """A clone with this checkout's Python environment."""

    def __init__(self, folder):
        self.folder = folder / "clone"
        trusted = ["git", "-c", f"safe.directory={CHECKOUT}", "-c", f"safe.directory={CHECKOUT / '.git'}"]
        self.call([*trusted, "clone", "--quiet", "--no-hardlinks", CHECKOUT, self.folder], folder)
        self.add_environment()

    def add_environment(self):
        """Make the .venv that ./run looks for: a python that is ours, and the stamp of a complete one."""
        python = self.folder / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
        checksum = self.call(["cksum", "requirements-dev.txt"]).stdout.strip()
        (self.folder / ".venv" / "complete").write_text(f"{self.folder} {checksum}\n")

    def call(self, command, folder=None):
        environment = {name: value for name, value in os.environ.items() if name.startswith(INHERITED)}
        return subprocess.run(
            command,
            cwd=folder or self.folder,
            env=environment | WITHOUT_BYTECODE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )

    def run(self, *arguments):
        return self.call(["./run", *arguments])

    def changed(self):
        return self.call(["git", "status", "--porcelain"]).stdout


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def test_the_core_is_well_without_the_example(clone):
    """Nothing of it is left, and what stays passes its checks and its tests."""
    done = clone.run("remove-example", "--yes")

    assert done.returncode == 0, done.stderr
    assert "README.md: " in done.stdout
    assert "Next:" in done.stdout
    left = clone.call(["git", "grep", "-lE", TRACES]).stdout
    assert left == ""
    assert "prune-jobs" in (clone.folder / "platform.yaml").read_text()
    for arguments in (["check", *CHECKS], ["test", "--quiet", "-p", "no:cacheprovider", *TESTS]):
        checked = clone.run(*arguments)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_git_does_not_know_is_not_deleted(clone):
    """With uncommitted changes it says in which file, and changes nothing."""
    (clone.folder / "src/newsletter/ideas.py").write_text("")

    refused = clone.run("remove-example", "--yes")

    assert refused.returncode == 75
    assert "git has uncommitted changes, in src/newsletter/ideas.py. Hint: commit" in refused.stderr
    assert clone.changed() == "?? src/newsletter/ideas.py\n"


def test_whoever_insists_gets_it(clone):
    """With --force it asks git nothing."""
    (clone.folder / "src/newsletter/ideas.py").write_text("")

    done = clone.run("remove-example", "--yes", "--force")

    assert done.returncode == 0, done.stderr
    assert not (clone.folder / "src/newsletter").exists()


def test_nobody_there_to_say_yes(clone):
    """Without an answer to its question it changes nothing."""
    asked = clone.run("remove-example")

    assert asked.returncode == 1
    assert "Go on? [y/N]" in asked.stdout
    assert "Nothing was changed." in asked.stdout
    assert clone.changed() == ""


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

    assert unmarked("a.py", lines) == ["kept = 1\n", "\n", "kept = 4  # for example\n"]


@pytest.mark.parametrize("marks", [["begins"], ["ends"], ["begins", "begins", "ends"]])
def test_marks_that_do_not_pair(marks):
    """A block without an end or a beginning is an error that names its line: nothing is guessed."""
    lines = [f"# example {mark}\n" for mark in marks]

    with pytest.raises(MarkError, match=r'^a\.py: line [12]: each "example begins" should have'):
        unmarked("a.py", lines)
