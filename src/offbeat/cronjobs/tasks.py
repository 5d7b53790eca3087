"""The jobs that tell people and programs of incidents."""

from __future__ import annotations

import json
import urllib.request
from http.client import HTTPException
from typing import Any

from celery import shared_task
from django.conf import settings
from django.core.mail import mail_admins

from offbeat.cronjobs.conf import conf
from offbeat.cronjobs.models import Incident
from offbeat.cronjobs.words import duration, stamp

TELLING: dict[str, Any] = {
    # SMTP errors, refused connections, timeouts and HTTP errors are all OSErrors; an answer that is no HTTP is not.
    "autoretry_for": (OSError, HTTPException),
    "retry_backoff": 10,  # seconds, doubled each time
    "retry_backoff_max": 15 * 60,
    "max_retries": 10,
    "time_limit": 120,
}


@shared_task(**TELLING)
def mail_incident(incident_id: int, is_over: bool) -> None:
    """Mail the people of ADMINS."""
    incident = Incident.objects.get(pk=incident_id)
    subject, body = subject_of(incident, is_over=is_over), [incident.text]
    if is_over and incident.closed_at:
        body.append(
            f"Over since {stamp(incident.closed_at)}, after {duration(incident.closed_at - incident.opened_at)}."
        )
    body.append(f"python manage.py cronjobs   shows all cronjobs.\n{settings.BASE_URL}")
    mail_admins(subject, "\n\n".join(body))


@shared_task(**TELLING)
def post_incident(incident_id: int, is_over: bool) -> None:
    """Post an incident as JSON to the webhook; `text` is what chat programs show."""
    incident = Incident.objects.get(pk=incident_id)
    subject = subject_of(incident, is_over=is_over)
    body = {
        "text": f"{subject}: {incident.text}",
        "cronjob": incident.cronjob_id,
        "signal": incident.signal,
        "is_over": is_over,
        "opened_at": incident.opened_at.isoformat(),
        "closed_at": incident.closed_at.isoformat() if incident.closed_at else None,
    }
    request = urllib.request.Request(  # noqa: S310  the address is the operator's own setting
        conf().alert_webhook, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass


SUBJECTS = {
    "not_fired": "not woken up by the platform",
    "not_published": "not published",
    "not_started": "not started",
    "too_long": "runs too long",
    "no_success": "without success",
}


def subject_of(incident: Incident, *, is_over: bool) -> str:
    what = SUBJECTS.get(incident.signal, incident.signal)
    return f"{incident.cronjob_id}: {f'over: {what}' if is_over else what}"
