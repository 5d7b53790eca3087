"""The environment variables of a developer's machine, and those of the tests."""

from __future__ import annotations

import secrets
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.dev.ports import LOOPBACK, free_port
from offbeat.dev.servers import CHECKOUT, FOLDER
from offbeat.variables.values import cleaned

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a test may know of the machine that it runs on; names and beginnings of names.
MACHINE = ("CI", "COLUMNS", "HOME", "LANG", "LC_", "LOGNAME", "PATH", "TERM", "TMPDIR", "USER", "XDG_")
TOOLS = ("HYPOTHESIS_", "PIP_", "PLAYWRIGHT_", "PYTEST_", "SSL_CERT_", "UV_")
INHERITED = MACHINE + TOOLS
# A fork, of gunicorn or Celery, is ended by a signal on macOS where Apple's frameworks, or Kerberos in PostgreSQL's library,
# were in use before it. Both are read when a process starts.
MACOS = {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES", "PGGSSENCMODE": "disable"}


def development(environ: Mapping[str, str]) -> dict[str, str]:
    """Give what is already set, and development's values for what is not."""
    port = cleaned(environ.get("PORT", "")) or "8000"
    defaults = {
        "DEBUG": "true",
        "BASE_URL": f"http://localhost:{port}",
        "OFFBEAT_JOBS_HEARTBEAT_FILE": str(FOLDER / "worker-heartbeat"),  # another checkout has its own
        "MAIL_SINK_DIR": str(FOLDER / "mail"),
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": "4",
        "WORKER_CONCURRENCY": "2",
        "WORKER_GRACE": "10",  # Ctrl-C is answered in seconds
        "PYTHONUNBUFFERED": "1",  # logs as they are written
    }
    return (
        defaults
        | machine_variables()
        | project_variables()
        | {name: value for name, value in environ.items() if value}
        | {"PORT": port}
        | programs(environ)
    )


def private(environ: Mapping[str, str]) -> dict[str, str]:
    """Give production's settings, for tests: nothing that a developer has set reaches them."""
    inherited = {name: value for name, value in environ.items() if name.startswith(INHERITED)}
    settings = {
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": f"testserver,localhost,{LOOPBACK}",
        "BASE_URL": "http://testserver",
        "MEDIA_ROOT": tempfile.gettempdir(),  # a project whose models keep files is tested, and checked, with a place for them
        "EMAIL_HOST": LOOPBACK,
        "EMAIL_PORT": str(free_port()),  # nobody listens there: a test that sends mail starts a sink
        "EMAIL_USE_TLS": "false",
        "SECURE_SSL_REDIRECT": "false",
        "WORKER_CONCURRENCY": "2",
    }
    return machine_variables() | inherited | settings | project_variables() | programs(environ)


def machine_variables() -> dict[str, str]:
    """Give what this kind of machine needs."""
    return MACOS if sys.platform == "darwin" else {}


def project_variables(folder: Path = CHECKOUT) -> dict[str, str]:
    """Give what the project's own variables are where no platform sets them: [tool.offbeat.variables] of pyproject.toml."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    found = project.get("tool", {}).get("offbeat", {}).get("variables", {})
    return {name: str(value) for name, value in found.items()}


def programs(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the variables with which commands of platform.yaml (`python`, `celery`) are those of our environment."""
    folder = str(Path(sys.executable).parent)
    path = environ.get("PATH", "")
    return {
        "PATH": path if path.startswith(folder) else f"{folder}:{path}",
        "PYTHONPATH": str(CHECKOUT / "src"),
    }
