from datetime import timedelta

import pytest

from offbeat.cronjobs import output
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.jobs import ledger
from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.conftest import at


def test_a_wake_up_enqueues_its_slot(make):
    """The slot, its job and the cursor are there after one wake-up, and the message is in Redis."""
    plants = make("0 * * * *").known("2026-11-23 07:30")

    result = plants.wake_up("2026-11-23 08:00:02")

    (slot,) = Slot.objects.all()
    job = Job.objects.get(pk=result.jobs[at("2026-11-23 08:00")])
    assert (slot.outcome, slot.trigger, slot.job_id) == ("enqueued", "schedule", job.pk)
    assert (job.state, job.key) == ("published", "cron:plants:2026-11-23T08:00Z")
    assert (job.concurrency_key, job.when_busy) == ("cron:plants", "skip")
    assert job.not_after == at("2026-11-23 09:00")
    assert plants.row.cursor == at("2026-11-23 08:00")
    assert plants.row.last_fire_at == at("2026-11-23 08:00:02")
    assert result.unpublished == 0


@pytest.mark.parametrize(("policies", "expected"), [({}, 0), ({"priority": -40}, -40)])
def test_a_cronjobs_jobs_have_its_priority(make, policies, expected):
    """By default their task's."""
    make("0 * * * *", **policies).known("2026-11-23 07:30").wake_up("2026-11-23 08:00:02")

    assert Job.objects.get().priority == expected


def test_a_wake_up_costs_a_few_queries(make, django_assert_max_num_queries):
    """A platform bills each: a slot with its job is ten statements, and a wake-up with nothing to do is five."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    ledger.identity()  # each process asks for it once, whichever test comes first

    with django_assert_max_num_queries(10):
        plants.wake_up("2026-11-23 08:00:02")
    with django_assert_max_num_queries(5):
        plants.wake_up("2026-11-23 08:00:03")


def test_a_second_wake_up_does_nothing(make):
    """A platform that fires twice gets one job."""
    plants = make("0 * * * *").known("2026-11-23 07:30")

    plants.wake_up("2026-11-23 08:00:02")
    second = plants.wake_up("2026-11-23 08:00:03")

    assert (second.decisions, second.jobs) == ([], {})
    assert Job.objects.count() == 1


def test_the_slots_decide_when_the_cursor_was_lost(make):
    """A cursor set back enqueues nothing twice: the slot's row says that it is decided."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    plants.wake_up("2026-11-23 08:00:02")
    CronJob.objects.update(cursor=at("2026-11-23 07:30"))

    second = plants.wake_up("2026-11-23 08:00:03")

    assert second.decided_before == [at("2026-11-23 08:00")]
    assert Job.objects.count() == 1


def test_an_early_wake_up_claims_its_slot(make):
    """25 seconds early counts; the job waits for its slot, so that it runs on the right day."""
    plants = make("0 0 * * *").known("2026-11-22 12:00")

    result = plants.wake_up("2026-11-22 23:59:35")

    assert plants.slots("enqueued") == ["11-23 00:00"]
    assert Job.objects.get().due_at == at("2026-11-23 00:00")
    assert plants.wake_up("2026-11-23 00:00:02").jobs == {}
    assert result.next_slot == at("2026-11-24 00:00")


def test_far_too_early_is_not_early(make):
    """A minute before its slot nothing is due."""
    plants = make("0 0 * * *").known("2026-11-22 12:00")

    assert plants.wake_up("2026-11-22 23:59:00").decisions == []


def test_a_tick_is_never_early(make):
    """A tick takes the slots up to now: the next one comes anyway."""
    plants = make("0 0 * * *").known("2026-11-22 12:00")

    assert plants.wake_up("2026-11-22 23:59:35", Slot.Trigger.TICK).decisions == []
    assert plants.wake_up("2026-11-23 00:09:35", Slot.Trigger.TICK).jobs.keys() == {at("2026-11-23 00:00")}


def test_a_new_cronjob_has_no_backlog(make):
    """The first deploy of a year-old schedule enqueues nothing, whoever makes it known."""
    by_worker = make("0 9 * * *").known("2026-11-23 12:00")
    by_itself = make("0 9 * * *", name="by-itself")

    assert by_worker.wake_up("2026-11-23 12:00:01").decisions == []
    assert by_itself.wake_up("2026-11-23 12:00:01").decisions == []
    assert by_itself.row.known_since == at("2026-11-23 12:00:01")


def test_a_first_wake_up_on_time_counts(make):
    """A cronjob that its first wake-up makes known runs the slot that it was woken up for, and only that."""
    plants = make("* * * * *", catch_up="all")

    plants.wake_up("2026-11-23 09:00:02")

    assert plants.slots() == ["11-23 09:00"]


def test_a_changed_schedule_starts_at_now(make):
    """Slots that the new schedule would have had before are not made up for."""
    make("0 9 * * *").known("2026-11-20 12:00").wake_up("2026-11-23 09:00:02")
    hourly = make("30 * * * *")

    assert hourly.wake_up("2026-11-23 12:00").decisions == []
    assert hourly.wake_up("2026-11-23 12:30:01").jobs.keys() == {at("2026-11-23 12:30")}


def test_a_changed_time_zone_is_a_changed_schedule(make):
    """09:00 in Berlin is not 09:00 in UTC."""
    make("0 9 * * *").known("2026-11-20 12:00")
    berlin = make("0 9 * * *", "Europe/Berlin")

    result = berlin.wake_up("2026-11-23 08:00:05")

    assert result.jobs.keys() == {at("2026-11-23 08:00")}
    assert berlin.row.timezone == "Europe/Berlin"


def test_a_paused_cronjob_enqueues_nothing(make):
    """Its slots are recorded as skipped, and it goes on after them."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    CronJob.objects.update(paused_at=at("2026-11-23 07:45"), paused_by="alice")

    result = plants.wake_up("2026-11-23 08:00:02")

    assert plants.reasons() == {"11-23 08:00": "paused by alice"}
    assert (result.paused_by, Job.objects.count()) == ("alice", 0)


def test_a_clock_that_went_back_stops_nothing(make):
    """A cursor in the far future is that of a clock that was wrong: the cronjob goes on from now."""
    plants = make("0 * * * *").known("2027-11-23 07:30")

    plants.wake_up("2026-11-23 08:15")

    assert plants.wake_up("2026-11-23 09:00:01").jobs.keys() == {at("2026-11-23 09:00")}


def test_a_clock_that_jumped_ahead_and_back_takes_no_slot_away(make):
    """What was skipped in a future that did not come is decided again; what has run does not run twice."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    plants.wake_up(
        "2026-11-23 12:00:01"
    )  # four hours too early: the last of five slots runs, the others are skipped

    woken = [plants.wake_up(f"2026-11-23 {hour:02}:00:01").jobs for hour in (8, 9, 12)]

    assert [len(jobs) for jobs in woken] == [1, 1, 0]
    assert plants.slots("enqueued") == ["11-23 08:00", "11-23 09:00", "11-23 12:00"]


def test_a_dry_run_leaves_no_trace(make):
    """It tells what would be done; no row, no job, no cursor."""
    plants = make("0 * * * *").known("2026-11-23 07:30")

    result = plants.wake_up("2026-11-23 08:00:02", is_dry=True)

    assert [each.outcome for each in result.decisions] == ["enqueued"]
    assert (Slot.objects.count(), Job.objects.count()) == (0, 0)
    assert plants.row.cursor == at("2026-11-23 07:30")
    assert plants.row.last_fire_at is None


def test_buffer_one_has_one_waiting(make):
    """One job may run and one may wait; a third slot is skipped and says why."""
    plants = make("* * * * *", overlap="buffer_one").known("2026-11-23 07:59")

    for minute in range(3):
        plants.wake_up(f"2026-11-23 08:0{minute}:01")

    assert plants.slots("enqueued") == ["11-23 08:00", "11-23 08:01"]
    assert plants.reasons() == {"11-23 08:02": "one job runs and one waits already (overlap is buffer_one)"}
    assert set(Job.objects.values_list("when_busy", flat=True)) == {"wait"}


def test_buffer_one_goes_on_when_a_job_has_ended(make):
    """A finished job leaves its place to the next slot."""
    plants = make("* * * * *", overlap="buffer_one").known("2026-11-23 07:59")
    for minute in range(2):
        plants.wake_up(f"2026-11-23 08:0{minute}:01")
    Job.objects.filter(key="cron:plants:2026-11-23T08:00Z").update(state="succeeded")

    plants.wake_up("2026-11-23 08:02:01")

    assert plants.slots("enqueued") == ["11-23 08:00", "11-23 08:01", "11-23 08:02"]


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ({"overlap": "allow"}, (None, "wait")),
        ({"overlap": "skip"}, ("cron:plants", "skip")),
        ({"overlap": "skip", "catch_up": "all"}, ("cron:plants", "wait")),
    ],
)
def test_overlap_is_left_to_the_attempts(make, policies, expected):
    """Jobs carry a concurrency key unless they may overlap; where every slot counts, they wait for one another."""
    plants = make("0 * * * *", **policies).known("2026-11-23 07:30")

    plants.wake_up("2026-11-23 08:00:02")

    assert Job.objects.values_list("concurrency_key", "when_busy").get() == expected


def test_an_outage_in_words(make):
    """After three hours every slot has a row: one with a job, the others with a reason."""
    plants = make("0 * * * *").known("2026-11-23 07:30")

    plants.wake_up("2026-11-23 11:19")

    assert plants.slots("enqueued") == ["11-23 11:00"]
    assert plants.slots("skipped") == ["11-23 08:00", "11-23 09:00", "11-23 10:00"]
    assert set(plants.reasons().values()) == {"merged into the slot 2026-11-23 11:00Z"}


@pytest.mark.parametrize(
    ("timezone", "moment", "expected"),
    [
        (
            "Europe/Berlin",
            "2026-03-29 12:00",
            ["03-28 01:30", "03-29 01:00"],
        ),  # 02:30 does not exist: just after the gap
        (
            "Europe/Berlin",
            "2026-10-25 12:00",
            ["10-24 00:30", "10-25 00:30"],
        ),  # 02:30 comes twice: the first counts
        ("America/New_York", "2026-03-08 18:00", ["03-07 07:30", "03-08 07:00"]),
        ("America/New_York", "2026-11-01 18:00", ["10-31 06:30", "11-01 07:30"]),
    ],
)
def test_a_fixed_time_fires_once_when_the_clock_changes(make, timezone, moment, expected):
    """Spring and autumn, half past two at night: one row a day."""
    plants = make("30 2 * * *", timezone, catch_up="all", catch_up_window=timedelta(days=3))
    plants.known(f"{at(moment) - timedelta(days=1, hours=14):%Y-%m-%d %H:%M}")

    plants.wake_up(moment)

    assert plants.slots("enqueued") == expected


@pytest.mark.parametrize(
    ("timezone", "start", "end"),
    [
        ("Europe/Berlin", "2026-10-24 23:30", "2026-10-25 03:30"),
        ("Europe/Berlin", "2026-03-28 23:30", "2026-03-29 03:30"),
        ("America/New_York", "2026-11-01 04:30", "2026-11-01 08:30"),
        ("America/New_York", "2026-03-08 05:30", "2026-03-08 09:30"),
    ],
)
def test_an_interval_follows_real_time(make, timezone, start, end):
    """An hourly cronjob has a slot every real hour, in the repeated hour too."""
    plants = make("0 * * * *", timezone, catch_up="all").known(start)

    plants.wake_up(end)

    hours = [at(start) + timedelta(hours=each, minutes=30) for each in range(4)]
    assert plants.slots("enqueued") == [f"{hour:%m-%d %H:%M}" for hour in hours]


def test_a_sleep_of_400_days_is_over_with_one_wake_up(make):
    """Of half a million slots the newest runs; the day before it is listed, and that older ones are not is told."""
    plants = make("* * * * *").known("2025-10-19 08:00:30")

    result = plants.wake_up("2026-11-23 08:00:02")
    again = plants.wake_up("2026-11-23 08:00:03")

    assert plants.slots("enqueued") == ["11-23 08:00"]
    assert Slot.objects.count() == 2_000
    assert output.line(result).endswith("; older ones, from 2025-10-19 08:01Z on, are not listed")
    assert output.as_json(result)["unlisted_since"] == "2025-10-19T08:01:00+00:00"
    assert (again.decisions, again.unlisted_since) == ([], None)


def test_arguments_by_place(make):
    """A command may return a pair, for a task that takes some by position only."""
    cronjob = make(arguments=lambda *_: (["by place"], {})).known("2026-11-23 07:30")

    cronjob.wake_up("2026-11-23 08:00")

    job = Job.objects.get()
    assert (job.args, job.kwargs) == (["by place"], {})
