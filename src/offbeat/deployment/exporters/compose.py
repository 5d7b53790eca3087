"""Compose: one machine with Docker or podman, its servers beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters import stand_in
from offbeat.deployment.exporters.compose_file import ComposeFile, env_example
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts, plain_http

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

FACTS = Facts(
    title="Compose",
    console=Console(
        where=(
            "On the machine, in `deploy/compose` (or with `podman-compose` in place of `docker compose`)."
        ),
        run="docker compose exec web {command}",
        fire=(
            "The container `cron` starts it at its time: `docker compose logs cron`. To run its command there: "
            "`docker compose exec cron python manage.py enqueue_prune_jobs`."
        ),
        state="`docker compose ps --all`",
        worker="`docker compose up --detach worker`",
        logs="`docker compose logs web`",
        variables="`docker compose config`",
        crons="`docker compose logs cron`",
    ),
    proved_by="the Compose specification's schema",
    files=("deploy/compose/compose.yaml", "deploy/compose/.env.example"),
    cron="none: a container reads platform.yaml",
    zone="file",
    overlap="one after another",
    grace_unset="10 s",
    release="a service that the others wait for",
    scales=False,
    shares_port=False,
    shows_size=True,
    hosts="ALLOWED_HOSTS",
    resources="containers of the file, each with a volume: backups are yours",
    rabbitmq="a container of the file, with a volume",
    makes_rabbitmq=True,
    servers="own",
    notes=(
        plain_http("on 127.0.0.1"),
        stand_in.note("container"),
    ),
    sources=("compose-spec.io",),
)

FOLDER = "deploy/compose"


class OwnMachine(ComposeFile):
    """A machine without a router: web gets a port of it, and all processes one image, which may come from elsewhere."""

    def document(self) -> dict[str, Any]:
        return {"name": self.platform.name} | super().document()

    def process(self, name: str, service: Service | None, command: str) -> dict[str, Any]:
        image = {"image": f"${{IMAGE:-{self.platform.name}}}"}
        return image | super().process(name, service, command)

    def service(self, service: Service) -> dict[str, Any]:
        entry = super().service(service)
        if service.port:
            entry["ports"] = [f"127.0.0.1:${{HTTP_PORT:-{service.port}}}:{service.port}"]
            entry["deploy"].pop("replicas")  # two containers cannot share one port of the machine
        return entry


def files(target: Target) -> tuple[File, ...]:
    return (
        File(f"{FOLDER}/compose.yaml", str(OwnMachine(target))),
        File(f"{FOLDER}/.env.example", env_example(target, "Copy to .env beside compose.yaml and fill in.")),
    )
