"""Sentry, where SENTRY_DSN is set: errors with the request, job, cronjob and slot that they happened for, and nobody's data."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from django.conf import settings

from offbeat import redaction
from offbeat.env import env
from offbeat.ops.logs import REMEMBERED
from offbeat.ops.logs_values import is_secret_name

if TYPE_CHECKING:
    import uuid

ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]++")  # somebody's, of e-mail
IDENTITIES = ("release", "dist")  # the hash of a commit is no token


def start() -> None:
    """Start it; nothing of it is imported where SENTRY_DSN is not set."""
    if not settings.SENTRY_DSN:
        return
    import sentry_sdk  # noqa: PLC0415  40 ms that most processes need not pay
    from django.http import UnreadablePostError  # noqa: PLC0415
    from sentry_sdk.integrations.logging import ignore_logger  # noqa: PLC0415

    from offbeat.jobs import signals  # noqa: PLC0415

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=env.text("VERSION", "") or None,
        send_default_pii=False,
        include_local_variables=False,  # they hold addresses, tokens and bodies of mails
        max_request_body_size="never",
        ignore_errors=[UnreadablePostError],  # a client that went away
        before_send=scrubbed,
        before_send_transaction=scrubbed,
        before_breadcrumb=lambda crumb, _: without_data(crumb),
    )
    for name in ("celery.app.trace", "celery.worker.job"):
        ignore_logger(name)  # Celery's integration sends the same error, with its traceback
    signals.job_dead.connect(on_death)


def on_death(sender: str, job_id: uuid.UUID, reason: str, **_: Any) -> None:
    """Tell of a dead letter that no exception tells of: its process was killed, or its task is unknown."""
    if sys.exc_info()[1] is not None:
        return
    import sentry_sdk  # noqa: PLC0415  as above

    with sentry_sdk.new_scope() as scope:
        scope.set_tags({"job": str(job_id), "task": sender})
        scope.fingerprint = ["dead-letter", sender]
        sentry_sdk.capture_message(f"{sender} is dead: {reason}", level="error")


def scrubbed(event: Any, hint: Any) -> Any:
    """Return an event as it may leave the house: tagged with ids, and without what people have told us."""
    from structlog import contextvars  # noqa: PLC0415  as above

    bound = contextvars.get_contextvars()
    event["tags"] = {name: str(bound[name]) for name in REMEMBERED if name in bound} | dict(
        event.get("tags") or {}
    )
    request = event.get("request") or {}
    for name in ("cookies", "data", "query_string", "env"):
        request.pop(name, None)
    request["headers"] = {
        name: value
        for name, value in (request.get("headers") or {}).items()
        if name.lower() in {"host", "user-agent", "x-request-id"}
    }
    event.pop("user", None)
    return without_data(event) | {name: event[name] for name in IDENTITIES if event.get(name)}


def without_data(value: Any) -> Any:
    """Return the value with e-mail addresses, secrets and tokens of links hidden, and long texts cut, however deep."""
    if isinstance(value, str):
        return ADDRESS.sub(redaction.HIDDEN, redaction.hide_tokens(redaction.redact(value)))
    if isinstance(value, dict):
        return {
            key: redaction.HIDDEN if is_secret_name(str(key)) else without_data(each)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_data(each) for each in value]
    return value
