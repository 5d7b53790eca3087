"""`./run speed` measures real jobs and real ticks, and says how the ratios stand; forks get it in their CI, too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

from offbeat.dev.thin_files import without_marked
from tests.offbeat.speed.table import KINDS
from tests.offbeat.support.running import CHECKOUT

PATH = os.pathsep.join([str(CHECKOUT / "src"), str(CHECKOUT)])
WORKFLOW = ".github/workflows/ci.yml"


@pytest.mark.faults  # takes longer than a minute between two edits
@pytest.mark.timeout(600)
def test_a_small_run_makes_the_report():
    """Every ratio is measured by servers and workers of its own, stands in the table, and whatever it is fails nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.offbeat.speed", "40"],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("The load of this machine is ")
    assert done.stdout.startswith("## Speed\n\n| ratio | better is | here | recorded |")
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == [kind.words for kind in KINDS.values()]
    assert all(float(row[2]) > 0 for row in rows)


@pytest.mark.parametrize("words", [(), ("upstream", "example")], ids=["upstream", "fork"])
def test_ci_reports_and_requires_nothing(words):
    """The job runs after pushes to main, beside the tests and not before them, and writes the run's summary."""
    document = yaml.safe_load(without_marked(WORKFLOW, (CHECKOUT / WORKFLOW).read_text(), words))

    job = document["jobs"]["speed"]
    assert job["if"] == "github.event_name == 'push'"
    assert document[True]["push"] == {"branches": ["main"]}  # YAML takes `on` for true
    assert job["steps"][-1]["run"] == './run speed >>"$GITHUB_STEP_SUMMARY"'
    assert not [name for name, each in document["jobs"].items() if "speed" in each.get("needs", [])]
