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

    from offbeat.condition import Condition
    from offbeat.ops.conditions import Account

logger = logging.getLogger(__name__)

TURN = """
    INSERT INTO offbeat_alerts_turn (id, at) VALUES (1, now())
    ON CONFLICT (id) DO UPDATE SET at = now() WHERE offbeat_alerts_turn.at < now() - make_interval(secs => %s)
    RETURNING id
"""
# After a quiet while the begin is news again: of a condition that nobody has decided about, and that goes on growing.
NEWS = "excluded.last_at > incident.last_at + make_interval(secs => %(quiet)s)"
SEE = f"""
    INSERT INTO offbeat_alerts_incident AS incident (kind, subject, text, since, last_at)
    VALUES (%(kind)s, %(subject)s, %(text)s, coalesce(%(since)s, now()), %(last_at)s)
    ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO UPDATE SET text = excluded.text, last_at = excluded.last_at,
        mailed = CASE WHEN {NEWS} THEN 0 ELSE incident.mailed END, posted = CASE WHEN {NEWS} THEN 0 ELSE incident.posted END,
        acknowledged_at = CASE WHEN {NEWS} THEN NULL ELSE incident.acknowledged_at END,
        acknowledged_by = CASE WHEN {NEWS} THEN '' ELSE incident.acknowledged_by END,
        note = CASE WHEN {NEWS} THEN '' ELSE incident.note END
"""  # noqa: S608  a constant
OPEN = """
    UPDATE offbeat_alerts_incident SET opened_at = now()
    WHERE kind = %(kind)s AND subject = %(subject)s AND closed_at IS NULL AND opened_at IS NULL
        AND seen_at <= now() - make_interval(secs => %(patience)s)
    RETURNING id, kind, subject, text
"""
OVER = """
    closed_at IS NULL AND kind <> ALL(%(unknown)s::text[])
        AND NOT (kind, subject) IN (SELECT * FROM unnest(%(kinds)s::text[], %(subjects)s::text[]))
"""
CLOSE = f"""
    UPDATE offbeat_alerts_incident SET closed_at = now() WHERE opened_at IS NOT NULL AND {OVER}
    RETURNING id, kind, subject, text
"""  # noqa: S608  a constant
FORGET = f"""
    DELETE FROM offbeat_alerts_incident WHERE (opened_at IS NULL AND {OVER}) OR closed_at < now() - interval '90 days'
"""  # noqa: S608  a constant


def is_our_turn() -> bool:
    """Tell whether nobody has looked for most of an interval; if so, we have now."""
    with connection.cursor() as cursor:
        cursor.execute(TURN, [conf().interval * 0.8])
        return cursor.fetchone() is not None


def compare(account: Account) -> None:
    """Open what has lasted longer than its patience, close what is over, forget what was too short to tell."""
    with connection.cursor() as cursor:
        for each in account.conditions:
            values = vars(each) | {"kind": each.kind.name, "patience": patience(each), "quiet": conf().quiet}
            cursor.execute(SEE, values)
            cursor.execute(OPEN, values)
            note("incident_begin", cursor.fetchall())
        wrong = {
            "kinds": [each.kind.name for each in account.conditions],
            "subjects": [each.subject for each in account.conditions],
            "unknown": [kind.name for kind in account.unknown],
        }
        cursor.execute(CLOSE, wrong)
        note("incident_end", cursor.fetchall())
        cursor.execute(FORGET, wrong)


def patience(condition: Condition) -> float:
    """Return for how many seconds a condition must last before people are told."""
    return float(getattr(conf(), condition.kind.patience)) if condition.kind.patience else 0.0


def note(action: str, rows: Sequence[tuple[int, str, str, str]]) -> None:
    for incident, kind, subject, text in rows:
        logger.warning(
            "%s: %s", subject, text,
            extra={"action": action, "incident": incident, "kind": kind, "subject": subject},
        )  # fmt: skip
