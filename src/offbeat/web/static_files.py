"""Static files, served by the web service itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.staticfiles.storage import ManifestFilesMixin
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise without the manifest, which lists everything that there is and is for Django alone."""

    def add_file_to_dictionary(self, url: str, path: str, **kwargs: Any) -> None:
        if Path(path).name != ManifestFilesMixin.manifest_name:
            super().add_file_to_dictionary(url, path, **kwargs)
