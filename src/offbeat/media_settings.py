"""Where files that people upload are kept: in a bucket, on a mounted volume, on a developer's disk; else nowhere.

A platform throws the disk of a process away with the process, and no other process sees it.
"""

from __future__ import annotations

from importlib.util import find_spec
from urllib.parse import urlsplit

from offbeat.env import env
from offbeat.project import ROOT
from offbeat.security_settings import DEBUG, SECURE_CSP
from offbeat.variables import values

MEDIA_URL = "media/"
MEDIA_ROOT = env.text(
    "MEDIA_ROOT", str(ROOT / ".local" / "media") if DEBUG else "", form=("a folder, like /data/media", r"/.+")
)
BUCKET_NAME = ("the name of a bucket, without an address", r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
MEDIA_BUCKET = env.text("MEDIA_BUCKET", "", form=BUCKET_NAME)  # wins over MEDIA_ROOT
MEDIA_ENDPOINT_URL = env.url("MEDIA_ENDPOINT_URL", ["https", "http"], default="").rstrip("/")
if MEDIA_BUCKET:  # dashboards show the bucket's own address: in front of the host, or behind it
    MEDIA_ENDPOINT_URL = MEDIA_ENDPOINT_URL.removesuffix(f"/{MEDIA_BUCKET}").replace(
        f"://{MEDIA_BUCKET}.", "://", 1
    )
AWS_REGION = env.text("AWS_REGION", "", form=("a region, like eu-central-1", r"[a-z0-9-]+"))
_LINE = values.matching(values.LINE)
AWS_ACCESS_KEY_ID = env.parsed(
    "AWS_ACCESS_KEY_ID", _LINE, "", is_secret=True
)  # without keys: those of the machine's role
AWS_SECRET_ACCESS_KEY = env.parsed("AWS_SECRET_ACCESS_KEY", _LINE, "", is_secret=True)

if MEDIA_ENDPOINT_URL and not MEDIA_BUCKET:
    env.problem(
        "MEDIA_ENDPOINT_URL is set, and MEDIA_BUCKET is not.", "MEDIA_BUCKET is the name of the bucket."
    )
if MEDIA_BUCKET and bool(AWS_ACCESS_KEY_ID) != bool(AWS_SECRET_ACCESS_KEY):
    env.problem("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: one is set, and the other is not.")
if MEDIA_BUCKET and not find_spec("storages"):
    env.problem(
        "MEDIA_BUCKET is set, and django-storages is not installed.",
        'add "django-storages[s3]" to dependencies in pyproject.toml, and run ./run lock.',
    )

if MEDIA_BUCKET:
    MEDIA_STORAGE = {
        "BACKEND": "offbeat.storage.media_bucket.BucketStorage",
        "OPTIONS": {
            "bucket_name": MEDIA_BUCKET,
            "endpoint_url": MEDIA_ENDPOINT_URL or None,
            "region_name": AWS_REGION or None,
            "access_key": AWS_ACCESS_KEY_ID or None,
            "secret_key": AWS_SECRET_ACCESS_KEY or None,
            # https://host/bucket, which every server of this kind knows; Amazon asks for https://bucket.host.
            "addressing_style": "path" if MEDIA_ENDPOINT_URL else "auto",
        },
    }
    # Pages may show the pictures in it.
    _PLACE = urlsplit(MEDIA_ENDPOINT_URL)
    _AWS = f"https://{MEDIA_BUCKET}.s3.{AWS_REGION}.amazonaws.com".replace("..", ".")
    SECURE_CSP["img-src"].append(f"{_PLACE.scheme}://{_PLACE.netloc}" if MEDIA_ENDPOINT_URL else _AWS)
elif DEBUG:
    MEDIA_STORAGE = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
elif MEDIA_ROOT:
    MEDIA_STORAGE = {"BACKEND": "offbeat.storage.media.VolumeStorage"}
else:
    MEDIA_STORAGE = {"BACKEND": "offbeat.storage.media.RefusingStorage"}
