"""Dokploy: a Compose file that its Traefik sends requests to, on servers of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.deployment.exporters import stand_in
from offbeat.deployment.exporters.compose_file import ComposeFile, env_example
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target

FOLDER = "deploy/dokploy"
FACTS = Facts(
    title="Dokploy",
    console=Console(
        where=(
            "On the server, in a shell. The first line finds the container of web. (In Dokploy: the service, "
            "**Open Terminal**, the container of web, shell `sh`; the button's name is not verified.)"
        ),
        run='docker exec --interactive --tty "$web" {command}',
        opens=("web=$(docker ps --quiet --filter label=com.docker.compose.service=web | head -n 1)",),
        fire=(
            "The container `cron` starts it at its time, and writes a line into its log. To run its command there: "
            "the same with `label=com.docker.compose.service=cron`, and `python manage.py enqueue_prune_jobs`."
        ),
        state="the service's page, or `docker ps` on the server",
        worker="**Deploy** or **Reload** on the service's page",
        logs="tab Logs, the container of web",
        variables="tab Environment",
        crons="tab Logs, the container of `cron`, which reads `platform.yaml`",
    ),
    files=(f"{FOLDER}/compose.yaml", f"{FOLDER}/.env.example"),
    cron="a container reads platform.yaml; Dokploy's Schedules run a command in a container that runs already",
    zone="file",
    overlap="one after another",
    grace_unset="10 s",
    release="a service that the others wait for",
    scales=False,
    shows_size=True,
    hosts="ALLOWED_HOSTS, the same as the domain that you set there",
    resources="containers of the file, each with a volume: backups of volumes are set there",
    rabbitmq="a container of the file, with a volume",
    makes_rabbitmq=True,
    servers="own",
    proved_by="the Compose specification's schema; npm's yaml, by which Dokploy reads it",
    notes=(
        "the type must be Docker Compose: of a Stack (Swarm), nothing waits for the release",
        "a domain joins its service to `dokploy-network` and gives it labels of Traefik: the file has neither",
        stand_in.note("container"),
    ),
    sources=(
        "github.com/Dokploy/dokploy, packages/server/src/utils: builders/compose.ts, docker/domain.ts, schedules/utils.ts",
        "docs.dokploy.com/docs/core/docker-compose",
    ),
)


def files(target: Target) -> tuple[File, ...]:
    return (
        File(f"{FOLDER}/compose.yaml", str(ComposeFile(target))),
        File(
            f"{FOLDER}/.env.example", env_example(target, "Copy to Environment of the service, and fill in.")
        ),
    )
