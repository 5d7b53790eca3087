"""The files that are made of the spec and committed: editors, platforms and readers need them as files."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.deployment.pages import page_texts
from offbeat.deployment.reference import REFERENCE_FILE, reference_text
from offbeat.deployment.schema import SCHEMA_FILE, schema_text
from offbeat.deployment.spec import PLATFORM_FILE, PlatformError, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.spec import Platform

ROOT = PLATFORM_FILE.parent


def procfile_text(platform: Platform) -> str:
    """Give the Procfile that says what the platform's services say."""
    lines = [("release", platform.release)] if platform.release else []
    lines += [(service.name, service.command) for service in platform.services]
    return "".join(f"{process}: {command}\n" for process, command in lines)


def wanted_files() -> dict[Path, str]:
    """Give the text of every such file. Those that a fork or an image has left out are not missed."""
    files = {SCHEMA_FILE: schema_text(), REFERENCE_FILE: reference_text(), **dict(page_texts())}
    with suppress(PlatformError):  # check_platform says why
        files[ROOT / "Procfile"] = procfile_text(read())
    return {path: text for path, text in files.items() if path.exists()}


def stale_files() -> Iterator[Path]:
    """Give the files that are not as they should be, relative to the root."""
    for path, text in wanted_files().items():
        if path.read_text(encoding="utf-8") != text:
            yield Path(os.path.relpath(path, ROOT))


def write_files() -> Iterator[Path]:
    """Write the files that are not as they should be, and give them."""
    for path, text in wanted_files().items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            yield Path(os.path.relpath(path, ROOT))
