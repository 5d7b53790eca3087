"""compose.yaml says what platform.yaml says, and opens nothing to the network."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import yaml

from offbeat.deployment import spec
from tests.offbeat.project.template.containers.dockerfile import ROOT
from tests.offbeat.project.template.containers.serving import serving

COMPOSE = ROOT / "compose.yaml"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
PLATFORM = spec.read()
RELOADER = ["python", "-m", "offbeat.dev.reloader"]


def test_schema() -> None:
    """The file is valid by the schema of the Compose Specification."""
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(COMPOSE),
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("service", PLATFORM.services, ids=lambda service: service.name)
def test_grace(service: spec.Service) -> None:
    """Every service of platform.yaml is here, with the same seconds from SIGTERM to SIGKILL."""
    assert SERVICES[service.name]["stop_grace_period"] == f"{service.grace}s"


@pytest.mark.parametrize("service", PLATFORM.services, ids=lambda service: service.name)
def test_command(service: spec.Service) -> None:
    """Every service runs the command of platform.yaml, by itself or under the reloader."""
    words = shlex.split(SERVICES[service.name]["command"])

    run = words[len(RELOADER) :] if words[: len(RELOADER)] == RELOADER else words

    assert run == shlex.split(service.command)


def test_reloader_waits_as_long() -> None:
    """The reloader gives the worker the grace of platform.yaml too."""
    worker = next(service for service in PLATFORM.services if service.name == "worker")

    assert SERVICES["worker"]["environment"]["WORKER_GRACE"] == str(worker.grace)


def test_release() -> None:
    """The release step runs the release command of platform.yaml, and all that need a schema wait for it."""
    waiting = {
        name
        for name, service in SERVICES.items()
        if "service_completed_successfully" in str(service.get("depends_on", {}).get("release"))
    }

    assert PLATFORM.release is not None
    assert SERVICES["release"]["command"].startswith(PLATFORM.release)
    assert waiting == {"web", "worker", "cron"}


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_version(name: str) -> None:
    """PostgreSQL and Redis are those that the platform is asked for."""
    image = SERVICES[name]["image"]

    tagged, _, _ = image.partition("@")
    assert tagged == f"docker.io/library/{name}:{getattr(PLATFORM.resources, name).version}"


def test_ports() -> None:
    """Nothing can be reached from other machines."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert all(re.match(r"127\.0\.0\.1:", port) for port in ports)


def test_redis_keeps_its_messages() -> None:
    """Redis evicts nothing and appends to a file."""
    words = shlex.split(SERVICES["redis"]["command"])

    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"
    assert words[words.index("--appendonly") + 1] == "yes"


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "release"])
def test_health(name: str) -> None:
    """Everything that stays up has a health check of its own."""
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize(("answer", "code"), [(200, 0), (503, 1)])
@pytest.mark.parametrize(("name", "inside"), [("web", "8000"), ("flower", "5555")])
def test_health_heeds_the_status(name: str, inside: str, answer: int, code: int) -> None:
    """A health check of a web server passes on 200 alone, whatever proxy Docker hands to containers."""
    *_, check = SERVICES[name]["healthcheck"]["test"]
    proxy = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}

    with serving(answer) as port:
        command = [sys.executable, "-c", check.replace(inside, str(port))]
        done = subprocess.run(command, env=os.environ | proxy, timeout=30, check=False)

    assert done.returncode == code
