"""DigitalOcean App Platform: an app spec, .do/app.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import ADDRESS, HOSTS, asked, particular_values, to_fill_in
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.texts import yaml_text
from offbeat.deployment.exporters.versions import Offer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import EnvVar, Service

# Of one service, by the published OpenAPI.
MOST = 250
# Autoscaling needs a CPU of one's own.
PLANS = (
    Plan("apps-s-1vcpu-0.5gb", 1, 512, most_instances=1, scales=False),
    Plan("apps-s-1vcpu-1gb-fixed", 1, 1024, most_instances=1, scales=False),
    Plan("apps-s-1vcpu-1gb", 1, 1024, most_instances=MOST, scales=False),
    Plan("apps-s-1vcpu-2gb", 1, 2048, most_instances=MOST, scales=False),
    Plan("apps-d-1vcpu-0.5gb", 1, 512, most_instances=MOST),
    Plan("apps-d-1vcpu-1gb", 1, 1024, most_instances=MOST),
    Plan("apps-d-1vcpu-2gb", 1, 2048, most_instances=MOST),
    Plan("apps-d-1vcpu-4gb", 1, 4096, most_instances=MOST),
    Plan("apps-s-2vcpu-4gb", 2, 4096, most_instances=MOST, scales=False),
    Plan("apps-d-2vcpu-4gb", 2, 4096, most_instances=MOST),
    Plan("apps-d-2vcpu-8gb", 2, 8192, most_instances=MOST),
    Plan("apps-d-4vcpu-8gb", 4, 8192, most_instances=MOST),
    Plan("apps-d-4vcpu-16gb", 4, 16384, most_instances=MOST),
    Plan("apps-d-8vcpu-32gb", 8, 32768, most_instances=MOST),
)

FACTS = Facts(
    title="DigitalOcean App Platform",
    console=Console(
        where=(
            "In a terminal on your own machine, with `doctl`. `doctl apps list` shows the app's id. This opens a "
            "shell in a container of web:"
        ),
        opens=("doctl apps console APP_ID web",),
        fire=(
            "No command that starts a scheduled job was found (not verified): wait for its next time. `doctl apps "
            "list-job-invocations APP_ID` shows its runs."
        ),
        state="`doctl apps list-instances APP_ID`",
        worker="Deploy again: `doctl apps create-deployment APP_ID`",
        logs="`doctl apps logs APP_ID web --type run`",
        variables="`doctl apps spec get APP_ID`, and the dashboard for secrets",
        crons="`doctl apps list-job-invocations APP_ID`",
    ),
    proved_by="our own strict reader: the keys of DigitalOcean's OpenAPI and godo",
    files=(".do/app.yaml",),
    cron="a job of `kind: SCHEDULED` each, billed while it runs",
    zone="each",
    overlap="not stated",
    grace=600,
    expands=r"\$\{[^}]*\}",
    grace_unset="120 s",
    release="a job of `kind: PRE_DEPLOY`",
    hosts="by itself (`${APP_DOMAIN}`)",
    versions={"postgres": Offer(("17", "16", "15")), "redis": Offer(("8",), "Valkey")},
    plans=PLANS,
    resources="databases of the spec; make the clusters first: `doctl databases create`",
    notes=(
        (
            "secrets are printed empty, and the app refuses to start until they are set: in the dashboard, or here as an "
            "encrypted value"
        ),
        "the published OpenAPI lacks scheduled jobs: their keys here follow godo, DigitalOcean's own Go client",
    ),
    assumed=frozenset({"floor", "overlap"}),
    unverified=(
        "the shortest interval of a scheduled job, and what happens when two runs overlap",
        "whether an app's database may be of DigitalOcean's Advanced PostgreSQL, which has an 18",
    ),
    sources=(
        "docs.digitalocean.com/products/app-platform/reference/app-spec",
        "github.com/digitalocean/godo",
        "docs.digitalocean.com/products/app-platform/details/pricing",
        "github.com/digitalocean/openapi (instance sizes, database options)",
    ),
)

SITE = {HOSTS: "${APP_DOMAIN}", ADDRESS: "${APP_URL}"}
ENGINES = {"postgres": "PG", "redis": "VALKEY"}


def files(target: Target) -> tuple[File, ...]:
    platform = target.platform
    document: dict[str, Any] = {"name": platform.name}
    if databases := [_database(target, kind) for kind in platform.resources.kinds]:
        document["databases"] = databases
    document["envs"] = _shared_env(target)
    document["services"] = [_service(target, each) for each in platform.services if each.port]
    document["workers"] = [_service(target, each) for each in platform.services if not each.port]
    document["jobs"] = _jobs(target)
    filled = {key: value for key, value in document.items() if value}
    return (File(".do/app.yaml", yaml_text(filled, header="\n".join([target.header, *_made(target)]))),)


def _made(target: Target) -> Iterator[str]:
    """Say how each secret is made that nobody gives."""
    yield from (f"{each.name}: {to_fill_in(each)}" for each in target.platform.env if each.generated)


def _service(target: Target, service: Service) -> dict[str, Any]:
    instances = target.sized(service).instances
    scaled = instances.max > max(instances.min, 1)
    entry = _component(target, service.name, service.command)
    entry["instance_size_slug"] = target.plan_of(service).name
    if service.port:
        entry["http_port"] = service.port
    if scaled:
        limits = {
            "min_instance_count": max(instances.min, 1),
            "max_instance_count": instances.max,
        }
        entry["autoscaling"] = limits | {"metrics": {"cpu": {"percent": 70}}}
    else:
        entry["instance_count"] = max(instances.min, 1)
    if service.port and service.health:
        entry["health_check"] = {"http_path": service.health, "initial_delay_seconds": 10}
    entry["termination"] = {"grace_period_seconds": target.grace(service)}
    entry["envs"] = [_plain(key, value) for key, value in particular_values(target, service).items()]
    return {key: value for key, value in entry.items() if value != []}


def _jobs(target: Target) -> list[dict[str, Any]]:
    jobs = []
    if target.platform.release:
        jobs.append(_component(target, "release", target.platform.release) | {"kind": "PRE_DEPLOY"})
    for each in target.wake_ups:
        schedule = {"cron": each.line, "time_zone": each.zone}
        jobs.append(
            _component(target, each.name, each.command)
            | {"kind": "SCHEDULED", "schedule": schedule, "timeout": "120s"}
        )
    return [each | {"instance_size_slug": PLANS[0].name} for each in jobs]


def _component(target: Target, name: str, command: str) -> dict[str, Any]:
    platform = target.platform
    return {
        "name": name,
        "github": {"repo": target.repository, "branch": platform.branch, "deploy_on_push": True},
        "dockerfile_path": "Dockerfile",
        "run_command": command,
    }


def _database(target: Target, kind: str) -> dict[str, Any]:
    cluster = {"production": True, "cluster_name": f"{target.platform.name}-{kind}"}
    return {
        "name": kind,
        "engine": ENGINES[kind],
        "version": target.version_of(kind).split(".")[0],
        **cluster,
    }


def _shared_env(target: Target) -> list[dict[str, Any]]:
    """Give what every component gets, in one place, so that they cannot differ."""
    platform = target.platform
    servers = [
        _plain(resource.injects, f"${{{kind}.DATABASE_URL}}") for kind, resource in platform.resources.items()
    ]
    defaults = [
        _plain(each.name, each.default)
        for each in platform.env
        if each.default is not None and not each.services
    ]
    return [*servers, *(_asked(each) for each in asked(platform)), *defaults]


def _asked(variable: EnvVar) -> dict[str, Any]:
    if variable.name in SITE:
        return _plain(variable.name, SITE[variable.name])
    return _plain(variable.name, "") | ({"type": "SECRET"} if variable.is_secret else {})


def _plain(key: str, value: str | None) -> dict[str, Any]:
    return {"key": key, "scope": "RUN_TIME", "value": value}
