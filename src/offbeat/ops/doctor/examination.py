"""Makes every check that can be made: of a server that is down, it says so once and passes what needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis
from django.db import Error as DatabaseFailure
from django.db import connection

from offbeat.jobs import broker
from offbeat.ops import conditions
from offbeat.ops.doctor import (
    api_tokens,
    broker_server,
    cache_server,
    encryption,
    limits,
    postgres,
    postgres_indexes,
    process,
    redis_server,
    runtime,
    support,
)
from offbeat.ops.doctor.findings import Finding, red, yellow
from offbeat.redaction import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POSTGRES, REDIS = "PostgreSQL", "Redis"


@dataclass(frozen=True)
class Check:
    """A function that gives findings, and the servers that it needs."""

    find: Callable[[], Iterator[Finding]]
    needs: tuple[str, ...] = ()


CHECKS = (
    Check(process.versions),
    Check(support.process_versions),
    Check(process.debug),
    Check(process.secrets),
    Check(process.variables),
    Check(process.system_checks),
    Check(process.disk),
    Check(process.recipients),
    Check(postgres.reachable, (POSTGRES,)),
    Check(postgres.version, (POSTGRES,)),
    Check(postgres.migrations, (POSTGRES,)),
    Check(postgres_indexes.indexes, (POSTGRES,)),
    Check(postgres.connections, (POSTGRES,)),
    Check(postgres.pooler, (POSTGRES,)),
    Check(postgres.transactions, (POSTGRES,)),
    Check(encryption.postgres_tls, (POSTGRES,)),
    Check(postgres.clock, (POSTGRES,)),
    Check(redis_server.reachable, (REDIS,)),
    Check(redis_server.cluster, (REDIS,)),
    Check(redis_server.version, (REDIS,)),
    Check(redis_server.eviction, (REDIS,)),
    Check(redis_server.persistence, (REDIS,)),
    Check(encryption.redis_tls, (REDIS,)),
    Check(redis_server.memory, (REDIS,)),
    Check(redis_server.clients, (REDIS,)),
    Check(redis_server.known_token, (POSTGRES, REDIS)),
    Check(redis_server.old_queues, (POSTGRES, REDIS)),
    Check(redis_server.clock, (REDIS,)),
    Check(cache_server.cache, (POSTGRES, REDIS)),
    Check(limits.grace),
    Check(limits.time_limits),
    Check(limits.visibility),
    Check(limits.slots, (POSTGRES,)),
    Check(api_tokens.tokens, (POSTGRES,)),
    Check(runtime.what_runs, (POSTGRES,)),
)
OF_ANOTHER_BROKER = (
    Check(broker_server.reachable, (REDIS,)),
    Check(broker_server.unreadable, (REDIS,)),
)


def checks() -> list[Check]:
    """Return those that the broker at hand has: most of Redis' are Redis' own."""
    if broker.has_redis():
        return list(CHECKS)
    others = (each for each in CHECKS if REDIS not in each.needs or each.find is cache_server.cache)
    return [*others, *OF_ANOTHER_BROKER]


def examine() -> list[Finding]:
    """Return all findings, in the order of CHECKS."""
    away: dict[str, str] = {}
    findings: list[Finding] = []
    for check in checks():
        if not any(server in away for server in check.needs):
            findings += outcome(check, away)
    skipped = sum(any(server in away for server in check.needs) for check in checks()) - len(away)
    if skipped > 0:
        servers = " and ".join(away)
        findings.append(
            yellow("not checked", f"{skipped} checks that need {servers}", "run it again after that")
        )
    return findings


def outcome(check: Check, away: dict[str, str]) -> list[Finding]:
    name = check.find.__name__.replace("_", " ")
    try:
        return list(check.find())
    except outages() as error:
        server = POSTGRES if isinstance(error, DatabaseFailure) else REDIS  # or what is in its place
        connection.close()
        if is_away(error):
            away[server] = first_line(error)
            down = conditions.postgres_down() if server == POSTGRES else conditions.broker_down()
            return [red(down.subject, f"{down.text} ({first_line(error)})", down.kind.advice)]
        return [
            yellow(
                f"{server if server == POSTGRES else broker.name()}: {name}",
                f"could not be checked: {first_line(error)}",
                "is it allowed to?",
            )
        ]
    except Exception as error:  # noqa: BLE001  a defect of one check must not hide what the others find
        return [
            yellow(
                name,
                f"could not be checked: {type(error).__name__}: {first_line(error)}",
                "fix what is wrong; if nothing else is, this is a bug of the doctor",
            )
        ]


def outages() -> tuple[type[Exception], ...]:
    """Return what a check raises of its server; a cache may be in Redis whatever the broker is."""
    return (DatabaseFailure, redis.RedisError, broker.BrokerAwayError, *broker.errors())


def is_away(error: Exception) -> bool:
    """Tell an unreachable server from one that refuses a question, or lacks a table."""
    names = {
        each.__name__ for each in type(error).__mro__
    }  # sentinels that know no primary are a ConnectionError, too
    return not names.isdisjoint(
        {
            "OperationalError",
            "InterfaceError",
            "ConnectionError",
            "TimeoutError",
            "BrokerAwayError",
            "SqsError",
        }
    )
