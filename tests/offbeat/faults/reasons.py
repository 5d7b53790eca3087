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


# The first that fits a cell without a test is its reason; the cell says its name.
REASONS = (
    Reason(
        "for debugging",
        "`solo` is for a debugger. It does one job at a time in the worker's own process, and a killed job kills the worker.",
        (SOLO,),
        "",
    ),
    Reason(
        "PostgreSQL only",
        "Neither a broker nor a pool takes part. The test needs PostgreSQL and a command.",
        (*OTHER_BROKERS, *POOLS),
        r"release|blocks a migration|400 days|a cronjob's row|the same `key`|`\.iterator\(\)` behind|or of a concurrency key, dies",
    ),
    Reason(
        "after the message",
        "The fault begins after the worker has taken the message. The broker takes no part in what follows.",
        OTHER_BROKERS,
        r"^(a|an) (\[`async def` )?task\b|of another database|on_commit|`retry\(|in serializable|`concurrency_key`"
        r"|waits for a lock|its `COMMIT`|heartbeat file|refuses the end",
    ),
    Reason(
        "Redis alone",
        "Another broker has no sentinels and no cluster mode.",
        OTHER_BROKERS,
        r"sentinels|cluster mode",
    ),
    Reason(
        "before the pool",
        "The worker's main process meets the fault before a pool takes part.",
        POOLS,
        r"a message (that|is popped)|plain message|job's message|clocks? (is|differ)|unacked|not a list|long backlog|the publish"
        r"|that timed out|from an old backup|emptied|is full|certificate|crash between|copied database|restores plain|prefix"
        r"|sentinels|cluster mode|a thousand levels|other than prefork|do not know|does not have a task",
    ),
)
NOT_YET = "not yet"


def reason_of(row: str, column: str) -> str:
    """Give the name of the reason why the row has no test in the column."""
    fitting = (each for each in REASONS if column in each.columns and re.search(each.rows, row))
    return next((each.name for each in fitting), NOT_YET)
