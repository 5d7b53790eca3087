"""The arithmetic of times: how long a job may run, against the worker's grace, its next slot, and the waits within it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from celery import current_app
from django.conf import settings

from offbeat.cronjobs import entries
from offbeat.cronjobs.conditions import longest_run
from offbeat.cronjobs.words import duration
from offbeat.deployment import spec
from offbeat.jobs import brokers
from offbeat.jobs.conf import conf
from offbeat.mailer import mailer_option
from offbeat.ops.doctor.findings import Finding, graded, green, red, yellow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.cronjobs.entries import Entry

HAND_BACK = 8.0  # seconds that a stopping worker needs after its drain: to kill, to hand back, to close


def grace() -> Iterator[Finding]:
    """The worker's stop: drain + handing back must fit into the grace, which is platform.yaml's."""
    needed = conf().drain + HAND_BACK
    yield graded(
        "worker's stop",
        f"{conf().drain:g} s for its jobs + {HAND_BACK:g} s to return the others, of {settings.WORKER_GRACE} s of grace",
        is_red=needed > settings.WORKER_GRACE,
        is_yellow=False,
        advice=f"OFFBEAT_JOBS_DRAIN={max(1, settings.WORKER_GRACE - 10)} at most",
    )
    for service in spec.read().services:
        if service.queues and service.grace != settings.WORKER_GRACE:
            text = f"WORKER_GRACE is {settings.WORKER_GRACE}, and platform.yaml gives {service.name} {service.grace} s"
            yield yellow("worker's grace", text, f"set WORKER_GRACE={service.grace} for the {service.name}")


def time_limits() -> Iterator[Finding]:
    patience = mailer_option("timeout")
    soft, hard = current_app.conf.task_soft_time_limit, current_app.conf.task_time_limit
    text = f"soft {soft or 'none'} s, hard {hard or 'none'} s"
    if not hard:
        yield red(
            "time limits", text, "set CELERY_TASK_TIME_LIMIT: a task that hangs blocks its process forever"
        )
    elif soft and soft >= hard:
        yield red("time limits", text, "the soft limit must be below the hard one, or it has no effect")
    elif patience and hard <= patience:
        advice = f"above the mail server's timeout ({patience} s): a silent one kills the job"
        yield yellow("time limits", text, advice)
    else:
        yield green("time limits", text)


def visibility() -> Iterator[Finding]:
    if brokers.scheme() in brokers.AMQP:  # it returns messages when a connection ends
        return
    timeout, interval = settings.VISIBILITY_TIMEOUT, settings.VISIBILITY_TIMEOUT / 3
    yield graded(
        "visibility timeout",
        f"{timeout} s, renewed every {interval:g} s",
        is_red=False,
        is_yellow=timeout < 15,
        advice="at least 15 s: another worker would take the messages of one that is only slow",
    )


def slots() -> Iterator[Finding]:
    """A cronjob whose job may outlast the time to its next slot skips slots, or queues them up."""
    for entry in entries.all_known()[0].values():
        limit, gap = longest_run(entry), shortest_gap(entry)
        if limit and gap and limit > gap and entry.policies.overlap != "allow":
            text = f"may run for {duration(limit)}, and its slots are {duration(gap)} apart"
            advice = (
                f"a shorter time_limit, or a less frequent schedule: its overlap is {entry.policies.overlap}"
            )
            yield yellow(f"time limit of {entry.name}", text, advice)


def shortest_gap(entry: Entry) -> timedelta | None:
    now = datetime.now(UTC)
    found = list(islice(entry.schedule.slots(now, now + timedelta(days=400)), 50))
    return min((later - earlier for earlier, later in pairwise(found)), default=None)
