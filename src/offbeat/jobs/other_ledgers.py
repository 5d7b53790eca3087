"""Other ledgers that use the queues of our prefix: a mistake that loses nothing, but costs each of them its pace.

A worker that takes another ledger's message cannot begin its job, and drops it; that ledger finds it lost, and publishes it again.
Plain `.delay()` messages are run by whichever takes them. So every ledger signs a list in Redis, and reads who else has.
"""

from __future__ import annotations

import contextlib
import logging
from typing import cast

import redis
from django.db import connection

from offbeat.jobs import broker, ledger
from offbeat.jobs.conf import conf

logger = logging.getLogger(__name__)

SIGNED = "jobs:ledgers"  # a sorted set: identity and database, by when its worker last looked, in Redis' time
REMEMBERED = 24 * 3600  # seconds; another ledger may be slower to sign than this one
REMEDY = "give each deployment its own REDIS_PREFIX"
_reported: set[str] = set()


def sign(own: str) -> None:
    """Sign for this ledger, and report each other one once a process."""
    try:
        _sign(own)
    except redis.ResponseError as error:  # its key is something else: what Redis lost is found all the same
        logger.error("the list of ledgers cannot be read: %s", error, extra={"action": "ledgers_refused"})  # noqa: TRY400


def _sign(own: str) -> None:
    now, name = _now(), broker.key(SIGNED)
    with broker.client().pipeline() as pipe:
        pipe.zadd(name, {_signature(own): now})
        pipe.zremrangebyscore(name, "-inf", now - REMEMBERED)
        pipe.execute()
    for each in others(own):
        if each not in _reported:
            _reported.add(each)
            logger.error("%s", text(each), extra={"action": "foreign_ledger", "database": each})


def withdraw(own: str) -> None:
    """Take the sign of a ledger that is about to be emptied out of the list, if Redis is there."""
    if not broker.has_redis():
        return
    with contextlib.suppress(redis.RedisError):
        broker.client().zrem(broker.key(SIGNED), _signature(own))


def others(own: str = "") -> list[str]:
    """Return the databases of other ledgers that live, and whose workers consume our queues. Raises redis.RedisError."""
    if not broker.has_redis():
        return []
    signed = cast(
        "list[bytes]", broker.client().zrangebyscore(broker.key(SIGNED), _now() - _silence(), "+inf")
    )
    pairs = [each.decode(errors="replace").partition(" ") for each in signed]
    return [database for identity, _, database in pairs if identity != (own or ledger.identity())]


def text(database: str) -> str:
    return (
        f"another ledger uses the queues that begin with {broker.prefix()} on this Redis, in the database {database}: "
        f"each takes the other's messages; {REMEDY}"
    )


def _signature(own: str) -> str:
    return f"{own} {connection.settings_dict['NAME']}"


def _now() -> float:
    seconds, micros = broker.client().time()
    return float(seconds + micros / 1e6)


def _silence() -> float:
    """Return after how many seconds without a sign a ledger is gone: as a worker is."""
    return conf().heartbeat_timeout
