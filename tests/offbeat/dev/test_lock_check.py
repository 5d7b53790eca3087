"""What pyproject.toml requires and the lock does not pin is in no image: `./run check` says so."""

from __future__ import annotations

import re
import shutil

import pytest

from offbeat.dev import lock_check
from tests.offbeat.support.running import CHECKOUT

FILES = ("pyproject.toml", "src/offbeat/pyproject.toml", "requirements.txt", "requirements-dev.txt")


@pytest.fixture
def project(tmp_path, monkeypatch):
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / path, tmp_path / path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(project, line):
    """Change a line of the team's pyproject.toml."""
    path, name = project / "pyproject.toml", line.partition(" =")[0]
    path.write_text(re.sub(rf"(?m)^{name} = .*", line, path.read_text()))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('dependencies = ["humanize>=4"]', '"humanize>=4" is not in requirements.txt. Hint: ./run lock'),
        (
            'dependencies = ["redis>=99"]',
            r'"redis>=99" is redis [\d.]+ in requirements.txt. Hint: ./run lock',
        ),
        ('dev = ["factory-boy"]', '"factory-boy" is not in requirements-dev.txt. Hint: ./run lock'),
        ('dependencies = ["what ever"]', '"what ever": Expected semicolon .*'),
        ("dependencies = [3]", "expected string .*"),
        ('dev = [{include-group = "none"}]', ".*'dev' was malformed.*"),
        ("dependencies = [", "Invalid .*"),
    ],
)
def test_what_the_lock_does_not_have(project, capsys, line, said):
    """One line, with the place and what to do; what only tests need is looked for in the other lock."""
    write(project, line)

    assert lock_check.main() == 1

    assert re.fullmatch(f"pyproject.toml: {said}\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "line",
    [
        'dependencies = ["Redis", "psycopg[binary]>=3"]',
        "dependencies = [\"backport; python_version < '3.9'\"]",
        'dev = ["pytest", "gevent"]',
    ],
)
def test_what_the_lock_has(project, capsys, line):
    """However it is spelled; uv leaves out what no supported Python needs."""
    write(project, line)

    assert (lock_check.main(), capsys.readouterr().out) == (0, "")


def test_a_lock_that_is_gone(project, capsys):
    (project / "requirements-dev.txt").unlink()

    assert lock_check.main() == 1
    assert "requirements-dev.txt" in capsys.readouterr().out
