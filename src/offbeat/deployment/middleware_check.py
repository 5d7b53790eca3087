"""A system check: a project that writes its own MIDDLEWARE has the core's in it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004 - Django's own name
from django.utils.module_loading import import_string

# Without it:
MISSED = {
    "offbeat.web.headers.HeadersMiddleware": "some answers have no security headers",
    "offbeat.web.body_limit.BodyLimitMiddleware": "the size of bodies has no limit, and OFFBEAT_UPLOADS has no effect",
    "offbeat.ops.health.HealthMiddleware": "/healthz and /readyz do not answer",
    "offbeat.ops.maintenance_mode.MaintenanceMiddleware": "MAINTENANCE does not close the site",
    "offbeat.ops.logins.refusal.LoginRefusalMiddleware": "after too many wrong passwords a form reports the right one as wrong",
}


@register("deployment")
def check_middleware(**_: Any) -> list[CheckMessage]:
    """Warn of each that is missing (offbeat.W004); one that is derived from it counts."""
    found = [_load(name) for name in settings.MIDDLEWARE]
    return [
        Warning(
            f'"{name}" is not in MIDDLEWARE: {missed}.',
            hint="Change the list of offbeat.settings instead of writing your own: MIDDLEWARE.insert(...) or MIDDLEWARE += [...]; "
            "src/offbeat/settings.py shows the place of each entry.",
            id="offbeat.W004",
        )
        for name, missed in MISSED.items()
        if not any(isinstance(each, type) and issubclass(each, _load(name)) for each in found)
    ]


def _load(name: str) -> Any:
    try:
        return import_string(name)
    except ImportError:
        return None  # Django says so when it starts
