"""Tests that others wrote for backends of Django's tasks hold for ours."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.offbeat.support.running import CHECKOUT

PATH = os.pathsep.join([str(CHECKOUT / "src"), str(CHECKOUT)])


@pytest.mark.long
@pytest.mark.faults
@pytest.mark.timeout(600)
def test_conformance():
    """Each of them passes or has its reason, and docs/offbeat/django-conformance.md says how many do."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "conformance", "--check"],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )

    if done.returncode == os.EX_UNAVAILABLE:
        pytest.skip(done.stderr[-500:])
    assert done.returncode == 0, done.stderr
