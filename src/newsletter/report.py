"""The hourly report to the people who run the list."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from newsletter.models import SignupReport

if TYPE_CHECKING:
    from datetime import datetime

HOUR = timedelta(hours=1)


def report(now: datetime) -> SignupReport | None:
    """Make and keep the report of the time since the last one, up to the full hour; None when there is one already."""
    until = now.replace(minute=0, second=0, microsecond=0)
    last = SignupReport.objects.first()
    since = last.until if last else until - HOUR
    if since >= until:
        return None
    counts = SignupReport.counts(since, until)
    made, is_new = SignupReport.objects.get_or_create(until=until, defaults={"since": since, **counts})
    return made if is_new else None  # else another job won the race, and mails it
