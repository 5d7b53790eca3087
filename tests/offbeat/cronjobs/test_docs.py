"""The pages about cronjobs stay true."""

import dataclasses
import re
import runpy

import pytest

from offbeat.cronjobs import exit_codes
from offbeat.cronjobs.conditions import KINDS
from offbeat.cronjobs.conf import CronjobsConf
from offbeat.cronjobs.models import Slot
from offbeat.cronjobs.policies import CATCH_UP, OVERLAP, Policies
from tests.offbeat.support.running import CHECKOUT

DOCS = CHECKOUT / "docs" / "offbeat"
PAGES = ("cronjobs", "cronjob-policies", "cronjob-commands", "cronjob-alerts", "wake-ups")
PAGE = "".join((DOCS / f"{name}.md").read_text() for name in PAGES)
COMMANDS = (DOCS / "cronjob-commands.md").read_text()
PICTURES = runpy.run_path(str(DOCS / "images" / "cron_timelines.py"))["PICTURES"]


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Policies)])
def test_every_policy_is_told(name):
    """Each has a row of the table."""
    assert re.search(rf"^\| `{name}` \|", PAGE, re.MULTILINE)


def test_every_value_of_a_policy_is_told():
    """So are the words that a policy may be."""
    assert [word for word in (*CATCH_UP, *OVERLAP) if f'`"{word}"`' not in PAGE] == []


def test_every_exit_code_is_told():
    """The table has those that there are, and no other."""
    codes = {
        exit_codes.DONE,
        exit_codes.USAGE,
        exit_codes.AWAY,
        exit_codes.BUG,
        exit_codes.UNPUBLISHED,
        exit_codes.UNCONFIGURED,
    }

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", COMMANDS, re.MULTILINE)} == codes


def test_every_condition_is_told():
    """By the name that people read."""
    assert [kind.name for kind in KINDS if f"| {kind.name.replace('_', ' ')} |" not in PAGE] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda each: each.name)
def test_the_pictures_are_as_drawn(picture):
    """Each committed picture is what the script writes, and is shown on the page."""
    assert (DOCS / "images" / f"cron-{picture.name}.svg").read_text() == picture.svg()
    assert f"(images/cron-{picture.name}.svg)" in PAGE


def test_defaults_are_those_of_the_table():
    """Times in the table are the code's."""
    defaults = Policies()

    assert "| `catch_up_window` | 24 hours |" in PAGE
    assert defaults.catch_up_window.total_seconds() == 24 * 3600
    assert "| `late_after` | 5 minutes |" in PAGE
    assert defaults.late_after.total_seconds() == 5 * 60
    assert CronjobsConf().retention_days == 90
    assert "Slots are kept for 90 days" in PAGE


def test_triggers_fit_their_column():
    """A trigger's name is no longer than the column that holds it."""
    assert max(map(len, Slot.Trigger.values)) <= 10
