"""Which version of PostgreSQL and Redis a platform gives, where it does not have every one that platform.yaml may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from offbeat.deployment.rules import OLDEST

NAMES = {"postgres": "PostgreSQL", "redis": "Redis", "rabbitmq": "RabbitMQ"}


@dataclass(frozen=True)
class Offer:
    """The versions of a server that a platform has; a single one is what it gives, whatever is asked."""

    versions: tuple[str, ...]
    engine: str = ""
    """Its name, where it is another: Valkey."""

    def said(self, kind: str) -> str:
        return f"{self.engine or NAMES[kind]} {', '.join(self.versions)}"


def version_for(kind: str, wanted: str, offer: Offer | None) -> str:
    """Give the version that a platform has for the one wanted; without an offer it has any.

    The wanted one; else the newest of the same major version; else the nearest that is older, as nobody wants a
    database upgraded in passing; else the oldest. None is older than what this project works with.
    """
    if offer is None or wanted in offer.versions:
        return wanted
    offered = sorted((each for each in offer.versions if parts(each) >= OLDEST[kind]), key=parts)
    same = [each for each in offered if parts(each)[0] == parts(wanted)[0]]
    older = [each for each in offered if parts(each) <= parts(wanted)]
    return (same or older or offered[:1])[-1]


def difference(kind: str, wanted: str, offer: Offer | None) -> str | None:
    """Say that the version is another than the one wanted, and what comes of it; None where it is not."""
    had = version_for(kind, wanted, offer)
    if offer is None or is_same(had, wanted):
        return None
    return (
        f"resources/{kind}: is {offer.engine or NAMES[kind]} {had}, not {wanted} "
        f"(offered: {', '.join(offer.versions)}): {_effect(kind, had, wanted)}"
    )


def _effect(kind: str, had: str, wanted: str) -> str:
    if kind != "postgres":
        return "it does all that is needed here"
    if parts(had) > parts(wanted):
        return f"a database of {wanted} moves there as a dump"
    return f"a dump of {wanted} may not restore there"


def is_same(one: str, other: str) -> bool:
    """Tell whether two versions agree as far as both go: 8 and 8.0 do, 8.0 and 8.2 do not."""
    return all(left == right for left, right in zip(parts(one), parts(other), strict=False))


def parts(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in version.split("."))
