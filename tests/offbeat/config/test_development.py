"""What stands in for the platform on a developer's machine is in no production."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("debug", "is_there"), [("false", "False"), ("true", "True")])
def test_the_stand_ins_are_an_app_of_development_only(debug, is_there):
    """Their commands, pages and templates are found with DEBUG, and by no process without it."""
    program = "from offbeat.settings import OFFBEAT_APPS; print('offbeat.dev' in OFFBEAT_APPS)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"DEBUG": debug}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.strip() == is_there
