"""Django system checks: a brake stands before every password, and the admin is where ADMIN_PATH says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  Django's own name

if TYPE_CHECKING:
    from collections.abc import Iterator


@register
def check_settings(**_: object) -> Iterator[CheckMessage]:
    from offbeat.ops.logins.conf import LoginsConf  # noqa: PLC0415  no wake-up pays for it

    yield from LoginsConf.find_errors("offbeat_ops.E001")


@register(Tags.security)
def check_backends(**_: object) -> Iterator[CheckMessage]:
    """Warn where nothing counts wrong passwords, or only after others have looked at them (W001)."""
    from django.utils.module_loading import import_string  # noqa: PLC0415

    from offbeat.ops.logins.backend import LoginBackend  # noqa: PLC0415

    names = list(settings.AUTHENTICATION_BACKENDS)
    first = next(iter(names), "")
    try:
        is_braked = bool(first) and issubclass(import_string(first), LoginBackend)
    except ImportError as error:
        yield Error(f"AUTHENTICATION_BACKENDS: {error}.", id="offbeat_ops.E003")
        return
    if not is_braked:
        others = [name for name in names if name != "django.contrib.auth.backends.ModelBackend"]
        yield Warning(
            f'AUTHENTICATION_BACKENDS begins with "{first}": nothing slows down guessing of passwords.',
            hint="Add to the list of offbeat.settings; your own list would end sessions: "
            f"AUTHENTICATION_BACKENDS += {others}."
            if others
            else "Use AUTHENTICATION_BACKENDS of offbeat.settings unchanged.",
            id="offbeat_ops.W001",
        )


@register(Tags.urls)
def check_admin_path(**_: object) -> Iterator[CheckMessage]:
    """Refuse ADMIN_PATH where the project's urls do not read it (E002)."""
    from django.urls import NoReverseMatch, get_script_prefix, reverse  # noqa: PLC0415

    wanted = getattr(settings, "ADMIN_PATH", "admin/")
    try:
        found = reverse("admin:index").removeprefix(get_script_prefix())
    except NoReverseMatch:
        return  # a project without an admin
    if wanted not in {found, "admin/"}:
        yield Error(
            f'ADMIN_PATH is "{wanted}", and the admin answers at "{found}".',
            hint="Write path(settings.ADMIN_PATH, admin.site.urls) into the project's urls.py (from django.conf import settings).",
            id="offbeat_ops.E002",
        )
