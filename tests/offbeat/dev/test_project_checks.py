"""`./run check`."""

from __future__ import annotations

import os
import subprocess
import sys

from offbeat.dev import project_checks
from tests.offbeat.support.running import CHECKOUT


def check(*names):
    return subprocess.run(
        ["./run", "check", *names], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=90
    )


def test_named_checks_run_alone():
    """A commit hook asks for one check, and gets its result."""
    checked = check("platform.yaml", "requirements")

    assert checked.returncode == 0, checked.stdout
    assert [line.split()[:2] for line in checked.stdout.splitlines()[:2]] == [
        ["platform.yaml", "ok"],
        ["requirements", "ok"],
    ]


def test_the_settings_are_fit_for_production():
    """Django's own deployment checks have nothing to say, not even a warning."""
    checked = check("django")

    assert checked.returncode == 0, checked.stdout


def test_an_unknown_check_names_those_that_there_are(capsys):
    """A wrong name is a usage error."""
    code = project_checks.main(["typs"])

    said = capsys.readouterr().err
    assert code == 64
    assert "no such check: typs. There are: lint, " in said
    assert "Did you mean types?" in said


def test_all_run_even_when_one_fails(monkeypatch, capsys):
    """A failing check hides no other: each has its line, and the last one names those that failed."""
    python = [sys.executable, "-c"]
    checks = {"first": [[*python, "import sys; sys.exit('what is wrong')"]], "second": [[*python, "pass"]]}
    monkeypatch.setattr(project_checks, "CHECKS", checks)

    code = project_checks.main([])

    said = capsys.readouterr().out.splitlines()
    assert code == 1
    assert [line.partition("(")[0].split() for line in (said[0], said[2])] == [
        ["first", "exit", "code", "1"],
        ["second", "ok"],
    ]
    assert (said[1], said[3]) == ("what is wrong", "Failed: first.")


def test_checks_run_side_by_side(monkeypatch, capsys, tmp_path):
    """Two CPUs do two checks at once: here each ends only when the other one runs. What is printed keeps its order."""
    waits = "own.touch()\nwhile not other.exists(): time.sleep(0.05)"
    meet = f"import pathlib, sys, time; own, other = map(pathlib.Path, sys.argv[1:]); {waits}"
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    command = [sys.executable, "-c", meet]
    checks = {"first": [[*command, one, two]], "types": [[*command, two, one]]}
    monkeypatch.setattr(project_checks, "CHECKS", checks)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)

    code = project_checks.main([])

    assert code == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["first", "ok"],
        ["types", "ok"],
        ["All", "checks"],
    ]
