"""The ledger: workers seen, queues that nobody consumes, what waits too long, dead letters."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.words import counted, duration
from offbeat.jobs import refusal, unreadable_store
from offbeat.jobs.queries import living_workers
from offbeat.ops.alerts.conf import conf
from offbeat.ops.doctor.findings import Finding, graded, green, red, yellow
from offbeat.ops.metrics import scrape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.jobs.models import Worker


def workers() -> Iterator[Finding]:
    alive, now = living_workers(), database_now()
    if not alive:
        yield red("workers", "none is alive", "start one: without it no job runs, and no cronjob is healed")
    for each in alive:
        text = f"{', '.join(each.queues)}; {each.busy} of {each.concurrency} slots busy; "
        text += f"heartbeat {duration(max(timedelta(0), now - each.heartbeat_at))} ago"
        away = each.broker_away_since
        yield graded(
            f"worker {each.hostname} ({each.pid})",
            text + (f"; without Redis for {duration(now - away)}" if away else ""),
            is_red=False,
            is_yellow=away is not None,
            advice="can it reach REDIS_URL?",
        )
    yield from versions(alive)


def versions(alive: list[Worker]) -> Iterator[Finding]:
    found = sorted({each.version or "unnamed" for each in alive})
    if len(found) > 1:
        advice = "nothing, during a deploy; afterwards: is an old service still running?"
        yield yellow("workers' versions", ", ".join(found), advice)


def queues() -> Iterator[Finding]:
    tallies = scrape.tallies()
    waiting, oldest = scrape.depth(tallies), scrape.oldest(tallies)
    consumed = {queue for each in living_workers() if not each.stopping for queue in each.queues}
    for queue in scrape.queues_of([name for name, jobs in waiting.items() if jobs]):
        age = oldest.get(queue, 0.0)
        text = f"{waiting.get(queue, 0)} due"
        text += f", the first for {duration(timedelta(seconds=age))}" if age else ""
        if queue not in consumed:
            text, advice = f"{text}; nobody consumes it", "start the service that has it in --queues"
        else:
            advice = "more workers, or a look at what keeps these busy"
        yield graded(
            f"queue {queue}",
            text,
            is_red=queue not in consumed,
            is_yellow=age > conf().queue_age,
            advice=advice,
        )


def refused_jobs() -> Iterator[Finding]:
    """Yield what waits for a worker that knows it."""
    for each in refusal.refused():
        advice = (
            "nothing, during a deploy; afterwards: deploy the code that has the task, or discard the jobs"
        )
        yield yellow("unknown tasks", f"{each.task}: {counted(each.jobs, 'job')}: {each.reason}", advice)


def dead_letters() -> Iterator[Finding]:
    dead: dict[str, int] = {}
    for tally in scrape.tallies():
        if tally.state == "dead":
            dead[tally.task] = dead.get(tally.task, 0) + tally.jobs
    for task, count in sorted(dead.items()):
        advice = "python manage.py jobs list --state dead; then retry or discard"
        yield yellow("dead letters", f"{task}: {counted(count, 'dead letter')}", advice)
    if not dead:
        yield green("dead letters", "none")


def messages() -> Iterator[Finding]:
    kept = unreadable_store.kept()
    if kept:
        text = f"{counted(len(kept), 'message')}; the newest, of queue {kept[0].queue}: {kept[0].reason}"
        advice = (
            "python manage.py jobs messages; then requeue what the code can run by now, and drop the rest"
        )
        yield yellow("messages put aside", text, advice)
    else:
        yield green("messages put aside", "none")
