"""Writes docs/offbeat/openapi.json: `PYTHONPATH=src python -m tests.offbeat.api.document`."""

import os
from pathlib import Path

import django

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/offbeat/openapi.json"


def main():
    os.environ |= {"DEBUG": "true", "DJANGO_SETTINGS_MODULE": "tests.offbeat.settings"}
    os.environ |= {"DATABASE_URL": "postgres://x@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
    django.setup()
    from offbeat.api import openapi  # noqa: PLC0415  it needs Django

    DOCUMENT.write_text(openapi.as_text())


if __name__ == "__main__":
    main()
