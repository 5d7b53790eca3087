"""A Compose file for one machine, as each platform that reads one wants it: what differs is a method of its own to change."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment import budget
from offbeat.deployment.exporters import stand_in
from offbeat.deployment.exporters.environment import asked, fixed_values
from offbeat.deployment.exporters.texts import comment, yaml_text
from offbeat.deployment.pins import pin_image
from offbeat.variables.weak_secrets import HEX_RECIPE, RECIPE

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import EnvVar, Service

USER = "app"
SCRATCH = "/tmp"  # noqa: S108 - the one place that can be written
IMAGES = {
    "postgres": "docker.io/library/postgres",
    "redis": "docker.io/library/redis",
    "rabbitmq": "docker.io/library/rabbitmq",
}
REDIS = "redis-server --appendonly yes --maxmemory-policy noeviction"
"""A broker that evicts keys loses jobs' messages; append-only, it keeps them through a restart."""


QUOTES = (
    "Write values between the quotes: there, a $ is itself. Without them Compose would look for a variable."
)


def postgres_folder(version: str) -> str:
    """Give what has to be kept; from 18 on, the image keeps each major version in a folder of its own below this one."""
    return "/var/lib/postgresql" + ("/data" if float(version) < 18 else "")


def health_command(service: Service) -> list[str]:
    """Give a command that exits 0 while the service is well; none where nothing is known."""
    if not service.health:
        return []
    if not service.port:
        return shlex.split(service.health)
    program = (
        "import http.client as h; c = h.HTTPConnection('127.0.0.1', {port}, timeout=4); "
        "c.request('GET', '{path}'); raise SystemExit(c.getresponse().status != 200)"
    )
    return ["python", "-c", program.format(port=service.port, path=service.health)]


class ComposeFile:
    """The file of a project that is built from its Dockerfile, with its servers beside it."""

    context = "../.."
    password = "${POSTGRES_PASSWORD:?}"  # noqa: S105 - a reference
    rabbitmq_password = "${RABBITMQ_PASSWORD:?}"  # noqa: S105 - a reference

    def __init__(self, target: Target) -> None:
        self.target = target
        self.platform = target.platform

    def __str__(self) -> str:
        return yaml_text(self.document(), header=self.target.header)

    def document(self) -> dict[str, Any]:
        kinds = self.platform.resources.kinds
        services = self.once() | self.services() | self.cron() | {kind: self.server(kind) for kind in kinds}
        volumes: dict[str, dict[str, str]] = {kind: {} for kind in kinds}
        return {"services": services} | ({"volumes": volumes} if volumes else {})

    def once(self) -> dict[str, Any]:
        """Give the release, which the services wait for."""
        if not self.platform.release:
            return {}
        entry = self.process("release", None, self.platform.release)
        return {"release": entry | {"restart": "no", "depends_on": self._servers()}}

    def services(self) -> dict[str, Any]:
        return {each.name: self.service(each) for each in self.platform.services}

    def cron(self) -> dict[str, Any]:
        if not self.target.wake_ups:
            return {}
        entry = self.process("cron", None, stand_in.COMMAND)
        return {"cron": entry | {"depends_on": self._released(), "stop_grace_period": "30s"}}

    def service(self, service: Service) -> dict[str, Any]:
        entry = self.process(service.name, service, service.command)
        if health := health_command(service):
            entry["healthcheck"] = {
                "test": ["CMD", *(literal(word) for word in health)],
                "interval": "10s",
                "timeout": "5s",
                "start_period": "30s",
            }
        entry["stop_grace_period"] = f"{self.target.grace(service)}s"
        limits = {"cpus": f"{service.cpu:g}", "memory": f"{service.memory}M"}
        entry["deploy"] = {"replicas": max(service.instances.min, 1), "resources": {"limits": limits}}
        entry["depends_on"] = self._released()
        return entry

    def process(self, name: str, service: Service | None, command: str) -> dict[str, Any]:
        return {
            "build": self.context,
            "command": literal(command),
            "environment": self.environment(service),
            "restart": "unless-stopped",
            "healthcheck": {"disable": True},  # the image's own is for web
            "read_only": True,
            "tmpfs": [f"{SCRATCH}:size={budget.SCRATCH}m"],
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
        }

    def environment(self, service: Service | None) -> dict[str, str]:
        values = {resource.injects: self.address(kind) for kind, resource in self.platform.resources.items()}
        values |= {name: literal(value) for name, value in fixed_values(self.target, service).items()}
        variables = self.platform.env_of(service.name if service else "")
        return values | {each.name: self.reference(each) for each in variables if each.default is None}

    def reference(self, variable: EnvVar) -> str:
        """Write a variable that is set elsewhere."""
        return f"${{{variable.name}{':?' if variable.required or variable.generated else ':-'}}}"

    def address(self, kind: str) -> str:
        if kind == "redis":
            return "redis://redis:6379/0"
        if kind == "rabbitmq":
            return f"amqp://{USER}:{self.rabbitmq_password}@rabbitmq:5672/"
        return f"postgres://{USER}:{self.password}@postgres:5432/{USER}"

    def server(self, kind: str) -> dict[str, Any]:
        version = getattr(self.platform.resources, kind).version
        entry: dict[str, Any] = {
            "image": pin_image(f"{IMAGES[kind]}:{version}"),
            "restart": "unless-stopped",
        }
        if kind == "postgres":
            entry["environment"] = {
                "POSTGRES_USER": USER,
                "POSTGRES_DB": USER,
                "POSTGRES_PASSWORD": self.password,
            }
            entry["volumes"] = [f"postgres:{postgres_folder(version)}"]
            test = ["CMD", "pg_isready", "--host", "127.0.0.1", "--username", USER, "--dbname", USER]
        elif kind == "rabbitmq":
            entry |= {
                "hostname": kind,
                "volumes": [f"{kind}:/var/lib/rabbitmq"],
            }  # its data are by the name of the host
            entry["environment"] = {
                "RABBITMQ_DEFAULT_USER": USER,
                "RABBITMQ_DEFAULT_PASS": self.rabbitmq_password,
            }
            test = ["CMD", "rabbitmq-diagnostics", "--quiet", "check_port_connectivity"]
        else:
            entry["command"] = REDIS
            entry["volumes"] = ["redis:/data"]
            test = ["CMD", "redis-cli", "ping"]
        often = (
            {"interval": "15s", "timeout": "10s"}
            if kind == "rabbitmq"
            else {"interval": "5s", "timeout": "3s"}
        )
        entry["healthcheck"] = {"test": test, **often, "start_period": "30s"}
        return entry

    def _servers(self) -> dict[str, Any]:
        return {kind: {"condition": "service_healthy"} for kind in self.platform.resources.kinds}

    def _released(self) -> dict[str, Any]:
        """Give what a service waits for: all of it by name, for podman starts nothing on a dependency's dependency."""
        released = {"release": {"condition": "service_completed_successfully"}}
        return (released if self.platform.release else {}) | self._servers()


def env_example(target: Target, where: str) -> str:
    """Give the variables that a person sets, to be filled in."""
    lines = [comment(f"{target.header}\n{where}\n{QUOTES}").rstrip(), ""]
    for kind in target.platform.resources.kinds:
        if kind != "redis":
            lines += [
                f"# Of letters and digits only: it becomes part of an address. {HEX_RECIPE}",
                f"{kind.upper()}_PASSWORD=",
            ]
    for each in asked(target.platform):
        needed = "required" if each.required else RECIPE if each.generated else "optional"
        lines += [
            comment(f"{each.help or each.name} ({needed})").rstrip(),
            f"{each.name}=''" if needed != "optional" else f"#{each.name}=''",
        ]
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """Write text in which Compose puts no variables."""
    return text.replace("$", "$$")
