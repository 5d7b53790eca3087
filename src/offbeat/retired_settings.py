"""Settings of a project that this Django refuses, each with what to write instead: Django's own message does not say."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Options of a mailer by Django 6.1, with the settings of before.
OPTIONS = {
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
INSTEAD = {"EMAIL_BACKEND": 'MAILERS["default"] = {"BACKEND": …, "OPTIONS": {…}}'} | {
    name: f'MAILERS["default"]["OPTIONS"]["{option}"] = …' for option, name in OPTIONS.items()
}


def retired(settings: Mapping[str, Any]) -> Iterator[str]:
    """Give a sentence for each setting that would end the start."""
    if django.VERSION >= (6, 1) and "MAILERS" in settings:
        yield from (
            f"The setting {name} has no effect with MAILERS. Hint: write {instead}, with MAILERS imported from offbeat.settings."
            for name, instead in INSTEAD.items()
            if name in settings
        )
    for name in ("INSTALLED_APPS", "MIDDLEWARE"):
        for each in settings.get(name, ()):
            if each.partition(".")[0] == "csp" and not find_spec("csp"):
                yield f'{name} has "{each}", and django-csp is not installed. Hint: {_without_csp(name)}.'


def _without_csp(name: str) -> str:
    if name == "INSTALLED_APPS":
        return "remove it: Django 6.0 and newer contain this"
    return 'write "django.middleware.csp.ContentSecurityPolicyMiddleware", which reads SECURE_CSP'
