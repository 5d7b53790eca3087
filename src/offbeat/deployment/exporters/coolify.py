"""Coolify: a Compose file in which it makes secrets and the address of web, on servers of one's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters import stand_in
from offbeat.deployment.exporters.compose_file import ComposeFile, literal
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import ADDRESS, HOSTS, fixed_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.instances import name_instances

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import EnvVar, Service

FOLDER = "deploy/coolify"
FACTS = Facts(
    title="Coolify",
    console=Console(
        where=(
            "In Coolify: the application, tab **Terminal**, the container whose name begins with `web-`, "
            "**Connect**. Or on the server: `docker exec --interactive --tty CONTAINER sh`, with the container "
            "that `docker ps --filter name=web-` shows."
        ),
        fire=(
            "The container `cron` starts it at its time, and writes a line into its log. To run its command there, "
            "connect to the container `cron-...` in the same way, and type `python manage.py enqueue_prune_jobs`."
        ),
        state="the application's page, or `docker ps` on the server",
        worker="**Restart** or **Redeploy** on the application's page",
        logs="tab Logs, the container of web",
        variables="tab Environment Variables",
        crons="tab Logs, the container `cron-...`, which reads `platform.yaml`",
    ),
    files=(f"{FOLDER}/compose.yaml",),
    cron="a container reads platform.yaml; Coolify's Scheduled Tasks run a command in a container that runs already",
    zone="file",
    overlap="one after another",
    grace_unset="30 s, for all containers",
    release="a service that the others wait for; the old ones have been stopped by then",
    scales=False,
    shares_port=False,
    shows_size=True,
    hosts="by itself: the domain of web that you set there",
    resources="containers of the file, each with a volume: backups are yours",
    rabbitmq="a container of the file, with a volume",
    makes_rabbitmq=True,
    servers="own",
    proved_by="the Compose specification's schema, but for `exclude_from_hc`",
    notes=(
        "the build pack must be Docker Compose: Coolify reads the file from the repository, and makes the secrets in it",
        "it names every container, so a second instance of a service is another service: `worker-2`",
        "a deploy removes the old containers before it starts the release: the site is down meanwhile, and stays down if it fails",
        "a deploy grants Coolify's own stop grace period (30 s), not `stop_grace_period`: set it to the longest `grace`",
        "builds get every variable as an argument, and secrets stay in the image's history, unless Advanced says otherwise",
        (
            "a value that begins with `$`, or has `{{`, is set by `env` before the command (`entrypoint`): "
            "under `environment` it would be read as a reference"
        ),
        stand_in.note("container"),
    ),
    sources=(
        "github.com/coollabsio/coolify, 4.3.11: bootstrap/helpers/parsers.php, bootstrap/helpers/shared.php",
        "and there app/Jobs/ApplicationDeploymentJob.php, app/Jobs/ScheduledTaskJob.php",
        "coolify.io/docs/knowledge-base/docker/compose",
    ),
)
READ = re.compile(r"^\$|\{\{|\$\{?SERVICE_|^[-+]?0o[0-7]+$")


class CoolifyFile(ComposeFile):
    """What Coolify's parser reads: paths from the root, no ports, its own variables for what it makes."""

    context = "."
    password = "${SERVICE_PASSWORD_POSTGRES}"  # noqa: S105 - a reference
    rabbitmq_password = "${SERVICE_PASSWORD_RABBITMQ}"  # noqa: S105 - a reference

    def document(self) -> dict[str, Any]:
        """Give web first: another service's reference to its address would settle it without the port."""
        document = super().document()
        document["services"] = dict(sorted(document["services"].items(), key=lambda pair: pair[0] != "web"))
        return document

    def services(self) -> dict[str, Any]:
        return {name: self.service(each) for each in self.platform.services for name in name_instances(each)}

    def once(self) -> dict[str, Any]:
        return {name: entry | {"exclude_from_hc": True} for name, entry in super().once().items()}

    def cron(self) -> dict[str, Any]:
        return {name: entry | {"exclude_from_hc": True} for name, entry in super().cron().items()}

    def service(self, service: Service) -> dict[str, Any]:
        entry = super().service(service)
        del entry["deploy"]["replicas"]
        if service.port:
            route = {f"SERVICE_FQDN_{service.name.upper()}_{service.port}": ""}
            entry["environment"] = route | entry["environment"]
        return entry

    def process(self, name: str, service: Service | None, command: str) -> dict[str, Any]:
        entry = super().process(name, service, command)
        if apart := values_apart(self.target, service):
            entry["environment"] = {
                key: entry["environment"][key] for key in entry["environment"] if key not in apart
            }
            # A file of values would not be read: for every service Coolify names its own in the place of it.
            entry["entrypoint"] = ["env", *(literal(f"{key}={value}") for key, value in apart.items())]
        return entry

    def reference(self, variable: EnvVar) -> str:
        """Write a variable: with `:?` or `:-`, the parser would put its value into the file, and Compose read `$` in that."""
        if variable.generated:
            # The name behind 64_ may have no underscore: the parser counts them.
            return f"${{SERVICE_BASE64_64_{variable.name.replace('_', '')}}}"
        made = {HOSTS: "${SERVICE_FQDN_WEB}", ADDRESS: "${SERVICE_URL_WEB}"} if self.is_reached else {}
        return made.get(variable.name, f"${{{variable.name}}}")

    @property
    def is_reached(self) -> bool:
        return any(each.port for each in self.platform.services)


def files(target: Target) -> tuple[File, ...]:
    return (File(f"{FOLDER}/compose.yaml", str(CoolifyFile(target))),)


def values_apart(target: Target, service: Service | None) -> dict[str, str]:
    """Give the values that the parser would take for references, or write as a number when it writes the file again."""
    return {name: value for name, value in fixed_values(target, service).items() if READ.search(value)}
