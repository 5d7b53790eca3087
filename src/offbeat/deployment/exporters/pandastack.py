"""PandaStack (pandastack.io): a checklist for its dashboard, with the calls of its command line where they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.deployment.exporters.environment import asked, fixed_values, purpose
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.texts import markdown_table
from offbeat.deployment.exporters.versions import Offer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

FACTS = Facts(
    title="PandaStack",
    files=("deploy/pandastack.md",),
    cron="cronjobs of the dashboard, each a container; or `panda cronjob create`",
    overlap="not known",
    grace_unset="not known",
    release="none: the start command of web runs it, or a person",
    release_is_before=False,
    release_effect="release: nothing runs it by itself: run it as a one-off container before each deploy",
    scales=False,
    hosts="ALLOWED_HOSTS",
    resources="managed Postgres and Redis, attached in the dashboard",
    servers="fixed",
    versions={"postgres": Offer(("16.4.0", "14.8.0")), "redis": Offer(("7.2.4", "7.0.6"))},
    notes=("the free tier scales to zero, on machines that may go away: never a worker there",),
    assumed=frozenset({"zone", "floor", "overlap", "grace"}),
    unverified=(
        "the time zone of its cronjobs (UTC is assumed), their shortest interval, and what happens when two overlap",
        "the time between SIGTERM and SIGKILL: the worker counts on the grace of platform.yaml",
        "everything of the command line: it is known from PandaStack's own posts",
    ),
    sources=("pandastack.io (its posts); an unrelated product has the name pandastack.ai",),
)


def files(target: Target) -> tuple[File, ...]:
    return (File("deploy/pandastack.md", "\n".join(_lines(target)) + "\n"),)


def _lines(target: Target) -> Iterator[str]:
    yield from ["# PandaStack, by hand", "", target.header, ""]
    yield from ["PandaStack reads no file: follow this in its dashboard.", ""]
    for number, step in enumerate(_steps(target), start=1):
        yield f"{number}. {step}"
    yield from ["Variables that you choose, the same for every service and cronjob:", ""]
    yield markdown_table(["Variable", "For"], [[each.name, purpose(each)] for each in asked(target.platform)])


def _steps(target: Target) -> Iterator[str]:
    platform = target.platform
    for kind, resource in platform.resources.items():
        yield f"**Databases → New**: {kind}, version {target.version_of(kind)}, injected as {resource.injects}.\n"
    for service in platform.services:
        table = markdown_table(["Field", "Value"], _fields(target, service))
        yield f"**Services → New → Run as Container**, from {target.repository}, branch {platform.branch}:\n\n{table}"
    if platform.release:
        yield f"Before each deploy, a one-off container: `{platform.release}`.\n"
    if target.wake_ups:
        rows = [[each.name, f"`{each.line}`", f"`{each.command}`"] for each in target.wake_ups]
        table = markdown_table(["Name", "Schedule (UTC)", "Command"], rows)
        yield f"**Cronjobs → New**, one for each line, with the variables of web:\n\n{table}\n{_calls(target)}"


def _calls(target: Target) -> str:
    image = target.image
    calls = [
        f'panda cronjob create --name {each.name} --image {image} --schedule "{each.line}"'
        for each in target.wake_ups
    ]
    calls += [
        f"panda cronjob run --name {each.name}  # and look at its exit code" for each in target.wake_ups
    ]
    told = "Or in a terminal, each with `--env NAME=value` for every variable below:"
    return "\n".join([told, "", "```sh", *calls, "```", ""])


def _fields(target: Target, service: Service) -> list[list[str]]:
    rows = [
        ["Name", service.name],
        ["Dockerfile path", "Dockerfile"],
        ["Start command", f"`{service.command}`"],
    ]
    rows += [["Port", str(service.port)]] if service.port else [["Port", "none"]]
    rows += [["Health check path", f"`{service.health}`"]] if service.port and service.health else []
    rows += [
        [
            "Instances",
            f"{max(service.instances.min, 1)}, and never scaled to zero"
            if service.queues
            else str(service.instances.min),
        ]
    ]
    return rows + [[f"Variable {name}", value] for name, value in fixed_values(target, service).items()]
