"""A project runs Django 6.1 or 5.2: one line of its pyproject.toml says which, and locks, checks and updates follow it."""

from __future__ import annotations

import os
import re
import shutil
import sys

import pytest
from packaging.requirements import Requirement

from offbeat.base import Base
from offbeat.dev import django_choice, lock_check, requirements
from offbeat.dev.locks import resolve_locks
from offbeat.dev.project_checks import CHECKS
from offbeat.dev.update_plan import Folders, thin_outcomes
from tests.offbeat.support.running import CHECKOUT

FILES = (
    *("pyproject.toml", "requirements.txt", "requirements-dev.txt"),
    *("src/offbeat/pyproject.toml", "src/offbeat/VERSION"),
)
NO_INDEX = re.compile(r"(?i)error sending request|failed to fetch|offline")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LABELS = ("Offbeat 1", "Offbeat 2")
PROJECT = '[project]\nname = "acme"\n\n{}[tool.offbeat.variables]\n# Your own.\n'
ON_6_1, ON_5_2 = (PROJECT.format(f'[tool.offbeat]\ndjango = "{each}"\n\n') for each in ("6.1", "5.2"))
WITHOUT_A_CHOICE = PROJECT.format("")
LOCK_OF_5_2 = "django==5.2.19 \\\n    --hash=sha256:aa\n"
LOCK_OF_BOTH = (
    "django==5.2.19 ; python_full_version < '3.12' \\\n    --hash=sha256:aa\n"
    "django==6.1.3 ; python_full_version >= '3.12' \\\n    --hash=sha256:bb\n"
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """What this checkout requires, and its lock, in a folder of their own; ./run lock works on that."""
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / path, tmp_path / path)
    monkeypatch.setattr(requirements, "ROOT", tmp_path)
    monkeypatch.setattr(requirements, "FILES", {"requirements.txt": []})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def choose(project, value):
    text = (project / "pyproject.toml").read_text()
    changed = re.sub(r"(?m)^django = .*", f"django = {value}", text)
    assert changed != text
    (project / "pyproject.toml").write_text(changed)


def pins_of(lock, python):
    """Give the version of each package that a Python gets from a lock."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    entries = map(Requirement, re.findall(r"(?m)^([a-z].*?) *\\$", lock))
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in entries
        if not each.marker or each.marker.evaluate(environment)
    }


def test_the_default_is_the_newest_that_a_python_can_run():
    """6.1 needs Python 3.12: the lock has 5.2 for 3.11, with what Django 6 brings itself."""
    found = {python: pins_of((CHECKOUT / "requirements.txt").read_text(), python) for python in PYTHONS}

    assert {python: pins["django"][:4] for python, pins in found.items()} == {
        "3.11": "5.2.",
        "3.12": "6.1.",
        "3.13": "6.1.",
        "3.14": "6.1.",
    }
    assert [python for python, pins in found.items() if "django-tasks" in pins] == ["3.11"]


@pytest.mark.parametrize("value", ['"5.2"', "5.2"])
def test_the_long_term_release_is_pinned_for_every_python(project, capfd, value):
    """Once chosen it is what every Python gets, the image's too, with what Django 6 brings itself; the check is content."""
    choose(project, value)

    code = requirements.lock_requirements()

    said = capfd.readouterr().err
    if code and NO_INDEX.search(said):
        pytest.skip(f"uv reaches no index: {said.splitlines()[0]}")
    assert code == 0, said
    lock = (project / "requirements.txt").read_text()
    found = [pins_of(lock, python) for python in PYTHONS]
    assert [pins["django"][:4] for pins in found] == ["5.2."] * 4
    assert all({"django-csp", "django-tasks"} <= pins.keys() for pins in found)
    assert lock_check.main() == 0


@pytest.mark.parametrize("value", ['"4.2"', '"6.0"', '"5.2.19"', '""', "true", '["5.2"]'])
def test_another_django_is_refused(project, capsys, value):
    """What is no supported release is told with those that are, before uv is asked; the lock stays."""
    before = (project / "requirements.txt").read_text()
    choose(project, value)

    code = requirements.lock_requirements()

    assert code == os.EX_CONFIG
    assert 'pyproject.toml: tool.offbeat.django: should be "6.1" or "5.2", got ' in capsys.readouterr().err
    assert (project / "requirements.txt").read_text() == before


def test_a_choice_that_was_not_locked_is_told(project, capsys):
    """Who changes the line and forgets the lock reads of it in ./run check, not in production."""
    choose(project, '"5.2"')

    code = lock_check.main()

    assert code == 1
    said = "requirements.txt pins Django 6.1, and pyproject.toml chooses 5.2 (tool.offbeat.django). Hint: ./run lock\n"
    assert capsys.readouterr().out == said


def test_the_check_is_one_of_run_check():
    """./run check asks for it."""
    assert [sys.executable, "-m", "offbeat.dev.lock_check"] in CHECKS["requirements"]


@pytest.mark.parametrize(
    ("start", "yours", "lock", "expected"),
    [
        pytest.param(WITHOUT_A_CHOICE, WITHOUT_A_CHOICE, LOCK_OF_5_2, ON_5_2, id="made before there was a choice"),
        pytest.param(WITHOUT_A_CHOICE, WITHOUT_A_CHOICE, LOCK_OF_BOTH, ON_6_1, id="on both already"),
        pytest.param(ON_6_1, ON_6_1, LOCK_OF_BOTH, ON_6_1, id="on the default"),
        pytest.param(ON_6_1, ON_5_2, LOCK_OF_5_2, ON_5_2, id="has chosen 5.2"),
        pytest.param(
            WITHOUT_A_CHOICE,
            f'{WITHOUT_A_CHOICE}SHOP = "x"\n',
            LOCK_OF_5_2,
            f'{ON_5_2}SHOP = "x"\n',
            id="with variables of its own",
        ),
    ],
)  # fmt: skip
def test_an_update_keeps_a_forks_django(tmp_path, start, yours, lock, expected):
    """A fork of before the choice stays on 5.2 by the line that comes to it; afterwards the line is the team's."""
    folders = Folders(*(tmp_path / name for name in ("start", "root", "new")))
    new = f"# Something newer.\n{ON_6_1}"
    for folder, text in ((folders.start, start), (folders.root, yours), (folders.new, new)):
        folder.mkdir()
        (folder / "pyproject.toml").write_text(text)
    (folders.root / "requirements.txt").write_text(lock)

    outcomes = thin_outcomes(folders, Base("acme", "1", "", "", example=False, core={}), LABELS)

    [outcome] = outcomes
    assert not outcome.is_conflict, outcome.file.content.decode()
    assert outcome.file.content.decode() == f"# Something newer.\n{expected}"


def test_an_update_pins_the_django_that_a_fork_keeps(project, capfd, monkeypatch):
    """A lock that is upstream's as a whole has both: with 5.2 chosen it is resolved again; otherwise it stays as it came."""
    assert resolve_locks(project, []) == ""
    choose(project, '"5.2"')
    shutil.copytree(CHECKOUT / "src/offbeat", project / "src/offbeat", dirs_exist_ok=True)
    monkeypatch.setenv("OFFBEAT_ROOT", str(project))

    said = resolve_locks(project, [])

    told = capfd.readouterr().err
    if "could not" in said and NO_INDEX.search(told):
        pytest.skip(f"uv reaches no index: {told.splitlines()[0]}")
    assert said == "requirements-dev.txt, requirements.txt: resolved by uv", told
    assert django_choice.mismatch(project) == ""
