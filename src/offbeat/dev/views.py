"""The mails of the sink, for a developer to read and click. Included in the site's addresses only with DEBUG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import django
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from offbeat.dev.mails import Mail, MailNotFoundError, find, newest

if django.VERSION >= (6, 0):
    from django.views.decorators.csp import csp_override
else:
    # Where Django 5.2 is installed, as with Python 3.11, this has types.
    from csp.decorators import csp as csp_override  # type: ignore[no-redef,assignment,unused-ignore]

if TYPE_CHECKING:
    from django.http import HttpRequest

# A mail brings its own styles, and must neither run scripts nor load anything.
MAIL_POLICY = {
    "default-src": ["'none'"],
    "style-src": ["'unsafe-inline'"],
    "img-src": ["data:"],
    "frame-ancestors": ["'self'"],
}
OPEN_LINKS_OUTSIDE = '<base target="_blank">'  # the frame itself may load nothing


@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    return render(request, "offbeat/dev/mailbox.html", {"mails": newest()})


@require_safe
def mail(request: HttpRequest, key: str) -> HttpResponse:
    return render(request, "offbeat/dev/mail.html", {"mail": _find(key)})


@require_safe
@xframe_options_sameorigin
@csp_override(MAIL_POLICY)
def html_part(request: HttpRequest, key: str) -> HttpResponse:
    """Show the mail's HTML, for the sandboxed frame of the mail's page."""
    return HttpResponse(OPEN_LINKS_OUTSIDE + _find(key).html)


def _find(key: str) -> Mail:
    try:
        return find(key)
    except MailNotFoundError:
        raise Http404("No such mail") from None
