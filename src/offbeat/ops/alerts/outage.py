"""An outage of PostgreSQL, which no row can tell of: remembered by each process, and told by one of them, as Redis decides.

While Redis is away too, every process tells for itself: rather several mails than none.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import redis
from django.db import connection
from django.utils import timezone

from offbeat.jobs import broker
from offbeat.ops import conditions
from offbeat.ops.alerts import notifications
from offbeat.ops.alerts.conf import conf
from offbeat.ops.alerts.models import Incident

if TYPE_CHECKING:
    from datetime import datetime

logger = logging.getLogger(__name__)

KEY = "ops:postgres_down"  # and where: the ledger's identity cannot be asked for while its database is away
LONGEST = 7 * 24 * 3600  # seconds for which Redis remembers an outage


class Outage:
    """What this process knows of PostgreSQL."""

    def __init__(self) -> None:
        self.since: datetime | None = None
        self.told = False
        self.alone = False  # Redis was away when it began: every process tells of its end for itself too

    def note_away(self) -> None:
        self.since = self.since or timezone.now()
        if not self.told and timezone.now() - self.since >= timedelta(seconds=conf().patience):
            self.told = True
            first = is_first(self.since)
            self.alone = first is None
            if first is not False:
                tell(self.since, None)

    def note_back(self) -> None:
        """Tell that it is over, whoever told of its begin: that process may have ended meanwhile."""
        own, alone = self.since if self.told else None, self.alone
        self.since, self.told, self.alone = None, False, False
        if begun := own if alone else last(own):
            tell(begun, timezone.now())


def key() -> str:
    """Return the key of an outage of this database, by its address, which every process of the deployment knows."""
    at = connection.settings_dict
    address = f"{at['HOST']}:{at['PORT']}/{at['NAME']}"
    return broker.key(f"{KEY}:{hashlib.sha256(address.encode()).hexdigest()[:16]}")


def is_first(since: datetime) -> bool | None:
    """Tell whether this process is the first to tell of an outage; None while Redis is away, which knows."""
    if not broker.has_redis():  # nobody knows: each process tells for itself
        return None
    try:
        return bool(broker.client().set(key(), since.isoformat(), nx=True, ex=LONGEST))
    except redis.RedisError:
        return None


def last(own: datetime | None) -> datetime | None:
    """Return when an outage began that was told of and of whose end nobody has told."""
    if not broker.has_redis():
        return own
    try:
        value = broker.client().getdel(key())
    except redis.RedisError:
        return own
    return type(timezone.now()).fromisoformat(value.decode()) if isinstance(value, bytes) else None


def tell(begun: datetime, over: datetime | None) -> None:
    found = conditions.postgres_down()
    logger.warning("%s", found.text, extra={"action": "incident_end" if over else "incident_begin"})
    incident = Incident(
        kind=found.kind.name,
        subject=found.subject,
        text=found.text,
        since=begun,
        opened_at=begun,
        closed_at=over,
    )
    for way in (notifications.mail, notifications.post):
        notifications.has_sent(way, incident)


outage = Outage()
