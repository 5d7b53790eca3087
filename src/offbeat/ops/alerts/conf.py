"""When people are told; Django's `OFFBEAT_ALERTS` setting, or a variable OFFBEAT_ALERTS_<NAME>, overrides any."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

from django.conf import settings
from django.core.signals import setting_changed


@dataclass(frozen=True)
class Conf:
    """Times are in seconds."""

    interval: float = 30.0  # between two looks of a process; all of them together look about as often
    patience: float = 60.0  # a deploy, a failover or a restart within this long is nobody's incident
    queue_age: float = 600.0  # how long a due job may wait for a worker
    quiet: float = 3600.0  # after so long without a further dead letter, or message put aside, the next one is told of again
    retell_after: float = 120.0  # a process that died while telling: another one tells after this long


NAMES = frozenset(field.name for field in fields(Conf))


@lru_cache(maxsize=1)
def conf() -> Conf:
    """Return the settings in force."""
    given = getattr(settings, "OFFBEAT_ALERTS", {})
    return Conf(**{name: value for name, value in given.items() if name in NAMES})


def _forget(*, setting: str, **_: object) -> None:
    if setting == "OFFBEAT_ALERTS":
        conf.cache_clear()


setting_changed.connect(_forget)
