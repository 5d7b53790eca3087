"""Compose: one machine with Docker or podman, its servers beside it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment import budget
from offbeat.deployment.exporters import stand_in
from offbeat.deployment.exporters.environment import asked, fixed_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts, plain_http
from offbeat.deployment.exporters.texts import comment, yaml_text
from offbeat.deployment.pins import pin_image

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

FACTS = Facts(
    title="Compose",
    files=("deploy/compose/compose.yaml", "deploy/compose/.env.example"),
    cron="none of its own: a container reads platform.yaml",
    zone="file",
    overlap="one after another",
    grace_unset="10 s",
    release="a service that the others wait for",
    scales=False,
    shares_port=False,
    shows_size=True,
    hosts="ALLOWED_HOSTS",
    resources="containers of the file, each with a volume: backups are yours",
    servers="own",
    notes=(
        plain_http("on 127.0.0.1"),
        stand_in.note("container"),
    ),
    sources=("compose-spec.io",),
)

FOLDER = "deploy/compose"
USER = "app"
SCRATCH = "/tmp"  # noqa: S108 - the one place that can be written
IMAGES = {"postgres": "docker.io/library/postgres", "redis": "docker.io/library/redis"}
ADDRESSES = {
    "postgres": "postgres://app:${POSTGRES_PASSWORD:?}@postgres:5432/app",
    "redis": "redis://redis:6379/0",
}


def files(target: Target) -> tuple[File, ...]:
    return (
        File(f"{FOLDER}/compose.yaml", yaml_text(_document(target), header=target.header)),
        File(f"{FOLDER}/.env.example", _env_example(target)),
    )


def _document(target: Target) -> dict[str, Any]:
    platform = target.platform
    services: dict[str, Any] = {}
    if platform.release:
        services["release"] = _process(target, None, f"{platform.release}") | {
            "restart": "no",
            "depends_on": _servers(target),
        }
    services |= {each.name: _service(target, each) for each in platform.services}
    if target.wake_ups:
        services["cron"] = _process(target, None, stand_in.COMMAND) | {
            "depends_on": _released(target),
            "stop_grace_period": "30s",
        }
    services |= {kind: _server(target, kind) for kind in platform.resources.kinds}
    volumes: dict[str, dict[str, str]] = {kind: {} for kind in platform.resources.kinds}
    return {"name": platform.name, "services": services} | ({"volumes": volumes} if volumes else {})


def _service(target: Target, service: Service) -> dict[str, Any]:
    entry = _process(target, service, service.command)
    if service.port:
        entry["ports"] = [f"127.0.0.1:${{HTTP_PORT:-{service.port}}}:{service.port}"]
    if health := _health(service):
        entry["healthcheck"] = {
            "test": ["CMD", *health],
            "interval": "10s",
            "timeout": "5s",
            "start_period": "30s",
        }
    entry["stop_grace_period"] = f"{target.grace(service)}s"
    limits = {"cpus": f"{service.cpu:g}", "memory": f"{service.memory}M"}
    entry["deploy"] = {"replicas": max(service.instances.min, 1), "resources": {"limits": limits}}
    if service.port:
        entry["deploy"].pop("replicas")  # two containers cannot share one port of the machine
    entry["depends_on"] = _released(target)
    return entry


def _health(service: Service) -> list[str]:
    if not service.health:
        return []
    if not service.port:
        return shlex.split(service.health)
    program = (
        "import http.client as h; c = h.HTTPConnection('127.0.0.1', {port}, timeout=4); "
        "c.request('GET', '{path}'); raise SystemExit(c.getresponse().status != 200)"
    )
    return ["python", "-c", program.format(port=service.port, path=service.health)]


def _process(target: Target, service: Service | None, command: str) -> dict[str, Any]:
    return {
        "image": f"${{IMAGE:-{target.platform.name}}}",
        "build": "../..",
        "command": command,
        "environment": _environment(target, service),
        "restart": "unless-stopped",
        "healthcheck": {"disable": True},  # the image's own is for web
        "read_only": True,
        "tmpfs": [f"{SCRATCH}:size={budget.SCRATCH}m"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }


def _environment(target: Target, service: Service | None) -> dict[str, str]:
    platform = target.platform
    values = {resource.injects: ADDRESSES[kind] for kind, resource in platform.resources.items()}
    values |= {name: value.replace("$", "$$") for name, value in fixed_values(target, service).items()}
    process = service.name if service else ""
    for each in platform.env_of(process):
        if each.default is None:
            values[each.name] = f"${{{each.name}{':?' if each.required or each.generated else ':-'}}}"
    return values


def _server(target: Target, kind: str) -> dict[str, Any]:
    resource = getattr(target.platform.resources, kind)
    entry: dict[str, Any] = {
        "image": pin_image(f"{IMAGES[kind]}:{resource.version}"),
        "restart": "unless-stopped",
    }
    if kind == "postgres":
        entry["environment"] = {
            "POSTGRES_USER": USER,
            "POSTGRES_DB": USER,
            "POSTGRES_PASSWORD": "${POSTGRES_PASSWORD:?}",
        }
        # From 18 on, the image keeps each major version in a folder of its own below this one.
        folder = "/var/lib/postgresql" + ("/data" if float(resource.version) < 18 else "")
        entry["volumes"] = [f"postgres:{folder}"]
        test = ["CMD", "pg_isready", "--host", "127.0.0.1", "--username", USER, "--dbname", USER]
    else:
        # A broker that evicts keys loses jobs' messages; append-only, it keeps them through a restart.
        entry["command"] = "redis-server --appendonly yes --maxmemory-policy noeviction"
        entry["volumes"] = ["redis:/data"]
        test = ["CMD", "redis-cli", "ping"]
    entry["healthcheck"] = {"test": test, "interval": "5s", "timeout": "3s", "start_period": "30s"}
    return entry


def _servers(target: Target) -> dict[str, Any]:
    return {kind: {"condition": "service_healthy"} for kind in target.platform.resources.kinds}


def _released(target: Target) -> dict[str, Any]:
    """Give what a service waits for: all of it by name, for podman starts nothing on a dependency's dependency."""
    released = {"release": {"condition": "service_completed_successfully"}} if target.platform.release else {}
    return released | _servers(target)


def _env_example(target: Target) -> str:
    lines = [comment(target.header + "\nCopy to .env beside compose.yaml and fill in.").rstrip(), ""]
    if target.platform.resources.postgres:
        lines += [
            "# Of letters and digits only: it becomes part of an address. openssl rand -hex 24",
            "POSTGRES_PASSWORD=",
        ]
    for each in asked(target.platform):
        needed = "required" if each.required else "openssl rand -base64 48" if each.generated else "optional"
        lines += [
            f"# {each.help or each.name} ({needed})",
            f"{each.name}=" if needed != "optional" else f"#{each.name}=",
        ]
    return "\n".join(lines) + "\n"
