"""System checks of the API's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import current_app
from django.conf import settings
from django.core.checks import Error, register

from offbeat.api.conf import ApiConf, conf
from offbeat.conf import suggest
from offbeat.jobs import code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.core.checks import CheckMessage


@register
def check_api(**_: Any) -> Iterable[CheckMessage]:
    """Refuse names that are no setting (E001), tasks that are none (E002), and limits that let nothing through (E003)."""
    yield from ApiConf.find_errors("offbeat_api.E001")
    current_app.autodiscover_tasks(
        force=True
    )  # checks have no order: another one may come first, and import the tasks
    for name in settings.OFFBEAT_API_TASKS:
        if not code.is_durable(name):
            yield Error(
                f"OFFBEAT_API_TASKS has {name!r}, and no task that jobs can run has that name.",
                hint=suggest(str(name), code.tasks()),
                id="offbeat_api.E002",
            )
    for name, least in (("burst", 1), ("rate", 0.001), ("streams", 1)):
        if getattr(conf(), name) < least:
            yield Error(
                f"OFFBEAT_API['{name}'] should be {least} at least, got {getattr(conf(), name)}.",
                hint="To switch the API off, revoke its tokens: manage.py api_tokens revoke NAME.",
                id="offbeat_api.E003",
            )
