"""What a platform can and cannot do: said once, for its exporter's warnings and its page's table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offbeat.deployment.exporters.console import Console
    from offbeat.deployment.exporters.plans import Plan
    from offbeat.deployment.exporters.versions import Offer

Zone = Literal["utc", "each", "host", "file"]
"""utc: the platform counts in UTC; each: a cronjob may name its time zone; host: the machine's own;
file: a process of ours reads platform.yaml itself."""
Repeated = Literal["twice", "once", "not documented"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One platform. Times are in seconds, intervals in minutes; None is "no such thing"."""

    title: str
    console: Console
    """How a person runs a command there, and sees what runs."""
    files: tuple[str, ...]
    cron: str
    """How it runs a cronjob, in a few words."""
    zone: Zone = "utc"
    repeated: Repeated = "not documented"
    """How often a wake-up comes at a time that a change of the clock repeats, where a cronjob names its time zone."""
    floor: int = 1
    """The shortest interval between two wake-ups."""
    tick: int | None = None
    """Minutes between ticks, where one tick for all cronjobs is what an export has unless somebody says otherwise."""
    most_crons: int | None = None
    billed: bool = False
    """Whether each cronjob costs a service of its own."""
    overlap: str
    """What happens when a wake-up comes while the former still runs."""
    drift: str = "not stated"
    """How late a wake-up may come."""
    grace: int | None = None
    """The longest time from SIGTERM to SIGKILL that can be had; None where platform.yaml has the say."""
    grace_unset: str
    """What it would be if nothing were said, for the table."""
    release: str
    release_is_before: bool = True
    """Whether the release command ends before new services start, and stops the deploy when it fails."""
    release_effect: str = ""
    """What follows where it does not, for a warning; {first} is the service that runs it."""
    runs_services: bool = True
    """Whether it runs services at all: a crontab does not."""
    scales: bool = True
    """Whether it scales between min and max by itself."""
    scales_workers: bool = True
    """Whether it does so with a service that has no port, too."""
    starts_from_zero: bool = False
    """Whether a service with a port may run no instance until a request comes."""
    shows_size: bool = False
    """Whether a container sees what CPU and memory it has; where that is not sure, it is told how many processes to run."""
    asks_all: bool = False
    """Whether every container is asked for a health path, also one that serves nothing."""
    shares_port: bool = True
    """Whether several instances of web can be reached; on one machine without a router they would want one port."""
    hosts: str
    """Where ALLOWED_HOSTS comes from."""
    resources: str
    servers: Literal["named", "fixed", "own"] = "named"
    """named: an address goes to any variable; fixed: to DATABASE_URL and REDIS_URL; own: yours to run."""
    versions: Mapping[str, Offer] = field(default_factory=dict)
    """The versions of postgres and redis that it is known to have; of a kind that is left out it has any, or asks nobody."""
    rabbitmq: str = "none: make one elsewhere, at CloudAMQP for one"
    makes_rabbitmq: bool = False
    """Whether the export makes one, or asks for its address as it does for those of all servers; else a variable asks for it."""
    plans: tuple[Plan, ...] = ()
    """Its sizes, the cheapest first; empty where CPUs and memory are as platform.yaml has them."""
    longest_name: int = 63
    """The most characters of a name, that of the project included; one that is longer is cut, with a hash."""
    double_hyphens: bool = True
    """Whether a name may have two hyphens in a row."""
    taken_names: frozenset[str] = frozenset()
    """What no project may be called here: the platform has things of these names, or the export makes them."""
    expands: str | None = None
    """What the platform may replace in a value, as a regular expression; None where it replaces nothing, or we escape it."""
    leaves_out_optional: bool = False
    """Whether a variable without a value cannot be in the files, because the platform refuses an empty one."""
    assumed: frozenset[str] = frozenset()
    """Which of zone, floor, overlap, grace, versions and plans are assumptions: the tables say so."""
    unverified: tuple[str, ...] = ()
    """What no source was found for; printed rather than guessed."""
    notes: tuple[str, ...] = ()
    """What differs from the other platforms, with its effect."""
    sources: tuple[str, ...] = ()
    proved_by: str = ""
    """What the tests hold its export against: the platform's own tool, schema or types, or a reader of ours."""

    def said(self, key: str, text: str) -> str:
        """Give a fact as it is shown: an assumption says that it is one."""
        return f"{text} (not verified)" if key in self.assumed else text

    def scales_one(self, *, port: int | None) -> bool:
        """Tell whether it scales a service, with a port or without."""
        return self.scales and (port is not None or self.scales_workers)

    def grace_of(self, wanted: int) -> int:
        """Give the grace that a service gets here when it wants so many seconds."""
        return wanted if self.grace is None else min(wanted, self.grace)


def plain_http(where: str) -> str:
    """Say what a machine of one's own has to have before web, which no router stands before."""
    return f"web answers plain HTTP {where}: put a proxy before it that ends TLS and sets X-Forwarded-Proto"
