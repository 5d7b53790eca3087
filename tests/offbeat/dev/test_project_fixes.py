"""`./run fix`, in a small project."""

from __future__ import annotations

import pytest

from offbeat.dev import project_checks, project_fixes

UGLY = "import os\nimport sys\nprint( sys.argv )\n"
PRETTY = "import sys\n\nprint(sys.argv)\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    for module in (project_checks, project_fixes):
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    monkeypatch.setattr(
        project_fixes, "FIXES", {name: project_fixes.FIXES[name] for name in ("lint", "format")}
    )
    monkeypatch.setattr(
        project_fixes, "LEFT", {name: project_fixes.LEFT[name] for name in ("lint", "format")}
    )
    (tmp_path / "src").mkdir()
    return tmp_path


def test_what_can_be_fixed_is(project, capsys):
    """Imports that nobody uses, and the format; each file is named."""
    (project / "src/shop.py").write_text(UGLY)

    code = project_fixes.main([])

    assert (project / "src/shop.py").read_text() == PRETTY
    assert (code, capsys.readouterr().out) == (0, "fixed src/shop.py\n")
    assert project_fixes.main([]) == 0
    assert capsys.readouterr().out == "Nothing had to be fixed.\n"


def test_what_is_left_is_said(project, capsys):
    """With where it is, and what to do; the exit code tells scripts."""
    (project / "src/shop.py").write_text(f"{UGLY}print(unknown)\n")

    code = project_fixes.main([])

    said = capsys.readouterr().out
    assert code == 1
    assert "F821" in said
    assert "Left: lint. Hint: fix it by hand" in said


def test_migrations_are_not_made():
    """They are a decision: the report says how."""
    assert not any("makemigrations" in command for command in project_fixes.FIXES.values())
    assert project_fixes.LEFT["migrations"] == "./run manage makemigrations"


def test_arguments_are_refused(capsys):
    """Nothing is fixed by halves."""
    assert project_fixes.main(["src/shop.py"]) == 64
    assert "./run fix takes no arguments, got src/shop.py" in capsys.readouterr().err
