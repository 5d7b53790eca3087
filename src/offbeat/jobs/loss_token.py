"""The loss token: a random one in the broker and in PostgreSQL, changed at each look. Gone or different = it lost what it held.

Because it changes at each look, a restored backup is noticed too: it holds the token of an earlier look. Its key has the ledger's
identity in it: two ledgers on one Redis never take each other's for a loss.
"""

from __future__ import annotations

import logging
import secrets
from functools import partial
from typing import TYPE_CHECKING, cast

from django.db import transaction

from offbeat.jobs import broker, ledger, other_ledgers, relay, sql
from offbeat.jobs.brokers import chosen
from offbeat.jobs.models import Broker

if TYPE_CHECKING:
    from datetime import datetime

logger = logging.getLogger(__name__)

TOKEN = "jobs:token"  # noqa: S105  the name of a Redis key, no secret
PUBLISHED = "SELECT clock_timestamp(), count(*) FROM offbeat_jobs_job WHERE state = 'published'"


def check() -> int:
    """Compare the tokens; when Redis lost its data, publish again what was published, as much as a turn allows; return how many.

    1. look: note in PostgreSQL that Redis lost what was published before now;
    2. publish that, batch by batch, as a relay does; several workers share it;
    3. when none is left, forget the note.
    Death before 3: another worker's turn goes on where this one ended. Raises the broker's errors while it is away.
    """
    lost_at = exchange()
    if lost_at is None:
        return 0
    total, is_all = relay.publish_batches(partial(relay.claim_lost, lost_at))
    if is_all:
        forget(lost_at)
    return total


def exchange() -> datetime | None:
    """Exchange the tokens; return when Redis lost what was published before, None when it lost nothing.

    1. lock the row in PostgreSQL: one worker at a time looks, the others pass;
    2. exchange the token in Redis for a new one, in one command: what Redis loses later is noticed at the next look;
    3. compare, write the new token to PostgreSQL, and commit.
    Death between 2 and 3: the tokens differ at the next look, and messages are published once more: the ledger starts each job
    once.
    """
    Broker.objects.get_or_create(pk=1)
    with transaction.atomic():
        row = Broker.objects.select_for_update(skip_locked=True).filter(pk=1).first()
        if row is None:  # another worker is looking
            return None
        own = ledger.refresh_identity(row)
        before, row.token = row.token, secrets.token_hex(16)
        found = _exchange(own, row.token)
        # Before the first look nobody knows what Redis may have lost: then, too, publish again.
        if not before or before != found:
            row.lost_at = _lost(known=bool(before))
        row.save(update_fields=["token", "lost_at"])
    if broker.has_redis():
        other_ledgers.sign(own)
    return row.lost_at


def forget(lost_at: datetime) -> None:
    """Note that all is published again, unless Redis has lost its data once more, or another worker is looking."""
    with transaction.atomic():
        row = Broker.objects.select_for_update(skip_locked=True).filter(pk=1, lost_at=lost_at).first()
        if row:
            row.lost_at = None
            row.save(update_fields=["lost_at"])


def _exchange(own: str, token: str) -> str:
    return str(chosen().exchange_token(ledger.key(TOKEN, own), token))


def _lost(*, known: bool) -> datetime | None:
    """Return before when everything published is lost, by PostgreSQL's clock; None when nothing is. Call it after the exchange."""
    now, count = sql.fetch_one(PUBLISHED)
    if not count:
        return None
    why = (
        f"{broker.name()} lost its data, or a backup of PostgreSQL was restored"
        if known
        else f"this {broker.name()} has not been checked before"
    )
    logger.warning(
        "%s: %d jobs are published again", why, count, extra={"action": "redis_lost_data", "jobs": count}
    )
    return cast("datetime", now)
