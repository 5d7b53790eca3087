from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from offbeat.cronjobs import catchup, entries
from offbeat.cronjobs.catchup import CatchUp, claim_overdue
from offbeat.cronjobs.models import CronJob, Slot, Tick
from offbeat.deployment import spec
from offbeat.jobs.models import Job
from offbeat.jobs.worker import periodic_tasks
from tests.offbeat.cronjobs.conftest import BUGS, at

ENTRY = spec.CronJobSpec(
    name="prune-jobs", schedule="0 3 * * *", command="python manage.py enqueue_prune_jobs"
)


def healed(plants, moment):
    return [each.name for each in claim_overdue([plants.entry], at(moment), at(moment))]


def test_a_forgotten_slot_is_claimed_after_late_after(make, caplog):
    """Five minutes after a slot that nobody woke up for, any worker enqueues it, and says so loudly."""
    plants = make("0 * * * *").known("2026-11-23 07:30")

    before = healed(plants, "2026-11-23 08:04:59")
    after = healed(plants, "2026-11-23 08:05:01")

    slot = Slot.objects.get()
    assert (before, after) == ([], ["plants"])
    assert (slot.trigger, slot.outcome, slot.job_id) == ("catchup", "enqueued", Job.objects.get().pk)
    assert (
        "plants: the platform did not trigger 1 slot, the last 2026-11-23 08:00Z; a worker claimed them"
        in caplog.text
    )


def test_what_is_known_is_not_written_again(db, monkeypatch):
    """A worker that starts locks no cronjob that is as the ledger has it."""
    monkeypatch.setattr(entries, "in_file", lambda: [ENTRY])
    CatchUp().run(at("2026-11-23 02:00"))

    with CaptureQueriesContext(connection) as captured:
        CatchUp().run(at("2026-11-23 02:01"))

    assert [each["sql"] for each in captured if "FOR UPDATE" in each["sql"]] == []
    assert CronJob.objects.get().known_since == at("2026-11-23 02:00")


def test_healing_counts_as_no_fire(make):
    """What a worker claims does not make the platform look alive."""
    plants = make("0 * * * *").known("2026-11-23 07:30")

    healed(plants, "2026-11-23 08:06")

    assert plants.row.last_fire_at is None


def test_two_workers_heal_once(make):
    """The second worker finds nothing left to do."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    healed(plants, "2026-11-23 08:06")

    assert healed(plants, "2026-11-23 08:06:01") == []
    assert Job.objects.count() == 1


def test_what_is_still_on_time_is_left_to_the_platform(make):
    """Of a per-minute cronjob only the slots past `late_after` are claimed."""
    plants = make("* * * * *", catch_up="all").known("2026-11-23 07:59")

    healed(plants, "2026-11-23 08:06:30")

    assert plants.slots() == ["11-23 08:00", "11-23 08:01"]


def test_a_clock_that_went_back_does_not_stop_healing(make):
    """The cursor of a future that did not come is set back by a worker: the next forgotten slot is healed."""
    plants = make("0 * * * *").known("2026-11-23 12:30")

    healed(plants, "2026-11-23 07:30")
    healed(plants, "2026-11-23 08:06")

    assert plants.slots("enqueued") == ["11-23 08:00"]


def test_skipped_slots_are_recorded_as_missed(make):
    """catch_up = skip enqueues nothing late, and the ledger says why."""
    plants = make("0 * * * *", catch_up="skip").known("2026-11-23 07:30")

    healed(plants, "2026-11-23 08:06")

    assert plants.reasons() == {"11-23 08:00": "6 min late, more than late_after (5 min); catch_up is skip"}


def test_a_worker_of_the_old_code_heals_nothing(make):
    """During a deploy, the ledger has another schedule than the old worker: it leaves the cronjob alone."""
    make("30 * * * *").known("2026-11-23 07:20")
    old = make("0 * * * *")

    assert healed(old, "2026-11-23 08:40") == []
    assert CronJob.objects.get().cron == "30 * * * *"


def test_under_a_tick_late_after_is_longer(make):
    """Where a tick comes every ten minutes, a slot is overdue only when a tick should have come and some."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    for minutes in (0, 10, 20):
        Tick.objects.create(at=at("2026-11-23 07:31") + timedelta(minutes=minutes))

    assert healed(plants, "2026-11-23 08:14") == []
    assert healed(plants, "2026-11-23 08:15:30") == ["plants"]


@pytest.fixture
def platform(monkeypatch, transactional_db):
    monkeypatch.setattr(entries, "in_file", lambda: (ENTRY,))


def test_a_worker_makes_cronjobs_known_when_it_starts(platform):
    """So that a platform which never fires is noticed, and a first wake-up has a cursor."""
    CatchUp().run(at("2026-11-23 08:00"))

    row = CronJob.objects.get()
    assert (row.name, row.cursor, row.last_fire_at) == ("prune-jobs", at("2026-11-23 08:00"), None)


def test_a_running_worker_does_not_take_a_schedule_back(platform, monkeypatch):
    """Only when it starts does a worker tell the ledger a schedule: two versions do not quarrel about it."""
    old = CatchUp()
    old.run(at("2026-11-23 08:00"))
    changed = spec.CronJobSpec(name=ENTRY.name, schedule="30 * * * *", command=ENTRY.command)
    monkeypatch.setattr(entries, "in_file", lambda: (changed,))
    CatchUp().run(at("2026-11-23 08:10"))

    old.run(at("2026-11-23 08:20"))

    assert CronJob.objects.get().schedule == "30 * * * *"


def test_a_dashboards_cronjob_is_healed(make, platform):
    """A cronjob that only its command line tells of is healed from what its last wake-up told."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    CronJob.objects.update(
        is_in_file=False, command="enqueue_prune_jobs", last_fire_at=at("2026-11-20 07:00")
    )

    done = CatchUp().run(at("2026-11-23 08:06"), at("2026-11-23 08:06"))

    assert [each.name for each in done] == ["plants"]
    assert Job.objects.get().task == "offbeat.jobs.tasks.prune"
    assert plants.slots("enqueued") == ["11-23 08:00"]


@pytest.mark.parametrize(
    ("schedule", "last_fire", "is_healed"),
    [
        ("0 * * * *", "2026-11-15 09:00", True),
        ("0 * * * *", "2026-11-15 07:00", False),
        ("0 8 1 * *", "2026-11-01 08:00", True),
        ("0 8 1 * *", "2026-10-01 08:00", False),
    ],
)
def test_a_dashboards_cronjob_is_healed_for_a_week(make, platform, schedule, last_fire, is_healed):
    """A week without a wake-up, and a day after the next slot, it counts as removed from the dashboard."""
    moment = at("2026-11-23 08:06") if "*" in schedule[:4] else at("2026-12-01 08:06")
    make(schedule).known("2026-11-23 07:30")
    CronJob.objects.update(is_in_file=False, command="enqueue_prune_jobs", last_fire_at=at(last_fire))

    assert bool(CatchUp().run(moment, moment)) is is_healed


def test_healing_can_be_switched_off(make, platform, settings):
    """With heal = 0 workers only make cronjobs known."""
    settings.OFFBEAT_CRONJOBS = {"heal": 0}
    CatchUp().run(at("2026-11-22 08:00"))

    assert CatchUp().run(at("2026-11-23 08:06")) == []
    assert Slot.objects.count() == 0


def test_a_broken_entry_does_not_stop_a_worker(platform, monkeypatch, caplog):
    """It is logged; the others are healed."""
    broken = spec.CronJobSpec(name="broken", schedule="0 * * * *", command="python manage.py check")
    monkeypatch.setattr(entries, "in_file", lambda: (broken, ENTRY))

    CatchUp().run(at("2026-11-23 08:00"))

    assert list(CronJob.objects.values_list("pk", flat=True)) == ["prune-jobs"]
    assert 'the management command "check" is not an EnqueueCommand' in caplog.text


def test_the_periodic_tasks_are_registered():
    """Every worker's maintenance catches up and prunes."""
    names = {each.name: each.interval for each in periodic_tasks.registered()}

    assert names["slots"] == 15.0
    assert "slot retention" in names
    assert catchup.conf().heal


def test_a_cronjob_that_somebody_is_at_is_passed_by(make):
    """A worker does not wait for a wake-up that holds the cronjob; it looks again later."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT * FROM offbeat_cronjobs_cronjob FOR UPDATE")
        while_locked = healed(plants, "2026-11-23 08:06")
        cursor.execute("ROLLBACK")
    other.close()

    assert while_locked == []
    assert healed(plants, "2026-11-23 08:06:15") == ["plants"]


def test_a_policy_that_is_none_does_not_stop_a_worker(platform, monkeypatch, caplog):
    """It is logged once, when the worker starts; the cronjob is known, and the others are healed."""
    broken = spec.CronJobSpec(name="broken", schedule="0 3 * * *", command=f"{ENTRY.command} --name broken")
    monkeypatch.setattr(entries, "in_file", lambda: (broken, ENTRY))
    loaded = entries.load_entry

    def with_a_bad_policy(cronjob):
        entry = loaded(cronjob)
        entry.command.late_after = 5 if cronjob is broken else entry.command.late_after
        return entry

    monkeypatch.setattr(entries, "load_entry", with_a_bad_policy)
    worker = CatchUp()
    worker.run(at("2026-11-22 08:00"))

    done = worker.run(at("2026-11-23 03:06"), at("2026-11-23 03:06"))

    assert [each.name for each in done] == ["prune-jobs"]
    assert caplog.text.count("late_after should be a timedelta above zero, got 5") == 1
    assert CronJob.objects.filter(pk="broken").exists()


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_does_not_keep_others_from_being_healed(make, monkeypatch, caplog, bug):
    """Whatever arguments() of a command does, it is logged; the next cronjob is healed."""
    broken = make("0 * * * *", name="broken").known("2026-11-23 07:30")
    plants = make("0 * * * *").known("2026-11-23 07:30")
    monkeypatch.setattr(type(broken.entry.command), "arguments", bug)

    done = claim_overdue([broken.entry, plants.entry], at("2026-11-23 08:06"), at("2026-11-23 08:06"))

    assert [each.name for each in done] == ["plants"]
    assert "broken: a bug" in caplog.messages
