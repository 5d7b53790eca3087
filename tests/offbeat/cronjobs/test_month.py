"""A simulated month, March 2026 in Berlin with its change of the clock, on a platform that fires as badly as platforms do."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta

import pytest

from offbeat.cronjobs.catchup import claim_overdue
from offbeat.cronjobs.models import Slot
from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.conftest import at

START, END = at("2026-02-28 23:10"), at("2026-03-31 22:30")
SLOTS = [
    START.replace(minute=0) + timedelta(hours=hour) for hour in range(1, 24 * 31)
]  # an interval follows real time
OUTAGE = at("2026-03-17 04:30"), at("2026-03-17 07:30")
EARLY, GRACE = timedelta(seconds=30), timedelta(minutes=5)


def firings(seed):
    """Give the moments at which the platform fires: twice, 25 s early, up to 19 min late, never, and not in an outage."""
    chance = random.Random(seed)
    moments = []
    for slot in SLOTS:
        kind = chance.choices(["punctual", "double", "early", "late", "missing"], [60, 15, 10, 10, 5])[0]
        delays = {
            "punctual": [chance.uniform(0, 20)],
            "double": [chance.uniform(0, 5), chance.uniform(5, 90)],
            "early": [-25.0],
            "late": [chance.uniform(6 * 60, 19 * 60)],
            "missing": [],
        }[kind]
        moments += [slot + timedelta(seconds=delay) for delay in delays]
    return sorted(each for each in moments if not OUTAGE[0] <= each <= OUTAGE[1])


def groups(moments):
    """Give the slots that each wake-up finds: those that no earlier one has found, up to 30 s ahead."""
    found = defaultdict(list)
    for slot in SLOTS:
        moment = next((each for each in moments if each >= slot - EARLY), None)
        if moment is not None:
            found[moment].append(slot)
    return found


def promised(policy, moments):
    """Give what the policy promises for each slot, told from the wake-ups alone."""
    outcomes = {}
    for moment, slots in groups(moments).items():
        *earlier, newest = slots
        if policy == "all":
            outcomes |= dict.fromkeys(slots, "enqueued")
        elif policy == "latest":
            outcomes |= dict.fromkeys(earlier, "skipped") | {newest: "enqueued"}
        else:
            outcomes |= dict.fromkeys(earlier, "missed")
            outcomes[newest] = "enqueued" if moment - newest <= GRACE else "missed"
    return outcomes


@pytest.fixture
def hourly(make):
    def make_hourly(policy):
        return make("0 * * * *", "Europe/Berlin", catch_up=policy).known(f"{START:%Y-%m-%d %H:%M}")

    return make_hourly


def decided():
    return dict(Slot.objects.values_list("slot", "outcome"))


def jobs_once():
    """Give the slots that have a job, by the jobs' keys; each has one, because keys are unique."""
    return {at(key[-17:-1].replace("T", " ")) for key in Job.objects.values_list("key", flat=True)}


@pytest.mark.parametrize("policy", ["latest", "skip", "all"])
def test_a_month_of_a_bad_platform(hourly, policy):
    """Every slot is decided once, exactly as the policy promises, and each that does not run says why."""
    cronjob, moments = hourly(policy), firings(seed=policy)

    for moment in moments:
        cronjob.wake_up(f"{moment:%Y-%m-%d %H:%M:%S.%f}")

    outcomes = decided()
    assert outcomes == promised(policy, moments)
    assert outcomes.keys() >= set(SLOTS[:-2])
    assert jobs_once() == {slot for slot, outcome in outcomes.items() if outcome == "enqueued"}
    assert not Slot.objects.exclude(outcome="enqueued").filter(reason="").exists()
    assert Slot.objects.exclude(outcome="enqueued").count() >= (0 if policy == "all" else 30)


def test_a_month_with_workers_that_heal(hourly):
    """With workers that check every minute no slot waits longer than `late_after`, and all 743 run once."""
    cronjob, moments = hourly("latest"), firings(seed="healed")
    looks = [slot + GRACE + timedelta(seconds=each) for slot in SLOTS for each in (20, 80)]

    for moment in sorted(moments + looks):
        if moment in moments:
            cronjob.wake_up(f"{moment:%Y-%m-%d %H:%M:%S.%f}")
        else:
            claim_overdue([cronjob.entry], moment, moment)

    slots = list(Slot.objects.all())
    assert {slot.slot for slot in slots if slot.outcome == "enqueued"} == set(SLOTS)
    assert jobs_once() == set(SLOTS)
    assert max(slot.decided_at - slot.slot for slot in slots) <= GRACE + timedelta(seconds=20)
    assert {slot.trigger for slot in slots} == {"schedule", "catchup"}
