"""Which ledger this is: what its keys in Redis, and its messages, are told from another's by.

Two deployments may share a Redis, and by mistake even a prefix. What belongs to the queues (messages, how often one was delivered)
is found under the prefix alone, by whoever consumes them; what belongs to a ledger is found under its identity too.
"""

from __future__ import annotations

import uuid
from functools import lru_cache

from offbeat.jobs import broker, sql
from offbeat.jobs.models import Broker

# A cluster keeps its identifier through failovers, and a database its number. Both are others where a dump was restored:
# the copy has our id, and is another ledger all the same. After an upgrade of PostgreSQL all is published once more.
PLACE = "SELECT oid, has_function_privilege('pg_control_system()', 'execute') FROM pg_database WHERE datname = current_database()"
CLUSTER = "SELECT system_identifier FROM pg_control_system()"


@lru_cache(maxsize=1)
def identity() -> str:
    """Return this ledger's identity; a process asks PostgreSQL once."""
    return _identity(Broker.objects.get_or_create(pk=1)[0])


def refresh_identity(row: Broker) -> str:
    """Return the identity as it is now: another one when a backup was restored under a process that runs on."""
    if (found := _identity(row)) != identity():
        identity.cache_clear()
    return found


def _identity(row: Broker) -> str:
    """Return what is made of the id that a migration gave the ledger, and of the place that it is kept in."""
    database, may_ask = sql.fetch_one(PLACE)
    (cluster,) = sql.fetch_one(CLUSTER) if may_ask else (None,)
    return uuid.uuid5(row.ledger, f"{cluster}/{database}").hex


def key(name: str, ledger: str = "") -> str:
    """Return the Redis key of something that belongs to a ledger: this one, unless told."""
    return broker.key(f"{name}:{ledger or identity()}")
