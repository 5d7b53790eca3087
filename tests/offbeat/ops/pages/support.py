"""What the tests of the pages read and send."""

import re
from datetime import timedelta

from django.utils import timezone

from offbeat.ops.models import AuditEntry
from tests.offbeat.browser import stage


def text_of(answer):
    """Give a page's text without its tags, in one line."""
    body = re.sub(r"<(script|style|title).*?</\1>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(body.split())


def dead(task="newsletter.tasks.send_confirmation", **values):
    """Write a job that died eight and a half minutes ago."""
    begun = timezone.now() - timedelta(minutes=9)
    return stage.job(task, "dead", begun, **{"reason": "SMTPError: no", "took": 30, **values})


def dead_letter(minutes=9):
    return stage.dead_letter(timezone.now(), minutes)


def post(client, path, **values):
    """Post with the token that a page gave."""
    token = client.get("/ops/audit/").context["csrf_token"]
    return client.post(path, {**values, "csrfmiddlewaretoken": str(token)}, follow=True)


def trail():
    return [(each.who, each.act, each.subject, each.result) for each in AuditEntry.objects.order_by("id")]
