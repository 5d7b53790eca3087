"""A scene for the pages: a ledger as it looks after weeks of work, with an incident or without."""

from __future__ import annotations

import random
from datetime import UTC, timedelta

from django.db import connection, transaction
from django.utils import timezone

from offbeat.cronjobs import entries
from offbeat.cronjobs.management.commands.enqueue_prune_jobs import Command
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.registration import register
from offbeat.deployment.schedule import Schedule
from offbeat.jobs.batches import seal
from offbeat.jobs.identity import uuid7
from offbeat.jobs.models import Batch, Job

CAST = {"signup-report": ("@hourly", "UTC"), "weekly-digest": ("0 9 * * MON", "Europe/Berlin")}
REFUSED = "ConnectionRefusedError: [Errno 111] Connection refused"
TRACEBACK = """Traceback (most recent call last):
  File "/app/src/offbeat/jobs/execution.py", line 72, in _answer
    return task.run(*attempt.args, **attempt.kwargs)
  File "/app/src/newsletter/tasks.py", line 49, in send_confirmation
    mails.send(mails.confirmation(subscriber, self.request.id))
  File "/usr/local/lib/python3.14/smtplib.py", line 312, in _get_socket
    return socket.create_connection((host, port), timeout)
ConnectionRefusedError: [Errno 111] Connection refused
"""


def job(task, state, at, **values):
    """Write a job as it is after its work; returns it."""
    made = unwritten(task, state, at, **values)
    made.save(force_insert=True)
    return made


def unwritten(task, state, at, **values):
    """Give a job as it is after its work, for `bulk_create`."""
    finished, took = state in Job.FINISHED, timedelta(seconds=values.pop("took", 0.8))
    values = {
        "queue": "mail" if "send" in task else "default",
        "attempt": int(state not in Job.STARTABLE),
        "published_at": at,
        "started_at": at + timedelta(milliseconds=40) if state not in Job.STARTABLE else None,
        "finished_at": at + took if finished else None,
    } | values
    return Job(
        pk=id_at(at),
        task=task,
        state=state,
        created_at=at,
        due_at=at,
        publish_at=at,
        max_attempts=5,
        **values,
    )


def id_at(moment):
    """Return a job's id as it is made at a moment."""
    chance = uuid7().int & ((1 << 80) - 1)
    return type(uuid7())(int=int(moment.timestamp() * 1000) << 80 | chance)


def cronjobs():
    """Give the entries of platform.yaml by their names, and the cast: a dashboard's, where the file has none of that name."""
    found = {each.name: entries.load_entry(each) for each in entries.in_file()}
    for name, (schedule, zone) in CAST.items():
        parsed = Schedule.parse(schedule, zone, name)
        entry = entries.Entry(name, parsed, "enqueue_prune_jobs", Command(), is_in_file=False)
        found.setdefault(name, entry)
    return found


def known(now):
    """Make every cronjob known, as workers and wake-ups do, six weeks ago."""
    for entry in cronjobs().values():
        register(entry, now - timedelta(days=42))
    CronJob.objects.update(known_since=now - timedelta(days=42), last_fire_at=now, last_success_at=now)


def past(name, now, odd=None, until=None):
    """Write the slots of the last weeks of a cronjob; `odd` maps how many slots ago to what became of it."""
    row, entry = CronJob.objects.get(pk=name), cronjobs()[name]
    slots = list(entry.schedule.slots(now - timedelta(days=40), until or now))
    dice = random.Random(name)
    jobs, decided = [], []
    for ago, slot in enumerate(reversed(slots)):
        became = (odd or {}).get(ago, "succeeded")
        outcome = became if became in Slot.Outcome.values else Slot.Outcome.ENQUEUED
        late = timedelta(seconds=dice.uniform(0.6, 4))
        made = None
        if outcome == Slot.Outcome.ENQUEUED:
            reason = REFUSED if became == "dead" else ""
            made = unwritten(
                entry.command.task.name, became, slot + late, key=f"cron:{name}:{slot:%Y-%m-%dT%H:%MZ}",
                concurrency_key=f"cron:{name}", reason=reason, traceback=TRACEBACK if reason else "",
                took=dice.uniform(0.2, 9),
            )  # fmt: skip
            jobs.append(made)
        reason = {
            "missed": "26 min late, over the starting_deadline of 10 min",
            "skipped": "paused by bob",
        }.get(became, "")
        decided.append(
            Slot(
                cronjob=row,
                slot=slot,
                trigger="schedule",
                outcome=outcome,
                reason=reason,
                job=made,
                decided_at=slot + late,
            )
        )
    Job.objects.bulk_create(jobs)
    Slot.objects.bulk_create(decided)
    row.cursor = slots[-1] if slots else row.cursor
    row.save()


def traffic(now, per_minute=24):
    """Write the mails of the last half hour, more of them now and then."""
    dice, jobs = random.Random(7), []
    for minute in range(31):
        for _ in range(int(per_minute * dice.uniform(0.2, 1) * (2.4 if minute in {9, 10, 11, 22} else 1))):
            at = now - timedelta(minutes=minute, seconds=dice.uniform(0, 60))
            task = dice.choice(["newsletter.tasks.send_confirmation", "newsletter.tasks.send_chunk"])
            took = min(dice.uniform(0.3, 40), (now - at).total_seconds())
            jobs.append(unwritten(task, "succeeded", at, args=[dice.randrange(40_000)], took=took))
    Job.objects.bulk_create(jobs)


def batch(now, succeeded=31, failed=0, total=40):
    made = Batch.objects.create(
        name=f"weekly-digest {now:%G-W%V}", on_success={"task": "newsletter.tasks.close_digest"}
    )
    for number in range(total):
        state = "succeeded" if number < succeeded else "dead" if number < succeeded + failed else "pending"
        later = {
            "due_at": now + timedelta(hours=2),
            "publish_at": now + timedelta(hours=2),
            "published_at": None,
        }
        made_job = job("newsletter.tasks.send_chunk", state, now - timedelta(seconds=90), batch=made, args=[7, number],
                       **({} if state != "pending" else {"queue": "mail"}))  # fmt: skip
        if state == "pending":
            Job.objects.filter(pk=made_job.pk).update(**later)
    seal(made)
    Batch.objects.filter(pk=made.pk).update(succeeded=succeeded, failed=failed)
    return made


def dead_letter(now, minutes=14, subscriber=4711):
    """Write a job that failed three times, the last time so many minutes ago."""
    died = now - timedelta(minutes=minutes)
    history = [
        {
            "attempt": number,
            "outcome": "retried" if number < 3 else "failed",
            "reason": REFUSED,
            "started_at": (died - timedelta(seconds=30 * (3 - number) + 2)).isoformat(),
            "ended_at": (died - timedelta(seconds=30 * (3 - number))).isoformat(),
            "worker": str(uuid7()),
        }
        for number in (1, 2, 3)
    ]
    return job(
        "newsletter.tasks.send_confirmation", "dead", died - timedelta(seconds=64), args=[subscriber], attempt=3, retries=2,
        published_at=died - timedelta(seconds=2.03),
        started_at=died - timedelta(seconds=2), finished_at=died, reason=REFUSED, traceback=TRACEBACK, history=history,
    )  # fmt: skip


def backlog(now, jobs=212, minutes=13):
    """Write mails that wait, the oldest for so many minutes."""
    came = [now - timedelta(minutes=minutes * (jobs - number) / jobs) for number in range(jobs)]
    task = "newsletter.tasks.send_confirmation"
    Job.objects.bulk_create(
        unwritten(task, "published", at, args=[5000 + number]) for number, at in enumerate(came)
    )


@transaction.atomic  # a worker that looks meanwhile sees all of it or nothing
def set_up(*, incident):
    """Write the whole scene."""
    now = timezone.now().astimezone(UTC)
    known(now)
    for name in cronjobs():
        past(name, now)
    traffic(now)
    batch(now)
    if incident:
        for minutes, subscriber in ((3, 4711), (9, 4712), (14, 4720)):
            dead_letter(now, minutes, subscriber)
        backlog(now)
        hourly = Slot.objects.filter(cronjob="signup-report").order_by("-slot")
        for slot, state in zip(hourly[:3], ("dead", "dead", "dead"), strict=False):
            Job.objects.filter(pk=slot.job_id).update(state=state, reason=REFUSED, traceback=TRACEBACK)
        hourly.filter(pk=hourly[7].pk).update(
            outcome="missed", job=None, reason="26 min late, over the starting_deadline of 10 min"
        )
        CronJob.objects.filter(pk="signup-report").update(last_success_at=hourly[3].job.finished_at)
        CronJob.objects.filter(pk="weekly-digest").update(last_fire_at=None)
        digest = Slot.objects.filter(cronjob="weekly-digest").order_by("-slot")
        digest.update(trigger="catchup")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE offbeat_jobs_job")
