"""CronJobs where a clock is changed, by a model of the search that Kubernetes makes for the next time."""

from datetime import UTC, datetime, timedelta

from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment.kubernetes_cron import fires
from tests.offbeat.deployment.odd_schedules import ALL, slots, windows
from tests.offbeat.deployment.wakeups import cron, planned_wakeups

A_WEEK = timedelta(days=8)


def test_cronjobs_wake_every_slot_where_a_clock_is_changed():
    """Kubernetes runs a repeated hour twice, and meets no schedule in its own zone that its search would lose."""
    lost, compared = [], 0
    for case, platform in ALL.items():
        files = {file.path: file.text for file in export_platform("kubernetes", platform).files}
        planned = planned_wakeups("kubernetes", files)
        for cronjob in platform.cronjobs:
            mine = [each for each in planned if each.command.split() == cronjob.command.split()]
            for start, end in windows(cronjob.timezone) if mine else ():
                # From a week before, as the search goes on from the last time that it found.
                moments = (
                    {each for line in mine for each in fires(line, end - A_WEEK, end)}
                    if len(mine) < 4
                    else set()
                )
                due = slots(cronjob, (start, end))
                lost += [(case, cronjob.name, each) for each in due if each not in moments]
                compared += len(due)

    assert lost == []
    assert compared > 1000


def test_the_model_loses_a_sunday_without_a_midnight():
    """The fault that lines in UTC are printed for: in Havana the clock goes from 0:00 to 1:00 on a Sunday."""
    line = cron("x", "0 9 * * 0", "America/Havana")

    found = list(fires(line, datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 3, 30, tzinfo=UTC)))

    assert datetime(2027, 3, 14, 13, tzinfo=UTC) not in found
    assert datetime(2027, 3, 21, 13, tzinfo=UTC) in found
