"""When people are told; Django's `OFFBEAT_ALERTS` setting, or a variable OFFBEAT_ALERTS_<NAME>, overrides any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from offbeat.conf import Conf, reader


@dataclass(frozen=True)
class AlertsConf(Conf):
    """Times are in seconds."""

    setting: ClassVar[str] = "OFFBEAT_ALERTS"

    interval: float = 30.0  # between two looks of a process; all of them together look about as often
    patience: float = 60.0  # a deploy, a failover or a restart within this long is nobody's incident
    queue_age: float = 600.0  # how long a due job may wait for a worker
    quiet: float = 3600.0  # after so long without a further dead letter, or message put aside, the next one is told of again
    retell_after: float = 120.0  # a process that died while telling: another one tells after this long


conf = reader(AlertsConf)
