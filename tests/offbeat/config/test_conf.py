"""What the settings of the parts have in common."""

import pytest
from django.core.checks import run_checks

from offbeat.cronjobs.conf import CronjobsConf
from offbeat.jobs.conf import JobsConf
from offbeat.ops.alerts.conf import AlertsConf


def test_every_field_has_a_variable():
    """By the part's prefix and the field's name, in capitals."""
    found = JobsConf.variables()

    assert found["OFFBEAT_JOBS_HEARTBEAT_INTERVAL"] == "heartbeat_interval"
    assert set(found.values()) == JobsConf.names()


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        (JobsConf, "max_attempt", "Did you mean max_attempts?"),
        (CronjobsConf, "heel", "Did you mean heal?"),
        (AlertsConf, "queue_ages", "Did you mean queue_age?"),
        (AlertsConf, "owner", "Remove it."),
    ],
)
def test_an_unknown_name_is_refused_by_the_checks(settings, kind, name, hint):
    """With the nearest one that there is."""
    setattr(settings, kind.setting, {name: 1})

    found = [(each.msg, each.hint) for each in run_checks() if name in each.msg]

    assert found == [(f"{kind.setting} has no setting {name!r}.", hint)]
