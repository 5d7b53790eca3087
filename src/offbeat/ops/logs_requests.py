"""What a visitor can cause at will is a warning of one line: no traceback, and so no event in Sentry.

Django logs a request that it refuses as an error with a traceback. Of a scanner that is an error for each host name it makes up,
and whoever gets them soon reads none.
"""

from __future__ import annotations

import logging

# Django's loggers of refused requests, named after the exception. A warning is:
REFUSED = (
    "DisallowedHost",  # each scanner's
    "DisallowedRedirect",  # a `next` with another scheme, made up
    "RequestDataTooBig",
    "TooManyFieldsSent",
    "TooManyFilesSent",
    "SuspiciousMultipartForm",
    "SuspiciousSession",  # a cookie that was changed, or was signed with a key of before
    "InvalidSessionKey",
    "DisallowedModelAdminLookup",  # a query of the admin, typed by hand
    "DisallowedModelAdminToField",
    "SuspiciousOperation",  # raised by the project's own code to refuse a request
)
# Not SuspiciousFileOperation: code of ours took a visitor's text for the name of a file, and should be looked at.
REQUEST_LOGGERS = ("django.request", *(f"django.security.{name}" for name in REFUSED))


class VisitorFilter(logging.Filter):
    """On these loggers, before handlers and Sentry see the record: they, not their parents, apply filters to it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not is_visitors_doing(record):
            return True
        record.exc_info = record.exc_text = None
        record.levelno = min(record.levelno, logging.WARNING)
        record.levelname = logging.getLevelName(record.levelno)
        return logging.getLogger(record.name).isEnabledFor(record.levelno)


def is_visitors_doing(record: logging.LogRecord) -> bool:
    """Tell whether a request failed by what was sent: it was answered with 4xx, or its body broke off."""
    from django.http import UnreadablePostError  # noqa: PLC0415  settings import this module

    if record.exc_info and isinstance(record.exc_info[1], UnreadablePostError):
        return True
    return 400 <= int(getattr(record, "status_code", 500)) < 500
