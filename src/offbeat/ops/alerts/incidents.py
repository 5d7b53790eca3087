"""Compares what is wrong with the incidents that are open; opens and closes them.

Any number of processes may do so at once: each change is one statement that says of whom it was true.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import connection

from offbeat.ops.alerts.conf import conf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offbeat.ops.alerts.conditions import Trouble

logger = logging.getLogger(__name__)

TURN = """
    INSERT INTO offbeat_alerts_look (id, at) VALUES (1, now())
    ON CONFLICT (id) DO UPDATE SET at = now() WHERE offbeat_alerts_look.at < now() - make_interval(secs => %s)
    RETURNING id
"""
SEE = """
    INSERT INTO offbeat_alerts_incident (kind, subject, text) VALUES (%s, %s, %s)
    ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO UPDATE SET text = excluded.text
"""
OPEN = """
    UPDATE offbeat_alerts_incident SET opened_at = now()
    WHERE kind = %s AND subject = %s AND closed_at IS NULL AND opened_at IS NULL
        AND seen_at <= now() - make_interval(secs => %s)
    RETURNING id, kind, subject, text
"""
CLOSE = """
    UPDATE offbeat_alerts_incident SET closed_at = now()
    WHERE closed_at IS NULL AND opened_at IS NOT NULL
        AND NOT (kind, subject) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
    RETURNING id, kind, subject, text
"""
FORGET = """
    DELETE FROM offbeat_alerts_incident WHERE (closed_at IS NULL AND opened_at IS NULL
        AND NOT (kind, subject) IN (SELECT * FROM unnest(%s::text[], %s::text[])))
        OR closed_at < now() - interval '90 days'
"""


def is_our_turn() -> bool:
    """Tell whether nobody has looked for most of an interval; if so, we have now."""
    with connection.cursor() as cursor:
        cursor.execute(TURN, [conf().interval * 0.8])
        return cursor.fetchone() is not None


def compare(troubles: Sequence[Trouble]) -> None:
    """Open what has lasted longer than its patience, close what is over, forget what was too short to tell."""
    with connection.cursor() as cursor:
        for each in troubles:
            cursor.execute(SEE, [each.kind, each.subject, each.text])
            cursor.execute(OPEN, [each.kind, each.subject, each.patience])
            note("incident_begin", cursor.fetchall())
        wrong = [[each.kind for each in troubles], [each.subject for each in troubles]]
        cursor.execute(CLOSE, wrong)
        note("incident_end", cursor.fetchall())
        cursor.execute(FORGET, wrong)


def note(action: str, rows: Sequence[tuple[int, str, str, str]]) -> None:
    for incident, kind, subject, text in rows:
        logger.warning(
            "%s", text, extra={"action": action, "incident": incident, "kind": kind, "subject": subject}
        )
