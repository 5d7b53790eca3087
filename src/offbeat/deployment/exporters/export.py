"""What an exporter gives: files for a platform, and what the platform cannot express."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.first_steps import next_step
from offbeat.deployment.exporters.names import fitted
from offbeat.deployment.exporters.plans import plans_of, shortfalls, shrink
from offbeat.deployment.exporters.versions import difference, version_for
from offbeat.deployment.exporters.wakeups import plan_wake_ups
from offbeat.deployment.spec import EnvVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from offbeat.deployment.exporters.plans import Plan
    from offbeat.deployment.exporters.wakeups import WakeUp
    from offbeat.deployment.spec import Platform, Service


class MissingKeyError(Exception):
    """The platform needs a key that platform.yaml leaves out: show the message."""


class TakenNameError(MissingKeyError):
    """The platform has something that is called like the project: show the message."""


@dataclass(frozen=True)
class Options:
    """What the person who exports chooses."""

    tick: int | None = None
    """Minutes between ticks: one wake-up for all cronjobs in place of one each; 0 for one each where a tick is usual."""
    keda: str | None = None
    """Kubernetes only: scale workers by "redis" (queue depth) or "prometheus" (our metric)."""


@dataclass(frozen=True)
class File:
    """A file to write, its path relative to the project's root."""

    path: str
    text: str


@dataclass(frozen=True)
class Export:
    """All that is printed for one platform."""

    files: tuple[File, ...]
    warnings: tuple[str, ...]
    next_step: str
    """What a person does when the files are written."""


@dataclass(frozen=True)
class Target:
    """A platform as its exporter sees it: the spec, the facts, and the wake-ups that follow from both."""

    name: str
    platform: Platform
    facts: Facts
    options: Options
    wake_ups: tuple[WakeUp, ...]

    @property
    def header(self) -> str:
        tick = "" if self.options.tick is None else f" --tick {self.options.tick}"
        keda = f" --keda {self.options.keda}" if self.options.keda else ""
        return (
            f'Made from platform.yaml by "python manage.py export_platform {self.name}{tick}{keda}".\n'
            "Change platform.yaml and make it again, not this file."
        )

    @property
    def image(self) -> str:
        return self._needed("image", "it pulls the image from a registry", "registry.example/acme/shop:1.4.2")

    @property
    def repository(self) -> str:
        return self._needed("repository", "it builds from GitHub", "acme/shop")

    def _needed(self, key: str, why: str, example: str) -> str:
        """Give what platform.yaml may leave out, but not for this platform; raises MissingKeyError."""
        value: str | None = getattr(self.platform, key)
        if value is None:
            raise MissingKeyError(
                f"platform.yaml: {key}: is missing, and {self.facts.title} needs it: {why}. Hint: {key}: {example}"
            )
        return value

    def called(self, part: str) -> str:
        """Give the name of a part of the project: `<project>-<part>`, as the platform takes it."""
        return self.fit(f"{self.platform.name}-{part}")

    def fit(self, name: str) -> str:
        return fitted(name, self.facts.longest_name, doubles=self.facts.double_hyphens)

    @property
    def first(self) -> Service:
        """Web, or the first where there is none: it runs the release where the platform has no step of its own for it."""
        services = self.platform.services
        return next((each for each in services if each.port), services[0])

    def releases(self, service: Service) -> bool:
        return bool(self.platform.release) and service == self.first

    def grace(self, service: Service) -> int:
        return self.facts.grace_of(service.grace)

    def version_of(self, kind: str) -> str:
        """Give the version of a server as it is to be had here."""
        version: str = getattr(self.platform.resources, kind).version
        return version_for(kind, version, self.facts.versions.get(kind))

    def plan_of(self, service: Service) -> Plan:
        """Give the size that a service gets here; only of a platform that has sizes."""
        return plans_of(self.platform, self.facts.plans, scales=self.facts.scales)[service.name]

    def sized(self, service: Service) -> Service:
        """Give a service with the CPUs and the memory that it really gets."""
        return shrink(service, self.plan_of(service)) if self.facts.plans else service


Exporter = "Callable[[Target], tuple[File, ...]]"


def export(
    name: str, facts: Facts, write: Callable[[Target], tuple[File, ...]], platform: Platform, options: Options
) -> Export:
    """Print a platform's files, with a warning for whatever it cannot express."""
    if platform.name in facts.taken_names:
        raise TakenNameError(
            f'platform.yaml: name: should be another one for {facts.title}, which has something of that name, got "{platform.name}"'
        )
    if options.keda == "redis" and platform.resources.rabbitmq and not platform.resources.redis:
        raise MissingKeyError(
            "--keda redis counts messages in Redis, and platform.yaml has RabbitMQ. Hint: --keda prometheus"
        )
    wake_ups, missed = plan_wake_ups(platform, facts, options.tick)
    by_hand = tuple(_made_by_hand(platform, facts))
    target = Target(name, ask_for_rabbitmq(platform) if by_hand else platform, facts, options, wake_ups)
    warnings = (*missed, *by_hand, *_limits(target), *facts.notes, *_unverified(facts))
    return Export(write(target), warnings, next_step(name, facts, platform.name))


def _made_by_hand(platform: Platform, facts: Facts) -> Iterator[str]:
    if (rabbitmq := platform.resources.rabbitmq) and not facts.makes_rabbitmq:
        yield (
            f"resources/rabbitmq: not in the files ({facts.rabbitmq}): set {rabbitmq.injects} to its address, "
            "nothing starts without it"
        )


def ask_for_rabbitmq(platform: Platform) -> Platform:
    """Give the platform with the address of RabbitMQ as a variable that a person sets, for platforms that make no such server."""
    rabbitmq = platform.resources.rabbitmq
    if rabbitmq is None:
        return platform
    address = EnvVar(
        name=rabbitmq.injects, required=True, secret=True, help="The address of RabbitMQ: amqps://..."
    )
    return replace(
        platform, resources=replace(platform.resources, rabbitmq=None), env=(address, *platform.env)
    )


def _limits(target: Target) -> Iterator[str]:
    platform, facts = target.platform, target.facts
    for service in platform.services if facts.runs_services else ():
        yield from _limits_of(target, service)
    yield from _cut_names(target)
    yield from _expanded(target)
    if facts.leaves_out_optional and (names := [each.name for each in platform.env if each.is_optional]):
        yield f"env: {', '.join(names)} are optional and not in the files: add those that you want to every process"
    if platform.release and not facts.release_is_before:
        yield facts.release_effect.format(first=target.first.name)
    for kind, resource in platform.resources.items():
        if line := difference(kind, resource.version, facts.versions.get(kind)):
            yield line
    for kind, fixed in (("postgres", "DATABASE_URL"), ("redis", "REDIS_URL")):
        resource = getattr(platform.resources, kind)
        if resource and resource.injects != fixed and facts.servers == "fixed":
            yield f"resources/{kind}: arrives as {fixed}, not {resource.injects}: set {resource.injects} to its value"


def _limits_of(target: Target, service: Service) -> Iterator[str]:
    facts = target.facts
    if facts.plans:
        scales = facts.scales_one(port=service.port)
        yield from shortfalls(service, target.plan_of(service), scales=scales)
    given = target.grace(service)
    if given < service.grace:
        effect = (
            "longer jobs return to the queue and run again" if service.queues else "slow requests are cut off"
        )
        yield f"services/{service.name}: gets {given} s of grace, not {service.grace}: {effect}"
    if facts.asks_all and not service.port and not service.queues:
        yield f"services/{service.name}: answers no health path, which {facts.title} asks every container for: it may be stopped"
    yield from _counts(service, facts)


def _counts(service: Service, facts: Facts) -> Iterator[str]:
    low, high = service.instances.min, service.instances.max
    if service.port and low > 1 and not facts.shares_port:
        yield f"services/{service.name}: runs once, not {low} times, for its port: raise WEB_CONCURRENCY"
        return
    if low < 1 and not (service.port and facts.starts_from_zero):
        yield f"services/{service.name}: runs once, not 0 times: nothing here starts it when it is needed"
    if high > max(low, 1) and not facts.scales_one(port=service.port):
        yield f"services/{service.name}: stays at min ({max(low, 1)}): nothing scales it to {high} by itself"


def _cut_names(target: Target) -> Iterator[str]:
    """Say what is called otherwise than people expect; only where the platform names less than we allow."""
    if (most := target.facts.longest_name) >= Facts.longest_name and target.facts.double_hyphens:
        return
    parts = [f"services/{each.name}" for each in target.platform.services]
    parts += [f"cronjobs/{each.name}" for each in target.wake_ups]
    for part in parts:
        name = part.partition("/")[2]
        if (called := target.called(name)) != f"{target.platform.name}-{name}":
            yield f"{part}: is called {called}: {target.facts.title} takes {most} characters at most"


def _expanded(target: Target) -> Iterator[str]:
    """Name the values that may arrive as something else, and cannot be written in another way."""
    if not (expands := target.facts.expands):
        return
    for each in target.platform.env:
        if match := re.search(expands, each.default or ""):
            yield (
                f"env/{each.name}: has {match.group()} in its value, which {target.facts.title} may replace: "
                "check what arrives, and give it in another way if it differs"
            )


def _unverified(facts: Facts) -> Iterator[str]:
    for claim in facts.unverified:
        yield f"not verified: {claim}"
