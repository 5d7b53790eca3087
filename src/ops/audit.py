"""Who did what, and when: written in the transaction of the act, so that neither is there without the other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ops.models import AuditEntry

if TYPE_CHECKING:
    from django.http import HttpRequest

logger = logging.getLogger(__name__)


def record(request: HttpRequest, act: str, subject: str, link: str, result: str) -> None:
    """Write an act of the person who is logged in; call it in the transaction that does it. Acts without effect count too."""
    who = request.user.get_username()
    AuditEntry.objects.create(who=who, act=act, subject=subject[:255], link=link[:255], result=result[:255])
    logger.info(
        "%s: %s %s: %s", who, act, subject, result,
        extra={"action": "ops_act", "who": who, "act": act, "subject": subject},
    )  # fmt: skip
