"""Why a cell of the fault matrix has no test of its own: a short name, and a sentence for the page."""

from __future__ import annotations

import re
from typing import NamedTuple

BROKERS = ("redis", "rabbitmq", "sqs")
POOLS = ("threads", "gevent")
SOLO = "solo"
OTHER_BROKERS = ("rabbitmq", "sqs")


class Reason(NamedTuple):
    """Holds for the cells of these columns in each row whose text the pattern finds."""

    name: str
    sentence: str
    columns: tuple[str, ...]
    rows: str


# Rows by what they are about, as patterns.
RELEASES = (
    r"release|blocks a migration|400 days|a cronjob's row"
    r"|the same `?key|`\.iterator\(\)` behind|or of a concurrency key, dies"
)
TASKS = (
    r"^(a|an) (\[`async def` )?task\b|of another database|on_commit|`retry\(|in serializable|`concurrency_key`"
    r"|a deadlock|a job that|refuses the end"
)
ANY_POOL = (
    r"of another database|on_commit|`retry\(|in serializable|`concurrency_key`|generator|WorkerLostError|sets an alarm"
    r"|refuses the end|close a transaction|settings of its database|a deadlock"
)
PROCESSES = (
    r"child is killed|whole worker is killed|SIGTERM|freezes"
    r"|running job is cancelled|are paused"
)
CONSUMER = (
    r"heartbeat file|no more processes|nobody reads what|receives nothing|is not supported|that is not supported"
    r"|job's message|names another task|plain message of a task"
)
LEDGER = (
    r"holds one row|is locked|PostgreSQL (restarts|is down|loses)|PostgreSQL's clock|clocks differ|copied database|a crash"
    r"|does not have a task|do not know|kills the whole worker"
)
REDIS = (
    r"several times|old backup|certificate|is full|noeviction|goes down while|restarts while|on one Redis|under one prefix"
    r"|timed out but|restores plain|not a list|while Redis|unacked|odd times"
    r"|sentinels|cluster mode|another queue or exchange"
)
MESSAGES = (
    r"emptied|Redis|prefix|sentinels|publish|delivered twice|popped|long backlog"
    r"|plain message|a message (that|is)|job's message|unacked"
)
DECIDES = (
    "A process, its session, its clock or an answer is gone. Rows decide what follows, in statements that know no broker "
    "and no pool."
)
# The first that fits a cell without a test is its reason; the cell says its name.
REASONS = (
    Reason(
        "for debugging",
        "`solo` is for a debugger. It does one job at a time in the worker's own process, and a killed job kills the worker.",
        (SOLO,),
        "",
    ),
    Reason(
        "threads or greenlets",
        "Only the pools `threads` and `gevent` can have this fault.",
        ("redis", *OTHER_BROKERS),
        r"threads or greenlets dies|a thread or a greenlet|a greenlet computes",
    ),
    Reason(
        "PostgreSQL only",
        "Neither a broker nor a pool takes part. The test needs PostgreSQL and a command.",
        (*OTHER_BROKERS, *POOLS),
        RELEASES,
    ),
    Reason(
        "no connection",
        "SQS has no connection that could be cut. It is asked over HTTPS, and a request that fails is sent again.",
        ("sqs",),
        "a connection is closed",
    ),
    Reason(
        "nothing like it",
        "Amazon SQS has no such thing: no memory to fill, no certificate of yours, no backup, no sentinel.",
        ("sqs",),
        r"is full|while Redis is full|certificate|old backup|unacked|restores plain|sentinel|cluster mode|a failover",
    ),
    Reason(
        "another name",
        "Two deployments differ in the prefix of their queues. What one takes of another is found as any lost message.",
        ("sqs",),
        r"two deployments|copied database",
    ),
    Reason(
        "PostgreSQL decides",
        DECIDES,
        ("sqs",),
        r"PostgreSQL|of the ledger|clocks differ|odd times|crash (between|after)|that timed out|other than prefork|receives nothing"
        r"|half open|a machine freezes|deploy|is cancelled|are paused|kills the whole worker|crashes, leaks|deadlock|another task"
        r"|restarts while jobs run|every child of a worker ends",
    ),
    Reason(
        "same task code",
        "The code that runs a task and records its end is the same function call in each of them. It sees no broker and no pool.",
        OTHER_BROKERS,
        TASKS,
    ),
    Reason(
        "same task code",
        "The code that runs a task and records its end is the same function call in each of them. It sees no broker and no pool.",
        POOLS,
        ANY_POOL,
    ),
    Reason(
        "Redis only",
        "A state of Redis, of kombu's records in it, or of its keys. Other brokers have faults of their own instead.",
        OTHER_BROKERS,
        REDIS,
    ),
    Reason(
        "same worker code",
        "The worker's main process meets the fault, in code that is the same for each broker and each pool.",
        (*OTHER_BROKERS, *POOLS),
        CONSUMER,
    ),
    Reason(
        "PostgreSQL decides",
        DECIDES,
        (*OTHER_BROKERS, *POOLS),
        rf"{PROCESSES}|{LEDGER}",
    ),
    Reason(
        "before the pool",
        "Not run with this pool. The worker's main process meets the fault before a pool takes part.",
        POOLS,
        rf"{MESSAGES}|a connection is closed",
    ),
)
NOT_YET = "not yet"


def reason_of(row: str, column: str) -> str:
    """Give the name of the reason why the row has no test in the column."""
    fitting = (each for each in REASONS if column in each.columns and re.search(each.rows, row))
    return next((each.name for each in fitting), NOT_YET)
