"""The peers, each with two slots and as its own documentation recommends for production, and what that says of a killed worker."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field

from bench.peer_packages import PEERS
from bench.stand import CHECKOUT, WORKER

SLOTS = 2
REDIS, POSTGRES = "redis", "postgres"
PYTHON = sys.executable
CALL = f"{PYTHON} -m bench.peer_call"


@dataclass(frozen=True)
class Peer:
    """One way to run jobs; `command` runs `processes` times."""

    name: str
    module: str  # with its producer, the function `enqueue`
    command: str
    servers: tuple[str, ...]
    setup: str  # in words, for the page
    killed: str  # what its documentation or its source says of jobs that a killed worker was running
    joins: bool = False  # whether a job can be part of the caller's transaction
    processes: int = 1
    prepare: str = ""  # a command before everything else
    variables: dict[str, str] = field(default_factory=dict)
    packages: bool = True  # whether it is of peers.txt, or runs with our own requirements

    @property
    def environment(self) -> dict[str, str]:
        path = [str(PEERS)] * self.packages + [str(CHECKOUT / "src"), str(CHECKOUT)]
        return {"PYTHONPATH": os.pathsep.join(path)} | self.variables


# https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html#visibility-timeout: an hour.
CELERY = f"{PYTHON} -m celery --app bench.celery_app worker --concurrency {SLOTS} --loglevel warning"
HOUR = "what it had not acknowledged, after the visibility timeout: an hour"
ALL = (
    Peer(
        "Offbeat, durable jobs", "bench.offbeat_app", f"{PYTHON} manage.py worker" + WORKER.partition(" worker")[2],
        (REDIS, POSTGRES), "as shipped: `manage.py worker --concurrency 2`",
        "by the worker's heartbeat: within a minute", joins=True, prepare=f"{PYTHON} manage.py migrate --verbosity 0",
        variables={"DJANGO_SETTINGS_MODULE": "bench.settings", "LOG_LEVEL": "WARNING"}, packages=False,
    ),
    Peer(
        "Celery, early acknowledgement", "bench.celery_app", CELERY, (REDIS,), "as by default",
        f"lost; {HOUR}", packages=False,
    ),
    Peer(
        "Celery, late acknowledgement", "bench.celery_app", CELERY, (REDIS,),
        "`task_acks_late`, `task_reject_on_worker_lost`, `worker_prefetch_multiplier = 1`",
        HOUR, variables={"PEER_ACKNOWLEDGE": "late"}, packages=False,
    ),
    # https://python-rq.org/docs/workers/: `--maintenance-interval` is 600 s; a job's execution expires 90 s after its last sign.
    Peer(
        "RQ", "bench.rq_app", f"{PYTHON} -m rq.cli worker-pool --num-workers {SLOTS} --quiet", (REDIS,),
        "`rq worker-pool`, jobs with `Retry(max=3)`",
        "with `retry` by the maintenance, every 10 minutes; else it is failed",
    ),
    # https://dramatiq.io/reference.html#dramatiq.brokers.redis.RedisBroker: heartbeat_timeout 60 s, maintenance_chance 0.1 %.
    Peer(
        "Dramatiq", "bench.dramatiq_app", f"{PYTHON} -m dramatiq --processes {SLOTS} --threads 1 bench.dramatiq_app",
        (REDIS,), "`dramatiq --processes 2 --threads 1`",
        "a minute after the last heartbeat, by one of 1,000 commands by chance",
    ),
    # https://huey.readthedocs.io/en/latest/consumer.html#consumer-shutdown: no acknowledgement, no at-least-once delivery.
    Peer(
        "Huey", "bench.huey_app",
        f"{PYTHON} -m huey.bin.huey_consumer bench.huey_app.huey --workers {SLOTS} --worker-type process --quiet",
        (REDIS,), "`huey_consumer --workers 2 --worker-type process`", "never",
    ),
    # https://arq-docs.helpmanual.io/#retrying-jobs-and-cancellation; the key of a running job expires after job_timeout + 10 s.
    Peer(
        "arq", "bench.arq_app", f"{PYTHON} -m arq bench.arq_app.WorkerSettings", (REDIS,),
        "`max_jobs = 2`, `keep_result = 0`, `poll_delay = 0.001`; with the default of 0.5, two slots begin four jobs a second",
        "after `job_timeout` and 10 seconds: 310 seconds",
    ),
    Peer(
        "Procrastinate", "bench.procrastinate_app",
        f"{PYTHON} -m procrastinate --app bench.procrastinate_app.app worker --concurrency {SLOTS}", (POSTGRES,),
        "`--concurrency 2`, the periodic task for stalled jobs of its documentation",
        "by that task: every 10 minutes, 30 seconds after the last heartbeat", joins=True,
        prepare=f"{CALL} bench.procrastinate_app prepare",
    ),
    # Its README names no way to bring back a task that is RUNNING; its worker's query takes READY ones only.
    Peer(
        "django-tasks-db", "bench.django_tasks_app", f"{PYTHON} -m django db_worker", (POSTGRES,),
        "`db_worker`, two of them", "never: it stays `RUNNING`", joins=True, processes=SLOTS,
        prepare=f"{PYTHON} -m django migrate --verbosity 0",
        variables={"DJANGO_SETTINGS_MODULE": "bench.django_tasks_settings"},
    ),
    # Oban(lifeline=...): `rescue_after` is 300 s, and the leader looks every 60 s.
    Peer(
        "Oban for Python", "bench.oban_app", f"{CALL} bench.oban_app work {SLOTS}", (POSTGRES,),
        '`queues={"default": 2}`', "5 minutes after their start; it checks once a minute", joins=True,
        prepare=f"{CALL} bench.oban_app prepare",
    ),
)  # fmt: skip


def chosen(names):
    """Return the peers of a comma-separated list of beginnings of names, or all that this Python can run."""
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if not any(peer.name.lower().startswith(name) for peer in ALL)]:
        sys.exit(f"No such peer: {', '.join(unknown)}. Known: {', '.join(peer.name for peer in ALL)}")
    return [
        peer
        for peer in ALL
        if runs_here(peer) and (not wanted or any(peer.name.lower().startswith(name) for name in wanted))
    ]


def runs_here(peer):
    return peer.module != "bench.oban_app" or sys.version_info >= (3, 12)
