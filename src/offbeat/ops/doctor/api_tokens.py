"""Tokens of the HTTP API that may be in wrong hands without anybody noticing: unused ones, and old ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.apps import apps
from django.db.models import Q
from django.utils import timezone

from offbeat.ops.doctor.findings import Finding, green, yellow

if TYPE_CHECKING:
    from collections.abc import Iterator

UNUSED = timedelta(days=90)
OLD = timedelta(days=365)
SHOWN = 5
ADVICE = "revoke those that nobody uses, and replace old ones: manage.py api_tokens list"


def tokens() -> Iterator[Finding]:
    if not apps.is_installed("offbeat.api"):
        return
    now = timezone.now()
    in_force = apps.get_model("offbeat_api", "ApiToken").objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None
    )
    found = [
        (each.name, _age(each.created_at, each.last_used_at, now)) for each in in_force.order_by("created_at")
    ]
    stale = [f"{name}: {age}" for name, age in found if age]
    if stale:
        more = f" and {len(stale) - SHOWN} more" if len(stale) > SHOWN else ""
        yield yellow("API tokens", "; ".join(stale[:SHOWN]) + more, ADVICE)
    elif found:
        yield green(
            "API tokens", f"{len(found)}, each used in the last {UNUSED.days} days, none older than a year"
        )


def _age(made: datetime, used: datetime | None, now: datetime) -> str:
    """Return what is wrong with a token, if anything."""
    if (idle := now - (used or made)) > UNUSED:
        return f"not used for {idle.days} days"
    return f"{(now - made).days} days old" if now - made > OLD else ""
