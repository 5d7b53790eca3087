"""Storages of uploaded files that refuse what would be lost: docs/offbeat/uploads.md says where files may go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, Storage

if TYPE_CHECKING:
    from django.core.files import File

HINT = "Hint: set MEDIA_BUCKET to a bucket, or MEDIA_ROOT to a mounted volume (docs/offbeat/uploads.md)."


class NoStorageError(ImproperlyConfigured):
    """There is no place for files that would outlast this process. Show the message to whoever deploys."""


class RefusingStorage(Storage):
    """The storage where no other is configured in production: it saves nothing, and says so."""

    def exists(self, name: str) -> bool:
        return False

    def _save(self, name: str, content: File[Any]) -> NoReturn:
        self._refuse(name)

    def _open(self, name: str, mode: str = "rb") -> NoReturn:
        self._refuse(name)

    def delete(self, name: str) -> NoReturn:
        self._refuse(name)

    def url(self, name: str | None) -> NoReturn:
        self._refuse(name or "a file")

    def size(self, name: str) -> NoReturn:
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise NoStorageError(
            f"{name}: there is no place for files: the disk of this process is temporary. {HINT}"
        )


class VolumeStorage(FileSystemStorage):
    """Files in MEDIA_ROOT, which has to be there: made where its volume is not mounted, it would be a disk that goes."""

    def _save(self, name: str, content: File[Any]) -> str:
        if not Path(self.location).is_dir():
            raise NoStorageError(
                f"{name}: MEDIA_ROOT={self.location} is not a folder. Hint: mount its volume here."
            )
        return str(super()._save(name, content))  # type: ignore[misc]
