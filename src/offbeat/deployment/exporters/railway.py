"""Railway: a program for its infrastructure as code, .railway/railway.ts."""

from __future__ import annotations

import json
import re
from textwrap import indent
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import ADDRESS, HOSTS, fixed_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.plans import Plan, count_of
from offbeat.deployment.exporters.texts import comment
from offbeat.deployment.exporters.versions import Offer
from offbeat.variables.weak_secrets import RECIPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

# What one replica may use in a workspace of each plan, and how many replicas there may be; its GB are of 10**9 bytes.
PLANS = tuple(
    Plan(name, cpus, gigabytes * 10**9 // 2**20, least=1, most_instances=replicas)
    for name, cpus, gigabytes, replicas in (
        ("Hobby", 8, 8, 6),
        ("Pro", 24, 24, 42),
        ("Enterprise", 48, 48, 50),
    )
)

FACTS = Facts(
    title="Railway",
    console=Console(
        where=(
            "In a terminal on your own machine, with Railway's command line, in the folder that `railway link` has "
            "linked."
        ),
        run="railway ssh --service web -- {command}",
        fire="Dashboard, the service `cron-prune-jobs`, **Cron Runs**, **Run now** (not verified).",
        state="`railway status`, and the dashboard",
        worker="Deploy the service `worker` again: `railway redeploy --service worker`",
        logs="`railway logs --service web`",
        variables="`railway variables --service web`, and the project's shared variables",
        crons="the dashboard, the service `cron-prune-jobs`, Cron Runs",
    ),
    proved_by="npm's railway/iac: its types, and a run of the program",
    files=(".railway/railway.ts",),
    cron="a service each, with a `cronSchedule`",
    floor=5,
    expands=r"\$\{\{.*?\}\}",
    billed=True,
    overlap="skipped while the former runs; one that hangs blocks all that follow",
    drift="a few minutes",
    grace_unset="0 s",
    release="`preDeploy` of web",
    scales=False,
    hosts="by itself (RAILWAY_PUBLIC_DOMAIN), copied from web to the others; its health checks' host as well",
    resources="Postgres and Redis, made by the program",
    rabbitmq="its template RabbitMQ, made by hand",
    versions={"postgres": Offer(("18",)), "redis": Offer(("8.2",))},
    plans=PLANS,
    notes=(
        (
            "railway.json and railway.toml are read until 2026-12-01, by Railway's own announcement; "
            ".railway/railway.ts takes their place, and Railway marks it experimental"
        ),
        "its servers have one version each, whatever you ask for",
        "a service may use 8 CPUs, 8 GB and 6 replicas in a workspace of the plan Hobby, 24, 24 and 42 of the plan Pro",
        "the variables that you choose are shared variables of the project: set them there once, for every service",
    ),
    assumed=frozenset({"grace"}),
    unverified=(
        "the longest grace that Railway grants (drainingSeconds is printed as platform.yaml has it)",
        "that its Redis keeps to `noeviction`: check with `manage.py doctor`",
    ),
    sources=(
        "docs.railway.com/reference/variables",
        "npm: railway (railway/iac)",
        "docs.railway.com/pricing/plans",
    ),
)


LINE_ENDS = re.compile("[\x85\u2028\u2029]")


class Code(str):
    """A piece of TypeScript that stands in the place of a value."""

    __slots__ = ()


def files(target: Target) -> tuple[File, ...]:
    return (File(".railway/railway.ts", _program(target)),)


def _program(target: Target) -> str:
    """Give the program: a constant for each resource, and the project that lists them all."""
    platform = target.platform
    constants = dict(_constants(target))
    body = "\n".join(f"const {name} = {value};" for name, value in constants.items())
    kinds = platform.resources.kinds
    imports = ", ".join(sorted(["defineRailway", "github", "project", "service", *kinds]))
    resources = ", ".join(name for name in constants if name != "source")
    header = (
        f"{target.header}\nShared variables of the project, to be set there: {', '.join(_shared(target))}."
    )
    if made := [each.name for each in platform.env if each.generated]:
        header += f"\nMake {' and '.join(made)} once, with: {RECIPE}"
    return (
        comment(header).replace("# ", "// ")
        + f'import {{ {imports} }} from "railway/iac";\n\nexport default defineRailway((ctx) => {{\n'
        + indent(body, "  ")
        + f"\n  return project({json.dumps(platform.name)}, {{ resources: [{resources}] }});\n}});\n"
    )


def _constants(target: Target) -> Iterator[tuple[str, str]]:
    platform = target.platform
    for kind in platform.resources.kinds:
        yield f"{kind}Server", f"{kind}({json.dumps(kind)})"
    branch = typescript({"branch": platform.branch})
    yield "source", f"github({json.dumps(target.repository)}, {branch})"
    # web first: the others refer to it.
    for service in sorted(platform.services, key=lambda each: not each.port):
        yield f"{service.name}Service", _call(service.name, _service(target, service))
    for number, wake_up in enumerate(target.wake_ups, start=1):
        deploy = {"cronSchedule": wake_up.line, "restartPolicyType": "NEVER"}
        cron = _base(target, None) | {"start": wake_up.command, "deploy": deploy}
        yield f"cron{number}", _call(f"cron-{wake_up.name}", cron)


def _call(name: str, config: dict[str, Any]) -> str:
    return f"service({json.dumps(name)}, {typescript(config)})"


def _service(target: Target, service: Service) -> dict[str, Any]:
    config = _base(target, service) | {"start": service.command}
    if target.releases(service):
        config["preDeploy"] = target.platform.release
    if service.port and service.health:
        config["healthcheck"] = service.health
    config["replicas"] = count_of(service, target.plan_of(service))
    sized = target.sized(service)
    limits = {"cpu": sized.cpu, "memoryBytes": sized.memory * 1024 * 1024}
    config["deploy"] = {
        "drainingSeconds": target.grace(service),
        "restartPolicyType": "ALWAYS",
        "limitOverride": {"containers": limits},
    }
    return config


def _base(target: Target, service: Service | None) -> dict[str, Any]:
    return {
        "source": Code("source"),
        "build": {"builder": "DOCKERFILE", "dockerfilePath": "Dockerfile"},
        "env": _env(target, service),
    }


def _env(target: Target, service: Service | None) -> dict[str, Any]:
    platform = target.platform
    env: dict[str, Any] = {
        resource.injects: Code(f"{kind}Server.env.{'DATABASE_URL' if kind == 'postgres' else 'REDIS_URL'}")
        for kind, resource in platform.resources.items()
    }
    env |= fixed_values(target, service)
    env |= {each: Code(f"ctx.shared.{each}") for each in _shared(target)}
    if not (service and service.port) and any(each.port for each in platform.services):
        # Only web has a public name; the others build links with it.
        env[HOSTS] = Code("webService.env.RAILWAY_PUBLIC_DOMAIN")
        env[ADDRESS] = "https://${{web.RAILWAY_PUBLIC_DOMAIN}}"
    return env


def _shared(target: Target) -> list[str]:
    """Give the variables that nobody but the project's owner knows.

    Generated ones are among them: the library's own randomString() is a hash of a label, which anybody can compute.
    """
    own = {HOSTS, ADDRESS}
    return [
        each.name
        for each in target.platform.env
        if each.default is None and each.name not in own and not each.services
    ]


def typescript(value: Any) -> str:
    """Write a value as TypeScript, as JSON is written, with pieces of code in it as they are."""
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, dict):
        inner = "".join(
            f"  {json.dumps(key)}: {typescript(each)},\n".replace("\n", "\n  ")[:-2]
            for key, each in value.items()
        )
        return "{\n" + inner + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(typescript, value)) + "]"
    # Some of what Python takes for a line's end is not escaped; the indentation would go into it.
    return LINE_ENDS.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(value, ensure_ascii=False))
