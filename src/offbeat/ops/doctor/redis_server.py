"""Redis: there, new enough, never evicting, with room, and the same as in the ledger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from offbeat.cronjobs.words import counted
from offbeat.deployment.rules import OLDEST as OLDEST_VERSIONS
from offbeat.deployment.servers import redis_address
from offbeat.jobs import broker, ledger, loss_token
from offbeat.jobs.models import Broker
from offbeat.ops.doctor.findings import Finding, graded, green, red, yellow
from offbeat.ops.doctor.postgres import demanded
from offbeat.ops.snapshot import expected_queues
from offbeat.variables import redis_client

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = OLDEST_VERSIONS["redis"]
MIB = 2**20


def info(section: str) -> dict[str, Any]:
    return broker.client().info(section)


def reachable() -> Iterator[Finding]:
    broker.client().ping()  # connects
    begun = time.perf_counter()
    broker.client().ping()
    took = time.perf_counter() - begun
    yield graded(
        "Redis",
        f"{redis_address()} answers in {took * 1000:.1f} ms",
        is_red=False,
        is_yellow=took > 0.1,
        advice="put it into the same region: every request that enqueues waits for it",
    )


def cluster() -> Iterator[Finding]:
    if problem := redis_client.cluster_problem(broker.client()):
        yield red("Redis cluster", "cluster mode is on: messages do not reach a worker", problem)


def version() -> Iterator[Finding]:
    found = info("server")
    text = str(found.get("redis_version", "0"))
    name = f"{found.get('server_name', 'redis')} {found.get('valkey_version', text)}"
    if tuple(int(part) for part in text.split(".")[:2]) < OLDEST:
        yield red("Redis version", name, "6.2 or newer: upgrade it on the platform")
    else:
        yield green("Redis version", name)


def eviction() -> Iterator[Finding]:
    policy = info("memory").get("maxmemory_policy", "unknown")
    yield graded(
        "Redis eviction",
        str(policy),
        is_red=policy not in {"noeviction", "unknown"},
        is_yellow=policy == "unknown",
        advice="set maxmemory-policy noeviction: a queue is not a cache. Deleted messages are published again, late",
    )


def persistence() -> Iterator[Finding]:
    found = info("persistence")
    if found.get("aof_enabled"):
        yield green("Redis persistence", "append-only file")
    elif found.get("rdb_last_bgsave_status") != "ok":
        yield red("Redis persistence", "its last snapshot failed", "check its log: is its disk full?")
    elif found.get("rdb_saves"):
        yield green("Redis persistence", "snapshots")
    else:
        advice = "nothing, for jobs: they are in PostgreSQL. Plain .delay() messages would be lost with it"
        yield yellow("Redis persistence", "none seen", advice)


def memory() -> Iterator[Finding]:
    found = info("memory")
    used, most = float(found.get("used_memory", 0)), float(found.get("maxmemory", 0))
    share = used / most if most else 0.0
    yield graded(
        "Redis memory",
        f"{used / MIB:.1f} MiB of " + (f"{most / MIB:.0f} MiB ({share:.0%})" if most else "what there is"),
        is_red=share > 0.95,
        is_yellow=share > 0.8,
        advice="choose a larger plan, or check what fills it: a full Redis refuses messages, and jobs wait in PostgreSQL",
    )


def clients() -> Iterator[Finding]:
    found = info("clients")
    used, most = int(found.get("connected_clients", 0)), int(found.get("maxclients", 0) or 0)
    needed = demanded("redis")
    yield graded(
        "Redis connections",
        f"{used} of {most or 'unknown'} are open; the services of platform.yaml may open {needed}",
        is_red=bool(most) and used >= most - 1,
        is_yellow=bool(most) and needed > most,
        advice="a larger plan, or fewer instances",
    )


def known_token() -> Iterator[Finding]:
    """Compare the broker's loss token with the ledger's: a worker renews it every few seconds."""
    row = Broker.objects.filter(pk=1).first()
    token = cast("bytes | None", broker.client().get(ledger.key(loss_token.TOKEN)))
    if row is None or not row.token:
        yield yellow("Redis loss token", "no worker has checked yet", "start a worker")
    elif token is not None and token.decode() == row.token:
        yield green("Redis loss token", "the same as in the ledger")
    else:
        advice = "nothing, if it lasts only seconds: a worker publishes lost jobs again"
        yield yellow("Redis loss token", "not the one in the ledger: Redis was emptied or replaced", advice)


def old_queues() -> Iterator[Finding]:
    """Tell of messages in queues of the same names without a prefix: of releases that had none, or of another program."""
    for queue in sorted(expected_queues()) if broker.prefix() else ():
        if count := broker.count_messages(queue):
            yield yellow(
                f"Redis list {queue}",
                f"{counted(count, 'message')} in it, without our prefix: none of our workers takes them",
                "jobs among them are published again; for plain messages see docs/offbeat/deploy/README.md",
            )


def clock() -> Iterator[Finding]:
    seconds, micros = broker.client().time()
    off = time.time() - (seconds + micros / 1e6)
    yield graded(
        "Redis clock",
        f"{abs(off):.1f} s different from ours",
        is_red=abs(off) > 60,
        is_yellow=abs(off) > 5,
        advice="set the clocks: a message's lease is a time of the worker that took it",
    )
