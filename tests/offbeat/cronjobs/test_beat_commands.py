"""Written commands do what Beat does, for random tasks and entries."""

import os
import subprocess
import sys

from tests.offbeat.support.running import CHECKOUT


def test_random_entries(tmp_path):
    """A written command's job has the binding of Beat's message; a project's formatter and linter leave the file as it is."""
    cases = [sys.executable, "-W", "ignore", "-m", "tests.offbeat.cronjobs.beat_cases", "80", str(tmp_path)]
    path = f"{CHECKOUT / 'src'}{os.pathsep}{CHECKOUT}"

    ended = subprocess.run(
        cases, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert int(ended.stdout.split()[0]) > 30
    for rule in (["format", "--check"], ["check", "--select", "E,F,W,I,UP,B,S,DJ"]):
        options = ["--config", str(CHECKOUT / "pyproject.toml"), "--no-cache", str(tmp_path)]
        options += ["--config", 'lint.isort.known-first-party = ["offbeat", "tests"]']
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *rule, *options], capture_output=True, text=True, check=False
        )
        assert ruff.returncode == 0, ruff.stdout + ruff.stderr
