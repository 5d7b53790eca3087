"""Fly.io: fly.toml, with one small Machine that runs this project's own stand-in for a cron."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters import stand_in
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import asked, assignment, purpose, shared_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.texts import toml_text
from offbeat.deployment.exporters.versions import Offer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import EnvVar, Service

# The bounds of memory for a CPU of each kind are flyctl's own.
PLANS = (
    *(Plan(f"shared-cpu-{cpus}x", cpus, 2048 * cpus, least=256 * cpus, step=256) for cpus in (1, 2, 4, 8)),
    *(
        Plan(f"performance-{cpus}x", cpus, 8192 * cpus, least=2048 * cpus, step=2048)
        for cpus in (1, 2, 4, 8, 16)
    ),
)

# Fly's own 5 minutes are less than the release waits for a lock (600 s).
RELEASE_TIMEOUT = "15m"

FACTS = Facts(
    title="Fly.io",
    console=Console(
        where="In a terminal on your own machine, with `fly`.",
        run='fly ssh console --app <name> --process-group web --pty -C "python /app/{arguments}"',
        fire=(
            "The Machine `cron` starts it at its time, and writes a line: `fly logs --app <name>`. To run its "
            'command there: `fly ssh console --app <name> --process-group cron -C "python /app/manage.py '
            'enqueue_prune_jobs"`.'
        ),
        state="`fly status --app <name>`",
        worker="`fly machine start` with the id that `fly status` shows, or `fly deploy`",
        logs="`fly logs --app <name>`",
        variables="`fly secrets list --app <name>`, and `[env]` in `fly.toml`",
        crons="`fly status --app <name>` shows the process `cron`, which reads `platform.yaml`",
    ),
    proved_by="SchemaStore's fly.json, but for `release_command_timeout`, which flyctl knows",
    files=("fly.toml",),
    cron="none that keeps a schedule: a separate Machine reads platform.yaml",
    zone="file",
    overlap="one after another",
    grace=300,
    grace_unset="5 s, and SIGINT in place of SIGTERM",
    release="`release_command`",
    scales=False,
    hosts="by itself (FLY_APP_NAME)",
    resources="`fly mpg create` and `fly redis create`",
    servers="fixed",
    # The one version that all of Fly's own pages name.
    versions={"postgres": Offer(("16",))},
    plans=PLANS,
    starts_from_zero=True,
    notes=(
        stand_in.note("process"),
        (
            "Machines: the first deploy makes two of web, and of each other process one that runs and one standby, which starts "
            "when its host fails. `fly scale count cron=1` would destroy the standby: leave processes of one instance alone"
        ),
        f"release: Fly ends it after {RELEASE_TIMEOUT} (5 minutes unless it is said): longer migrations run before the deploy",
        "Fly's own scheduled Machines know only hourly, daily, weekly and monthly, at times of Fly's choice",
        "its Redis is billed by the command, and a worker asks it every second: a Redis of your own is cheaper",
    ),
    unverified=(
        "that Managed Postgres has a newer major version than 16 (flyctl's reference names 17, for --pg-major-version)",
        "which version of Redis `fly redis create` gives",
    ),
    sources=(
        "fly.io/docs/reference/configuration",
        "github.com/superfly/flyctl (internal/appconfig), github.com/superfly/fly-go (duration.go)",
        "fly.io/docs/blueprints/task-scheduling",
        "fly.io/docs/machines/guides-examples/machine-sizing",
        "fly.io/docs/flyctl/mpg-create",
    ),
)


def files(target: Target) -> tuple[File, ...]:
    return (
        File(
            "fly.toml",
            toml_text(_config(target), header=f"{target.header}\n\n{_secrets(target)}\n\n{_counts(target)}"),
        ),
    )


def _config(target: Target) -> dict[str, Any]:
    platform = target.platform
    config: dict[str, Any] = {
        "app": platform.name,
        # Fly sends SIGINT after 5 s of nothing said: to Celery that is another kind of stop.
        "kill_signal": "SIGTERM",
        # With its unit: flyctl's own type reads a bare number as nanoseconds, whatever the reference says.
        "kill_timeout": f"{max(target.grace(each) for each in platform.services)}s",
        "build": {"dockerfile": "Dockerfile"},
    }
    if platform.release:
        config["deploy"] = {"release_command": platform.release, "release_command_timeout": RELEASE_TIMEOUT}
    config["env"] = _env(target)
    config["processes"] = {each.name: each.command for each in platform.services} | _cron(target)
    for service in platform.services:
        if service.port:
            config["http_service"] = _http(service)
    config["vm"] = [_machine(target, service) for service in platform.services]
    if target.wake_ups:
        config["vm"].append({"processes": ["cron"], "cpu_kind": "shared", "cpus": 1, "memory": "256mb"})
    return config


def _cron(target: Target) -> dict[str, str]:
    return {"cron": stand_in.COMMAND} if target.wake_ups else {}


def _http(service: Service) -> dict[str, Any]:
    http: dict[str, Any] = {
        "internal_port": service.port,
        "force_https": True,
        "auto_stop_machines": "off" if service.instances.min else "stop",
        "auto_start_machines": True,
        "min_machines_running": service.instances.min,
        "processes": [service.name],
    }
    if service.health:
        check = {
            "method": "GET",
            "path": service.health,
            "interval": "10s",
            "timeout": "5s",
            "grace_period": "30s",
        }
        http["checks"] = [check]
    return http


def _machine(target: Target, service: Service) -> dict[str, Any]:
    plan = target.plan_of(service)
    size = {"cpu_kind": plan.name.split("-")[0], "cpus": int(plan.cpu), "memory": f"{plan.memory}mb"}
    return {"processes": [service.name], **size}


def _env(target: Target) -> dict[str, str]:
    """Give the variables, which all Machines of an app share."""
    port = next((each.port for each in target.platform.services if each.port), None)
    return shared_values(target) | ({"PORT": str(port)} if port else {})


def _secrets(target: Target) -> str:
    platform = target.platform
    asked_here = [each for each in asked(platform) if each.name not in ("ALLOWED_HOSTS", "BASE_URL")]
    lines = ["Secrets, in one command, before the first deploy. `--stage` restarts nothing:"]
    lines += [f"  fly secrets set --stage {' '.join(_assignments(target, asked_here))}"]
    made = {"postgres": "", "redis": ""}
    if platform.resources.postgres:
        made["postgres"] = f", of `fly mpg create --pg-major-version {target.version_of('postgres')}`"
    lines += [
        f"  {resource.injects}: the address of {kind}{made[kind]}"
        for kind, resource in platform.resources.items()
    ]
    lines += [f"  {each.name}: {purpose(each)}" for each in asked_here if not each.generated]
    return "\n".join(lines)


def _assignments(target: Target, variables: list[EnvVar]) -> Iterator[str]:
    yield from (f'{name}="..."' for name in target.platform.resources.injected)
    yield from (assignment(each) for each in variables if not each.is_optional)


def _counts(target: Target) -> str:
    """Give the commands for how many Machines run: the first deploy makes two of web, and a standby beside each other one."""
    scaled = [
        f"{each.name}={low}"
        for each in target.platform.services
        if (low := max(each.instances.min, 1)) > 1 or each.port
    ]
    return "\n".join(
        [
            "After the first `fly deploy`:",
            *([f"  fly scale count {' '.join(scaled)}"] if scaled else []),
            "  Not the others: a count of 1 would destroy the standby that Fly makes beside each.",
        ]
    )
