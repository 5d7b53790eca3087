"""Django's mailer and the addresses of ADMINS, the same on Django 5.2 and on 6.1: each keeps them elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import mail

if TYPE_CHECKING:
    from django.core.mail.backends.base import BaseEmailBackend

# Options of Django 6.1's MAILERS, with the settings of before.
RETIRED = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
    "ssl_keyfile": "EMAIL_SSL_KEYFILE",
    "ssl_certfile": "EMAIL_SSL_CERTFILE",
    "file_path": "EMAIL_FILE_PATH",
}


def default_mailer() -> BaseEmailBackend:
    """Return a new connection to the mail server; in a `with` statement it stays open for many mails."""
    return mail.mailers.default if hasattr(mail, "mailers") else mail.get_connection()


def mailer_option(name: str, of: Any = settings) -> Any:
    """Return an option of the default mailer, like "host"; None where it has none."""
    if hasattr(of, "MAILERS"):
        return of.MAILERS.get("default", {}).get("OPTIONS", {}).get(name)
    return getattr(of, RETIRED[name], None)


def admin_addresses() -> list[str]:
    """Return the addresses of ADMINS, whether it has pairs, as on Django 5.2, or strings."""
    return [each if isinstance(each, str) else each[1] for each in settings.ADMINS]
