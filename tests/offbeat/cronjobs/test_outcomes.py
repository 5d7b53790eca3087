from datetime import timedelta

import pytest

from offbeat.cronjobs.outcomes import decide, due_slots
from offbeat.cronjobs.policies import Policies, PolicyError
from offbeat.deployment.schedule import Schedule
from tests.offbeat.cronjobs.conftest import at, minutes

NOW = at("2026-11-23 12:19")
HOURS = [at(f"2026-11-23 {hour:02}:00") for hour in (9, 10, 11, 12)]


def outcomes(policies, slots=HOURS, now=NOW, paused_by=None):
    return [each.outcome for each in decide(slots, policies, now, paused_by)]


def test_latest_runs_the_newest_slot_and_merges_the_others():
    """After an outage one job is enqueued, and the slots before say into which they were merged."""
    decisions = decide(HOURS, Policies(), NOW, None)

    assert [each.outcome for each in decisions] == ["skipped", "skipped", "skipped", "enqueued"]
    assert decisions[0].reason == "merged into the slot 2026-11-23 12:00Z"


def test_latest_runs_a_slot_however_late_within_its_window():
    """A wake-up that is 19 minutes late is late, and no reason to drop the slot."""
    assert outcomes(Policies(), HOURS[-1:]) == ["enqueued"]


def test_skip_runs_only_what_is_on_time():
    """A slot is given up once `late_after` is over, with the lateness as its reason."""
    policies = Policies(catch_up="skip")

    decisions = decide(HOURS[-1:], policies, NOW, None)

    assert [each.outcome for each in decisions] == ["missed"]
    assert decisions[0].reason == "19 min late, more than late_after (5 min); catch_up is skip"
    assert outcomes(policies, now=HOURS[-1] + minutes(5)) == ["missed", "missed", "missed", "enqueued"]


def test_all_runs_every_slot():
    """Where every slot counts, each gets its job."""
    assert outcomes(Policies(catch_up="all")) == ["enqueued"] * 4


def test_all_has_a_bound():
    """Of more than a hundred slots the newest hundred run, and the others are told."""
    slots = [NOW - minutes(each) for each in range(102, 0, -1)]

    decisions = decide(slots, Policies(catch_up="all"), NOW, None)

    assert [each.outcome for each in decisions] == ["missed"] * 2 + ["enqueued"] * 100
    assert decisions[0].reason == "more than 100 slots were due at once"


@pytest.mark.parametrize("catch_up", ["latest", "all"])
def test_nothing_older_than_the_window_is_caught_up(catch_up):
    """A day after its slot nobody wants a report of it."""
    policies = Policies(catch_up=catch_up, catch_up_window=timedelta(hours=2))

    decisions = decide([HOURS[0]], policies, NOW, None)

    assert [each.outcome for each in decisions] == ["missed"]
    assert decisions[0].reason == "older than the catch_up_window of 2 h"


def test_a_starting_deadline_is_kept():
    """A slot that can no longer start in time is given up when it is claimed."""
    decisions = decide(HOURS[-1:], Policies(starting_deadline=minutes(10)), NOW, None)

    assert [each.outcome for each in decisions] == ["missed"]
    assert decisions[0].reason == "19 min late, over the starting_deadline of 10 min"


def test_a_paused_cronjob_skips_all():
    """Each slot of a pause is recorded, with the name of whoever paused it."""
    decisions = decide(HOURS, Policies(catch_up="all"), NOW, "alice")

    assert {(each.outcome, each.reason) for each in decisions} == {("skipped", "paused by alice")}


def test_the_default_deadline_is_the_next_slot():
    """A job that has not started when the next slot comes has nothing left to do, but it has ten minutes at least."""
    hourly, every_minute = Schedule.parse("0 * * * *"), Schedule.parse("* * * * *")

    assert Policies().not_after(HOURS[0], hourly) == HOURS[1]
    assert Policies().not_after(HOURS[0], every_minute) == HOURS[0] + minutes(10)
    assert Policies(catch_up="all").not_after(HOURS[0], hourly) is None
    assert Policies(starting_deadline=minutes(3)).not_after(HOURS[0], hourly) == HOURS[0] + minutes(3)


@pytest.fixture
def steps(monkeypatch):
    """The wall times that schedules look at."""
    looked_at = []
    look = Schedule._moments_of  # noqa: SLF001  the one step that every walk takes

    def note(schedule, wall):
        looked_at.append(wall)
        return look(schedule, wall)

    monkeypatch.setattr(Schedule, "_moments_of", note)
    return looked_at


@pytest.mark.fault("a cronjob did not run for 400 days")
@pytest.mark.parametrize(
    ("cron", "timezone"),
    [
        ("* * * * *", "UTC"),
        ("* * * * *", "Europe/Berlin"),
        ("* * * 1 *", "UTC"),
        ("*/7 * * * *", "Australia/Lord_Howe"),
        ("0 9 * * MON", "UTC"),
        ("0 0 29 2 *", "UTC"),
    ],
)
@pytest.mark.parametrize("days", [1, 31, 400])
def test_a_very_long_silence_is_bounded(steps, cron, timezone, days):
    """Two thousand slots are listed at most, the newest, and the others are not walked over."""
    schedule = Schedule.parse(cron, timezone)
    begin, year = NOW - timedelta(days=days), NOW - timedelta(days=366)

    slots = due_slots(schedule, begin, NOW)
    walked = len(steps)

    listed_from = slots[0] - minutes(1) if len(slots) == 2_000 else max(begin, year)
    assert slots == list(schedule.slots(listed_from, NOW))
    assert len(slots) <= 2_000
    assert walked < 10_000


def test_a_short_silence_is_walked_once(steps):
    """A wake-up in time pays for no more than its slots."""
    due_slots(Schedule.parse("* * * * *"), NOW - minutes(3), NOW)

    assert len(steps) <= 5


@pytest.mark.parametrize("value", [True, "high", 101])
def test_a_priority_that_is_none_is_refused(value):
    """By the check of platform.yaml, before a wake-up meets it."""
    with pytest.raises(
        PolicyError, match="priority should be a whole number from -100 to 100, higher first, got"
    ):
        Policies(priority=value).check()
