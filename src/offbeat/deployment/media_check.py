"""A system check: models that keep files need a place for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004 - Django's own name
from django.core.files.storage import default_storage
from django.db.models import FileField

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSING = "offbeat.storage.media.RefusingStorage"


@register("deployment")
def check_media(**_: Any) -> list[CheckMessage]:
    """Warn of fields for files where nothing says where those are kept (offbeat.W002)."""
    backend: Any = settings.STORAGES["default"]
    fields = sorted(homeless_fields()) if backend["BACKEND"] == REFUSING else []
    return [
        Warning(
            f"{', '.join(fields)}: files have no place, and saving one is an error",
            hint="Set MEDIA_BUCKET to a bucket, or MEDIA_ROOT to a mounted volume.",
            id="offbeat.W002",
        )
        for _ in fields[:1]
    ]


def homeless_fields() -> Iterator[str]:
    """Give the fields for files that name no storage of their own."""
    for model in apps.get_models():
        for field in model._meta.local_fields:  # noqa: SLF001  Django's own name for it
            if isinstance(field, FileField) and field.storage is default_storage:
                yield f"{model._meta.label}.{field.name}"  # noqa: SLF001
