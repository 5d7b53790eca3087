"""What a job's row keeps of its past attempts."""

from __future__ import annotations

import json

from offbeat.jobs.error_text import storable
from offbeat.redaction import redact

# Appends the attempt that ends to the job's history; takes its `ending`. A job that retries for ever keeps its first attempt and
# its last ones: the row is written anew at each of them.
LONGEST_HISTORY = 50
# Characters of a past attempt's traceback: fifty of them are some 200 kB, which PostgreSQL packs to a tenth.
LONGEST_PAST = 4_000
HISTORY = f"""
    history = CASE WHEN jsonb_array_length(history) < {LONGEST_HISTORY} THEN history ELSE history - 1 END
        || jsonb_build_array(jsonb_build_object('attempt', attempt, 'outcome', %s::text, 'reason', %s::text,
            'started_at', started_at, 'ended_at', clock_timestamp(), 'worker', worker) || %s::jsonb)
"""
# Of a cancelled one, which says why in the row of its request.
CANCELLED_HISTORY = HISTORY % ("'cancelled'", "cancellation.reason", "jsonb_build_object()")


def ending(outcome: str, reason: str, error: str = "", traceback: str = "") -> list[str]:
    """Return what the history takes of an attempt's end; `error` is the path of its exception's class, "" where there was none."""
    raised = {"error": error, "traceback": storable(redact(traceback, LONGEST_PAST))} if error else {}
    return [outcome, reason, json.dumps(raised)]
