"""Notifies people of incidents: by mail to ADMINS and as JSON to ALERT_WEBHOOK_URL.

Not by jobs: what is wrong may be that no job runs.

1. claim one incident that nobody was notified of, for `retell_after` seconds;
2. send, and record it, each way by itself; then the next one.

Death in between: another process sends when the claim is over. So each begin and each end is sent at least once; twice only
when a process died between a mail server's OK and the record of it.
"""

from __future__ import annotations

import json
import logging
import urllib.request
from http.client import HTTPException
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail import mail_admins

from offbeat.condition import Condition
from offbeat.cronjobs.words import duration, stamp
from offbeat.ops import conditions
from offbeat.ops.alerts.conf import conf
from offbeat.ops.alerts.models import Incident
from offbeat.outgoing_request import send_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

BEGUN, OVER = 1, 2
MOST = 20  # incidents of one check: a mail server that hangs must not keep this process from the next one
CLAIM = """
    UPDATE offbeat_alerts_incident SET claimed_until = now() + make_interval(secs => %s)
    WHERE id = (
        SELECT id FROM offbeat_alerts_incident
        WHERE opened_at IS NOT NULL AND (claimed_until IS NULL OR claimed_until < now())
            AND least(mailed, posted) < CASE WHEN closed_at IS NULL THEN 1 ELSE 2 END
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING *
"""


def send() -> None:
    """Send everything that is not sent yet; a way that fails is tried again at a later check."""
    for incident in islice(claim_incidents(), MOST):
        stage = OVER if incident.closed_at else BEGUN
        sent = {
            "mailed": incident.mailed >= stage or has_sent(mail, incident),
            "posted": incident.posted >= stage or has_sent(post, incident),
        }
        record(incident, {name: stage for name, is_sent in sent.items() if is_sent})


def claim_incidents() -> Iterator[Incident]:
    """Claim one incident after another: the claims of a whole batch would be over before its last one was sent."""
    while found := list(Incident.objects.raw(CLAIM, [conf().retell_after])):
        yield from found


def record(incident: Incident, sent: dict[str, int]) -> None:
    """Record what was sent; what failed stays claimed, so that it is not tried again at once."""
    if len(sent) == 2:  # both ways
        sent["claimed_until"] = None  # type: ignore[assignment]
    Incident.objects.filter(pk=incident.pk).update(**sent)


def has_sent(way: Callable[[Incident], None], incident: Incident) -> bool:
    try:
        way(incident)
    # SMTP errors, refusals, timeouts, statuses; an address that is none; an answer that is not HTTP.
    except (OSError, ValueError, HTTPException) as error:
        logger.warning(
            "could not %s an incident: %s",
            way.__name__,
            type(error).__name__,
            extra={"action": "alert_failed"},
        )
        return False
    return True


def mail(incident: Incident) -> None:
    if not settings.ADMINS:
        return
    kind = conditions.kind_of(incident.kind)
    body = [incident.text]
    if incident.closed_at and incident.opened_at:
        lasted = duration(incident.closed_at - incident.opened_at)
        body.append(f"Over since {stamp(incident.closed_at)}, after {lasted}.")
    else:
        since = incident.since or incident.opened_at
        body += [f"{kind.severity.word.capitalize()} since {stamp(since)}."] if since else []
        body.append(f"What to do: {kind.advice}")
    if incident.acknowledgement:
        body.append(f"{incident.acknowledgement}.")
    mail_admins(subject_of(incident), "\n\n".join([*body, link_of(incident)]))


def post(incident: Incident) -> None:
    if not settings.ALERT_WEBHOOK_URL:
        return
    request = urllib.request.Request(  # noqa: S310  the address is the operator's own setting
        settings.ALERT_WEBHOOK_URL,
        json.dumps(as_json(incident)).encode(),
        {"Content-Type": "application/json"},
    )
    send_request(request, timeout=10)


def as_json(incident: Incident) -> dict[str, Any]:
    """Return what is posted; `text` is what chat programs show."""
    kind = conditions.kind_of(incident.kind)
    found = Condition(
        kind, incident.subject, incident.text, incident.since, acknowledged=incident.acknowledgement
    )
    body = found.as_json()
    body["text"] = f"{subject_of(incident)}: {incident.text}"
    if incident.kind in conditions.OF_CRONJOBS:
        body["cronjob"] = incident.subject
    return body | {
        "link": link_of(incident),
        "is_over": incident.closed_at is not None,
        "opened_at": incident.opened_at.isoformat() if incident.opened_at else None,
        "closed_at": incident.closed_at.isoformat() if incident.closed_at else None,
    }


def link_of(incident: Incident) -> str:
    return f"{settings.BASE_URL.rstrip('/')}{conditions.path_of(incident.kind, incident.subject)}"


def subject_of(incident: Incident) -> str:
    what = conditions.kind_of(incident.kind).title
    return f"{incident.subject}: {f'over: {what}' if incident.closed_at else what}"
