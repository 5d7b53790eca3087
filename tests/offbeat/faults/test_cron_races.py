"""Wake-ups come many at once, and die at any step: one slot, one job, one effect."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.registration import register
from offbeat.cronjobs.wakeup import wake_up
from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.wakers import STEPS, entry
from tests.offbeat.faults.conftest import QUICK
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import wait_until

WAKER = [sys.executable, "tests/offbeat/cronjobs/wakers.py"]
SOME = ["one", "two", "three"]  # cronjobs of ticks; two share a transaction, the last has its own
pytestmark = pytest.mark.faults


def this_minute():
    return datetime.now(UTC).replace(second=0, microsecond=0)


def run(faults, *arguments):
    process = faults.stack.start("waker", [*WAKER, *arguments], **QUICK)
    code = process.wait(90)
    return code, process.output


def test_fifty_at_once(faults):
    """Fifty processes wake one cronjob at the same moment, twenty times over: twenty slots, twenty jobs, each run once."""
    code, output = run(faults, "storm", "storm", this_minute().isoformat(), "50", "20")
    faults.quick_worker()
    faults.wait_for_all()

    assert code == 0, output
    assert Slot.objects.filter(outcome="enqueued").count() == Slot.objects.count() == 20
    assert Job.objects.filter(state="succeeded", attempt=1).count() == Job.objects.count() == 20
    assert Effect.objects.filter(what="done").count() == 20
    assert faults.repeated() == []


def test_killed_at_every_step(faults):
    """Killed between claim, commit and publish, and after it; one more wake-up, and there is one job with one effect."""
    moment = this_minute()
    for step in STEPS:
        register(entry(step), moment - timedelta(seconds=30))

    codes = [run(faults, "crash", step, (moment + timedelta(seconds=1)).isoformat())[0] for step in STEPS]
    survived = dict(Slot.objects.values_list("cronjob", "outcome"))
    for step in STEPS:
        wake_up(entry(step), now=moment + timedelta(seconds=20))
    faults.quick_worker()
    faults.wait_for_all()

    assert codes == [-9] * len(STEPS)
    assert survived == dict.fromkeys(("committed", "published"), "enqueued")
    assert list(Slot.objects.order_by("pk").values_list("outcome", flat=True)) == ["enqueued"] * len(STEPS)
    assert Job.objects.filter(state="succeeded").count() == Job.objects.count() == len(STEPS)
    assert sorted(Effect.objects.filter(what="done").values_list("label", flat=True)) == sorted(
        f"{step} {moment:%H:%M}" for step in STEPS
    )
    assert set(CronJob.objects.filter(pk__in=STEPS).values_list("cursor", flat=True)) == {moment}


def expect_each_once(moment, minutes):
    """Each of SOME has one slot a minute, and one job for it; return how these are called."""
    labels = sorted(
        f"{name} {moment + timedelta(minutes=each):%H:%M}" for name in SOME for each in range(minutes)
    )
    slots = list(Slot.objects.all())
    assert sorted(f"{each.cronjob_id} {each.slot:%H:%M}" for each in slots) == labels
    assert {each.job_id for each in slots} == set(Job.objects.values_list("pk", flat=True))
    assert Job.objects.count() == len(labels)
    last = moment + timedelta(minutes=minutes - 1)
    cursors = CronJob.objects.filter(pk__in=SOME).values_list("pk", "cursor")
    assert set(cursors) == {(name, last) for name in SOME}
    return labels


def test_ticks_at_once(faults):
    """Four ticks come at the same moment, three times over, and the first ones find new cronjobs: nothing is lost or doubled."""
    moment = this_minute()
    code, output = run(faults, "tick_storm", ",".join(SOME), moment.isoformat(), "4", "3")

    assert code == 0, output
    expect_each_once(moment, 3)


def test_a_tick_killed_anywhere(faults):
    """Killed before any statement, commit or message of any of its transactions; the next tick does what is left, and no more."""
    moment = this_minute()
    for name in SOME:
        register(entry(name), moment - timedelta(seconds=30))
    code, output = run(faults, "kill_ticks", ",".join(SOME), moment.isoformat())
    faults.quick_worker()
    faults.wait_for_all()

    assert code == 0, output
    killed = int(output.splitlines()[-1])
    assert killed > 20
    labels = expect_each_once(moment, killed + 1)
    assert sorted(Effect.objects.filter(what="done").values_list("label", flat=True)) == labels
    assert Job.objects.filter(state="succeeded", attempt=1).count() == len(labels)


def test_stopped_in_the_middle(faults):
    """A wake-up whose machine is frozen while it holds its cronjob loses it: the next one claims the slot."""
    moment = this_minute()
    register(entry("frozen"), moment - timedelta(seconds=30))
    frozen = faults.stack.start(
        "waker", [*WAKER, "stop", "frozen", (moment + timedelta(seconds=1)).isoformat()]
    )
    wait_until(lambda: psutil.Process(frozen.pid).status() == psutil.STATUS_STOPPED)

    wake_up(entry("frozen"), now=moment + timedelta(seconds=20))
    frozen.resume()
    code = frozen.wait()

    assert code == 1
    assert Slot.objects.get().job_id == Job.objects.get().pk
