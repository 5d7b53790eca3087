"""Tokens: made once and shown once, found by their hash, counted and limited in one statement for all processes."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models.functions import Now
from django.utils import timezone

from offbeat.api.conf import conf
from offbeat.api.models import ApiToken
from offbeat.jobs import sql

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

PREFIX = "obt_"  # scanners of secrets find it, and our logs hide what follows: offbeat/redaction/patterns.py
# A token is found by the hash of what came: how long that takes says nothing of how much of it was right.
TAKE = """
    WITH token AS (
        SELECT id, name, scopes, expires_at, coalesce(last_used_at < now() - interval '1 minute', true) AS is_stale
        FROM offbeat_api_apitoken WHERE digest = %(digest)s AND revoked_at IS NULL
    ), taken AS (
        INSERT INTO offbeat_api_apiallowance AS bucket (token_id, until)
        SELECT id, statement_timestamp() + %(each)s FROM token WHERE expires_at > now() IS NOT FALSE
        ON CONFLICT (token_id) DO UPDATE SET until = greatest(bucket.until, statement_timestamp()) + %(each)s
        WHERE bucket.until <= statement_timestamp() + %(rest)s
        RETURNING until
    )
    SELECT id, name, scopes, is_stale, expires_at > now() IS NOT FALSE, EXISTS (SELECT FROM taken),
        (SELECT extract(epoch FROM until - statement_timestamp() - %(rest)s)
            FROM offbeat_api_apiallowance WHERE token_id = token.id)
    FROM token
"""


@dataclass(frozen=True)
class Bearer:
    """The token that a request came with."""

    id: int
    name: str
    scopes: list[str]


class RefusedTokenError(Exception):
    """The token is missing, wrong, expired or revoked: ask whoever runs the site for another one."""


class TooManyRequestsError(Exception):
    """The token has no request left: try again after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


def issue(name: str, scopes: list[str], expires_at: datetime | None = None) -> str:
    """Make a token and return it; nobody can read it again."""
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    ApiToken.objects.create(name=name, scopes=scopes, digest=digest_of(token), expires_at=expires_at)
    return token


def revoke(name: str, *, keep_newest: bool = False) -> int:
    """Revoke the tokens of a name; return how many."""
    found = ApiToken.objects.filter(name=name, revoked_at__isnull=True)
    kept = found.order_by("-id").values_list("id", flat=True)[:1] if keep_newest else []
    return found.exclude(pk__in=list(kept)).update(revoked_at=Now())


def are_there() -> bool:
    """Whether the API is on: an expired token is told so, a revoked one is gone."""
    return ApiToken.objects.filter(revoked_at__isnull=True).exists()


def take(authorization: str) -> Bearer:
    """Return whose request it is, and count it. Raises RefusedTokenError, TooManyRequestsError."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise RefusedTokenError("send the header Authorization: Bearer <token>")
    each = timedelta(seconds=1 / conf().rate)
    rest = each * (conf().burst - 1)
    row = sql.fetch_one(TAKE, {"digest": digest_of(token.strip()), "each": each, "rest": rest})
    if row is None:
        raise RefusedTokenError("the token is unknown or revoked")
    key, name, scopes, is_stale, is_in_time, is_taken, wait = row
    if not is_in_time:
        raise RefusedTokenError("the token has expired")
    if not is_taken:
        raise TooManyRequestsError(max(1, math.ceil(wait or 0)))
    if is_stale:
        ApiToken.objects.filter(pk=key).update(last_used_at=timezone.now())
    return Bearer(key, name, json.loads(scopes))


def find_in_force(ids: Collection[int]) -> set[int]:
    """Return those of these tokens that still open something."""
    found = ApiToken.objects.filter(pk__in=ids, revoked_at__isnull=True).exclude(expires_at__lte=Now())
    return set(found.values_list("id", flat=True))


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
