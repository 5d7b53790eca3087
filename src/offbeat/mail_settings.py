"""Where mails go, and from whom: the same variables, as Django 6.1 wants them, and as 5.2 does."""

from __future__ import annotations

import django

from offbeat.env import env
from offbeat.identity import platform_name, platform_title
from offbeat.variables import values
from offbeat.variables.mail_addresses import recipients, sender

_IS_LAX = env.boolean("DEBUG", default=False)
_TLS = env.boolean("EMAIL_USE_TLS", default=not _IS_LAX)
_PORT = env.integer("EMAIL_PORT", 587 if not _IS_LAX else 1025, minimum=1, maximum=65535)
# At port 465 TLS is there from the first byte, and STARTTLS never comes (RFC 8314): Django would wait for it.
_SSL = env.boolean("EMAIL_USE_SSL", default=_TLS and _PORT == 465)
_SERVER = {
    "host": env.text("EMAIL_HOST", "localhost", form=values.SERVER),
    "port": _PORT,
    "username": env.parsed("EMAIL_HOST_USER", values.matching(values.LINE), "", is_secret=True),
    "password": env.parsed("EMAIL_HOST_PASSWORD", values.matching(values.LINE), "", is_secret=True),
    "use_tls": _TLS and not _SSL,
    "use_ssl": _SSL,
    "timeout": 20,  # seconds; below every task's time limit, so that a silent server becomes a retry
}
if django.VERSION >= (6, 1):  # which refuses to start where it has both
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": _SERVER}}
else:
    EMAIL_HOST, EMAIL_PORT = _SERVER["host"], _SERVER["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _SERVER["username"], _SERVER["password"]
    EMAIL_USE_TLS, EMAIL_USE_SSL = _SERVER["use_tls"], _SERVER["use_ssl"]
    EMAIL_TIMEOUT = _SERVER["timeout"]

EMAIL_SUBJECT_PREFIX = f"[{platform_title()}] "  # of mails to ADMINS: who gets them has more than one project
NOBODY: list[str] | list[tuple[str, str]] = []
ADMINS = env.parsed("ADMINS", recipients, NOBODY)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.parsed(
    "DEFAULT_FROM_EMAIL", sender, f"{platform_title()} <{platform_name()}@localhost>"
)
