"""Who did what, and when: written in the transaction of the act, so that neither is there without the other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.db.models.signals import post_save
from django.urls import reverse

from offbeat.ops.models import AuditEntry
from offbeat.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.contrib.admin.models import LogEntry
    from django.http import HttpRequest

logger = logging.getLogger(__name__)

# What Django's admin lets people decide about, and its page here.
DECIDED = {("offbeat_jobs", "job"): "offbeat_ops:job", ("offbeat_cronjobs", "cronjob"): "offbeat_ops:cronjob"}


def connect() -> None:
    from django.contrib.admin.models import LogEntry  # noqa: PLC0415  needs Django's apps

    post_save.connect(from_admin, sender=LogEntry)


def from_admin(instance: LogEntry, created: bool, **_: Any) -> None:
    """Take over what the admin logs of jobs and cronjobs, in its transaction."""
    of = instance.content_type
    page = of and DECIDED.get(of.natural_key())
    if created and of and page:
        link = reverse(page, args=[instance.object_id])
        write(
            instance.user.get_username(),
            instance.change_message,
            f"{of.model} {instance.object_id}",
            link,
            "Done in the admin.",
        )


def acts_on(subject: str, user: Any, most: int) -> list[AuditEntry]:
    """Return the newest acts on a subject, for somebody who may read the trail; none for others."""
    if not user.has_perm("offbeat_ops.view_auditentry"):
        return []
    return list(AuditEntry.objects.filter(subject=subject).order_by("-id")[:most])


def record(request: HttpRequest, act: str, subject: str, link: str, result: str) -> None:
    """Write an act of the person who is logged in; call it in the transaction that does it. Acts without effect count too."""
    write(request.user.get_username(), act, subject, link, result)


WITH_OTHERS = "done, with others"  # the result of one job among many, which are one line in the trail


def record_members(request: HttpRequest, act: str, job_ids: Iterable[UUID]) -> None:
    """Write an act on many jobs into the trail of each; call it in the transaction that does it."""
    who = request.user.get_username()[:150]
    AuditEntry.objects.bulk_create(
        AuditEntry(
            who=who,
            act=act,
            subject=f"job {job_id}",
            link=reverse("offbeat_ops:job", args=[job_id]),
            result=WITH_OTHERS,
        )
        for job_id in job_ids
    )


def write(who: str, act: str, subject: str, link: str, result: str) -> None:
    AuditEntry.objects.create(
        who=who[:150],  # where a project's names are addresses they may be longer
        act=act[:40],
        subject=subject[:255],
        link=link[:255],
        result=redact(result)[:255],
    )
    logger.info(
        "%s: %s %s: %s", who, act, subject, result,
        extra={"action": "ops_act", "who": who, "act": act, "subject": subject},
    )  # fmt: skip
