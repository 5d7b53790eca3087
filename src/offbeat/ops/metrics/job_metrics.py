"""Jobs, queues and workers as metrics: gauges as the ledger is now, counters and histograms that outlive pruning."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from offbeat.jobs.models import Pause
from offbeat.jobs.queries import Depth
from offbeat.ops.metrics import buckets
from offbeat.ops.metrics.families import by_label, counter, gauge, histogram

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from offbeat.jobs.models import Worker
    from offbeat.jobs.queries import Tally
    from offbeat.ops.metrics.counters import Labels
    from offbeat.ops.snapshot import Snapshot


def families(snapshot: Snapshot, counts: Mapping[str, Mapping[str, Labels]]) -> Iterator[Metric]:
    yield from of_ledger(snapshot.tallies)
    yield from of_queues(snapshot)
    yield from of_pauses(snapshot.pauses)
    yield from of_workers(snapshot.alive)
    yield from of_attempts(counts)


def of_ledger(tallies: Sequence[Tally]) -> Iterator[Metric]:
    jobs: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        jobs[tally.task, tally.state] += tally.jobs
    text = "Jobs that have not succeeded, by state; those that are dead wait for a person."
    yield gauge("jobs", text, ["task", "state"], jobs.items())


def of_queues(snapshot: Snapshot) -> Iterator[Metric]:
    consumed = Counter(snapshot.consumed)
    # Those that nobody consumes must show too.
    queues = {
        name: snapshot.depths.get(name, Depth())
        for name in sorted({*snapshot.expected, *snapshot.depths, *consumed})
    }
    ages = {
        name: (snapshot.now - oldest_at).total_seconds()
        if (depth := snapshot.unpaused.get(name)) and (oldest_at := depth.oldest_at)
        else 0.0
        for name in queues
    }
    yield gauge(
        "queue_depth",
        "Jobs that are due and not started.",
        ["queue"],
        (([name], depth.waiting) for name, depth in queues.items()),
    )
    yield gauge(
        "queue_oldest_age_seconds",
        "How long the first job that is due, not started and not paused has been due.",
        ["queue"],
        (([name], age) for name, age in ages.items()),
    )
    yield gauge(
        "queue_workers",
        "Running workers that consume the queue.",
        ["queue"],
        (([name], consumed[name]) for name in queues),
    )


def of_pauses(pauses: Sequence[Pause]) -> Iterator[Metric]:
    yield gauge(
        "paused",
        "1 for each queue and each task that a person has paused.",
        ["queue", "task"],
        (
            ([each.name if each.kind == kind else "" for kind in (Pause.Kind.QUEUE, Pause.Kind.TASK)], 1)
            for each in pauses
        ),
    )


def of_workers(workers: Sequence[Worker]) -> Iterator[Metric]:
    yield gauge("workers", "Workers whose heartbeat is young enough.", [], [([], len(workers))])
    yield gauge(
        "worker_processes",
        "Jobs that the running workers can run at once.",
        [],
        [([], sum(worker.concurrency for worker in workers))],
    )
    yield gauge(
        "worker_processes_busy",
        "Jobs that they run now.",
        [],
        [([], sum(worker.busy for worker in workers))],
    )
    versions = Counter(worker.version for worker in workers)
    yield gauge(
        "worker_versions",
        "Running workers by what is deployed on them.",
        ["version"],
        (([version], count) for version, count in versions.items()),
    )


def of_attempts(counts: Mapping[str, Mapping[str, Labels]]) -> Iterator[Metric]:
    yield counter(
        "job_attempts",
        "Attempts that ended: succeeded, retried (the task asked), failed (for good), crashed or handed_back.",
        ["task", "outcome"],
        by_label(counts.get("attempts", {})),
    )
    yield counter(
        "jobs_finished",
        "Jobs that ended: succeeded, dead, cancelled or expired.",
        ["task", "state"],
        by_label(counts.get("finished", {})),
    )
    for name, text, bounds in (
        ("run", "Time from the start of an attempt to its end, whatever its outcome.", buckets.RUN),
        ("wait", "Time from when a job was due to the start of an attempt.", buckets.WAIT),
    ):
        sums = counts.get(f"{name}_sum", {})
        rows = (
            ([task], found, sums.get(task, {}).get("", 0.0)) for task, found in counts.get(name, {}).items()
        )
        yield histogram(f"job_{name}_seconds", text, ["task"], bounds, rows)
