"""Who is looking at an incident: shown at its condition, and over with it.

Nothing is held back by it: the begin of an incident was reported already, its end still is. After an hour without a further dead
letter the next one is a new outbreak, which nobody has acknowledged (see `incidents.SEE`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.db import connection

from offbeat.ops.alerts.models import Incident
from offbeat.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from offbeat.condition import Condition

# An incident that no check has seen yet is begun here. Of two people at once the second finds another acknowledgement than the
# one that was on the page, and changes nothing.
ACKNOWLEDGE = """
    INSERT INTO offbeat_alerts_incident AS incident (kind, subject, text, since, last_at, acknowledged_at, acknowledged_by, note)
    VALUES (%(kind)s, %(subject)s, %(text)s, coalesce(%(since)s, now()), %(last_at)s, clock_timestamp(), %(by)s, %(note)s)
    ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO UPDATE SET
        acknowledged_at = excluded.acknowledged_at, acknowledged_by = excluded.acknowledged_by, note = excluded.note
        WHERE incident.acknowledged_at IS NOT DISTINCT FROM %(seen)s
    RETURNING id
"""


def acknowledge(condition: Condition, by: str, note: str, seen: datetime | None) -> bool:
    """Write down who looks at a condition; `seen` is when it was acknowledged last, as far as that person knows.

    Return whether that was so: else somebody was faster, and stays.
    """
    values = vars(condition) | {"kind": condition.kind.name, "seen": seen}
    values |= {"by": by[:150], "note": redact(note)[:200]}
    with connection.cursor() as cursor:
        cursor.execute(ACKNOWLEDGE, values)
        return cursor.fetchone() is not None


def release(condition: Condition, seen: datetime | None) -> bool:
    """Write down that nobody looks at a condition any more; return whether somebody did, since `seen`."""
    found = Incident.objects.filter(kind=condition.kind.name, subject=condition.subject, closed_at=None)
    known = found.filter(acknowledged_at=seen, acknowledged_at__isnull=False)
    return bool(known.update(acknowledged_at=None, acknowledged_by="", note=""))


def add_incidents(conditions: Iterable[Condition]) -> list[Condition]:
    """Return the conditions with what their incidents know: since when, when that was noticed, and who is looking at it."""
    found = {(each.kind, each.subject): each for each in Incident.objects.filter(closed_at=None)}
    return [add_incident(each, found.get((each.kind.name, each.subject))) for each in conditions]


def add_incident(condition: Condition, incident: Incident | None) -> Condition:
    if incident is None:
        return condition
    return replace(
        condition,
        since=condition.since or incident.since,
        noticed_at=incident.seen_at,
        acknowledged=incident.acknowledgement,
    )
