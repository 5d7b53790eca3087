"""platform.yaml's JSON Schema, for editors: made of the same declarations that read the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from offbeat.deployment.records import Record
from offbeat.deployment.spec import Platform

SCHEMA_FILE = Path(__file__).with_name("platform.schema.json")


def platform_schema() -> dict[str, Any]:
    """Describe platform.yaml as JSON Schema (draft 7: editors' YAML support reads it in full)."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "platform.yaml",
        **Record(Platform).schema(),
    }


def schema_text() -> str:
    """Give the text of the committed schema file."""
    return json.dumps(platform_schema(), indent=2, ensure_ascii=False) + "\n"
