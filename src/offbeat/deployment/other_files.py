"""What files beside platform.yaml say: the commands of the Procfile and of compose, and what the Dockerfile knows."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment import strict_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def commands(root: Path) -> Iterator[tuple[str, str]]:
    """Give every command that they name, and where: ``Procfile: worker``, ``compose.yaml: services/worker/command``."""
    yield from _procfile(root / "Procfile")
    for name in FILES:
        yield from _compose(root / name)


def _procfile(path: Path) -> Iterator[tuple[str, str]]:
    if path.exists():
        for process, command in re.findall(r"^(\w+):\s*(.+)$", path.read_text(), re.MULTILINE):
            yield f"{path.name}: {process}", command


def project_names(root: Path) -> Iterator[tuple[str, str]]:
    """Give what compose files call the project, and which file that is."""
    for name in FILES:
        if isinstance(given := _document(root / name).get("name"), str):
            yield name, given


def ignores_process(root: Path) -> str:
    """Say why the image does not choose its process by PROCESS; "" where it does, and without a Dockerfile, as in an image."""
    file = root / "Dockerfile"
    if not file.is_file():
        return ""
    text = re.sub(r"^\s*#.*$", "", file.read_text(errors="replace"), flags=re.MULTILINE).replace("\\\n", "")
    if "offbeat/deployment/process.py" not in text:
        return "does not make process.sh"
    # Of each the last counts.
    starts = {
        word.upper(): line
        for word, line in re.findall(r"^\s*(CMD|ENTRYPOINT)\b(.*)$", text, re.MULTILINE | re.IGNORECASE)
    }
    is_started = any("process.sh" in line for line in starts.values())
    return "" if is_started else "does not start process.sh by its CMD"


def process_users(root: Path) -> Iterator[str]:
    """Give the files of committed exports that count on PROCESS."""
    from offbeat.deployment.exporters import MODULES  # noqa: PLC0415  whom no wake-up loads

    for path in sorted({path for module in MODULES for path in module.FACTS.files}):
        file = root / path
        if file.is_file() and re.search(r"\bPROCESS\b", file.read_text(errors="replace")):
            yield path


def _document(path: Path) -> dict[str, Any]:
    """Read a compose file; where there is none, or one that compose itself will complain about, it is empty."""
    try:
        document = strict_yaml.load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _compose(path: Path) -> Iterator[tuple[str, str]]:
    services = _document(path).get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        command = service.get("command", "") if isinstance(service, dict) else ""
        line = shlex.join(map(str, command)) if isinstance(command, list) else str(command)
        yield f"{path.name}: services/{name}/command", line
