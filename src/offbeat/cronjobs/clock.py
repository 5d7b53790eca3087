"""The ledger's clock is the database's: one for all machines."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

logger = logging.getLogger(__name__)

TOLERANCE = timedelta(seconds=60)  # ours does not decide anything; but a clock this wrong breaks logs and TLS


def database_now() -> datetime:
    """Return the time in PostgreSQL; warn when this machine's clock is far off."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    off = timezone.now() - now
    if abs(off) > TOLERANCE:
        logger.warning(
            "this machine's clock differs by %+.0f s from PostgreSQL's, which decides", off.total_seconds(),
            extra={"action": "clock_off"},
        )  # fmt: skip
    return now
