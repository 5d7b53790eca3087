"""Exports as files: written, and compared with what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from offbeat.deployment.exporters.export import Export


def write(export: Export, folder: Path) -> Iterator[Path]:
    """Write each file below the folder, and give its path."""
    for file in export.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        # As it is: a \r in a value is no line's end.
        path.write_text(file.text, encoding="utf-8", newline="")
        if file.text.startswith("#!"):
            path.chmod(0o755)
        yield path


def drifted(export: Export, folder: Path) -> Iterator[tuple[str, str]]:
    """Give (path, what is wrong) for each file that is not as it would be written."""
    for file in export.files:
        path = folder / file.path
        if not path.exists():
            yield file.path, "is missing"
        elif path.read_bytes() != file.text.encode():
            yield file.path, "has drifted from platform.yaml"
