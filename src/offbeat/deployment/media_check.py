"""System checks: models that keep files need a place for them, and a path that takes them."""

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
REFUSAL = "offbeat.web.upload_refusal.UploadRefusal"


@register("deployment")
def check_media(**_: Any) -> list[CheckMessage]:
    """Warn of fields for files where nothing says where those are kept (offbeat.W002)."""
    backend: Any = settings.STORAGES.get("default", {})
    fields = sorted(homeless_fields()) if backend.get("BACKEND") == REFUSING else []
    return [
        Warning(
            f"{', '.join(fields)}: there is no place for files: saving one is an error",
            hint="Set MEDIA_BUCKET to a bucket, or MEDIA_ROOT to a mounted volume.",
            id="offbeat.W002",
        )
        for _ in fields[:1]
    ]


@register("deployment")
def check_uploads(**_: Any) -> list[CheckMessage]:
    """Warn of fields for files where no path takes any (offbeat.W003)."""
    is_refused = REFUSAL in settings.FILE_UPLOAD_HANDLERS and not settings.OFFBEAT_UPLOADS
    fields = sorted(label for label, field in file_fields() if field.editable) if is_refused else []
    return [
        Warning(
            f"{', '.join(fields)}: OFFBEAT_UPLOADS lists no path, so a form with a file gets the answer 400",
            hint='List each path that accepts files, also in the admin: OFFBEAT_UPLOADS = {"/photos/": 5 * 1024 * 1024} in '
            "src/config/settings.py (docs/offbeat/requests.md). If no form has this field, set editable=False.",
            id="offbeat.W003",
        )
        for _ in fields[:1]
    ]


def homeless_fields() -> Iterator[str]:
    """Give the fields for files that name no storage of their own."""
    return (label for label, field in file_fields() if field.storage is default_storage)


def file_fields() -> Iterator[tuple[str, FileField]]:
    for model in apps.get_models():
        for field in model._meta.local_fields:  # noqa: SLF001  Django's own name for it
            if isinstance(field, FileField):
                yield f"{model._meta.label}.{field.name}", field  # noqa: SLF001
