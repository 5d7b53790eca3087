"""Every interval and bound of the ledger, with its reason; override any of them in Django's `OFFBEAT_JOBS` setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from offbeat.conf import Conf, reader


@dataclass(frozen=True)
class JobsConf(Conf):
    """Times are in seconds unless the name says otherwise."""

    setting: ClassVar[str] = "OFFBEAT_JOBS"

    # Relay
    # How late a job is when its enqueueing process died, a retry is due, or Redis came back.
    relay_interval: float = 1.0
    relay_batch: int = 500  # messages a round trip: about 200 kB, well below any client's output buffer
    # To connect, and again to answer: an enqueue that meets a silent Redis stays under a second.
    publish_timeout: float = 0.4
    breaker: float = 3.0  # after a failed publish, rows are left to the relay; asked three times as often whether Redis is back

    # Workers
    heartbeat_interval: float = 10.0  # one small UPDATE a worker
    # Four missed beats and a bit: a worker silent for this long has died, its jobs are due again.
    heartbeat_timeout: float = 45.0
    # A few index-only queries; with the timeout above it keeps recovery under 60 s.
    reconcile_interval: float = 5.0
    drain: float = 45.0  # a stopping worker waits this long for running jobs; must stay some 10 s below the platform's grace
    stuck_after: float = 300.0  # a queue with messages, free processes, and nothing started for this long: the consumer is stuck
    # A task that a person cancels is interrupted as by its soft time limit; after this long its process is killed.
    cancel_grace: float = 10.0
    patience: float = 20.0  # a child waits this long for PostgreSQL to come back before it gives an attempt up; below the grace

    # A worker that starts takes no job and no plain message: all of them wait, and it beats and maintains the ledger as ever.
    hold: bool = False

    # Locks
    # A worker's maintenance waits this long for what somebody else has locked, and tries again later.
    lock_timeout: float = 2.0
    # A machine that freezes in the middle of a transaction of ours loses its session after this long; well above a busy moment,
    # well below `heartbeat_timeout`.
    idle_timeout: float = 15.0
    # No statement of a task takes longer, unless the task says so: half of the time limit that tasks have; 0 is for ever.
    statement_timeout: float = 300.0
    # A task's transaction that waits for something else than PostgreSQL for so long is ended, with its locks; 0 is for ever.
    task_idle_timeout: float = 300.0

    # Broker
    # A published job older than its queue's oldest message by this much was popped and lost.
    lost_message_after: float = 30.0
    # How often a plain .delay() message may be delivered again before it is a dead letter.
    delivery_cap: int = 5
    # Messages that no worker can take, in Redis until a person decides; the oldest go first.
    unreadable_kept: int = 1000

    # Jobs
    # Attempts that end without an answer (killed, out of memory, hard time limit) before a job is dead.
    max_attempts: int = 5
    # Attempts that end by nobody's fault (a deadlock, an outage) before the next one counts: a statement that kills its
    # PostgreSQL each time must not do so for ever.
    max_excused: int = 20
    key_wait: float = 5.0  # an enqueue waits this long for an open transaction that enqueues the same key
    # A job whose task no living worker has known for this long is dead: longer than any deploy.
    unknown_after: float = 3600.0
    # Between two looks for concurrency_keys that nobody has and jobs wait for: whoever has one hands it over when it ends.
    busy_retry: float = 15.0
    retention_days: int = 30  # finished jobs are kept this long; dead letters until somebody decides


conf = reader(JobsConf)
