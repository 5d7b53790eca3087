"""Files in a bucket: of Amazon's S3, or of what speaks its protocol (R2, MinIO, Spaces). Imported where MEDIA_BUCKET is set."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from storages.backends.s3 import S3Storage

LIMITS = Config(
    connect_timeout=5,  # seconds; a request of ours waits for it
    read_timeout=20,  # seconds; below the time limit of every task
    retries={"max_attempts": 2, "mode": "standard"},
    # Only Amazon's own servers know the checksums that its library sends since 2025.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class BucketStorage(S3Storage):
    """Private files: an address is signed, and good for an hour. A file that is there is not overwritten."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_config: Config = self.client_config.merge(LIMITS)

    def get_default_settings(self) -> dict[str, Any]:
        own = {
            "default_acl": None,
            "file_overwrite": False,
            "signature_version": "s3v4",
            "querystring_expire": 3600,
        }
        return {**super().get_default_settings(), **own}
