"""Django's mailer and the addresses of ADMINS, the same on Django 5.2 and on 6.1: each keeps them elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import mail

from offbeat.retired_settings import OPTIONS

if TYPE_CHECKING:
    from django.core.mail.backends.base import BaseEmailBackend


def default_mailer() -> BaseEmailBackend:
    """Return a new connection to the mail server; in a `with` statement it stays open for many mails."""
    return mail.mailers.default if hasattr(mail, "mailers") else mail.get_connection()


def mailer_option(name: str, of: Any = settings) -> Any:
    """Return an option of the default mailer, like "host"; None where it has none."""
    if hasattr(of, "MAILERS"):
        return of.MAILERS.get("default", {}).get("OPTIONS", {}).get(name)
    return getattr(of, OPTIONS[name], None)


def admin_addresses() -> list[str]:
    """Return the addresses of ADMINS, whether it has pairs, as on Django 5.2, or strings."""
    return [each if isinstance(each, str) else each[1] for each in settings.ADMINS]
