"""The settings of the ledger."""

import dataclasses
import re
from pathlib import Path

from offbeat.jobs.conf import JobsConf, conf

PAGE = Path(__file__).resolve().parents[3] / "docs" / "offbeat" / "job-settings.md"


def test_a_setting_is_overridden(settings):
    """What OFFBEAT_JOBS names is taken from there, the rest is as shipped."""
    settings.OFFBEAT_JOBS = {"max_attempts": 7}

    assert conf() == dataclasses.replace(JobsConf(), max_attempts=7)


def test_a_change_is_noticed(settings):
    """The settings are read again when a test changes them."""
    settings.OFFBEAT_JOBS = {"breaker": 1}
    before = conf().breaker
    settings.OFFBEAT_JOBS = {"breaker": 2}

    assert (before, conf().breaker) == (1, 2)


def test_an_unknown_name_is_left_to_the_check(settings):
    """It does not stop the process here: offbeat_jobs.E003 tells it, with all the others."""
    settings.OFFBEAT_JOBS = {"no_such_setting": 1}

    assert conf() == JobsConf()


def test_the_shipped_values_go_together():
    """Each bound that a comment of conf.py names is kept by the numbers beside it."""
    shipped = JobsConf()

    assert shipped.heartbeat_timeout >= 4 * shipped.heartbeat_interval
    assert shipped.heartbeat_timeout + 2 * shipped.reconcile_interval < 60  # recovery after a lost worker
    assert 2 * shipped.publish_timeout < 1  # one enqueue that meets a silent Redis
    assert (
        shipped.lost_message_after > 10 * shipped.publish_timeout
    )  # no job is given up while its message is being sent
    assert shipped.patience < shipped.drain


def test_every_setting_is_documented():
    """The table of docs/offbeat/job-settings.md has each setting with its shipped value, and no other."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) ", PAGE.read_text(), re.MULTILINE)

    assert {name: float(value) for name, value in rows} == {
        name: getattr(JobsConf(), name) for name in JobsConf.names()
    }
    assert len(rows) == len(JobsConf.names())
