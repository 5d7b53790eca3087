"""Every interval and bound of cronjobs that one may want to change, with its reason: overridden by `OFFBEAT_CRONJOBS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from offbeat.conf import Conf, reader


@dataclass(frozen=True)
class CronjobsConf(Conf):
    """Times are in seconds unless the name says otherwise."""

    setting: ClassVar[str] = "OFFBEAT_CRONJOBS"

    heal: float = 1  # 0: workers claim no slot; a platform that forgets to fire is only reported
    heal_interval: float = 15.0  # between two checks of a worker; small beside any late_after
    unpublished_after: float = (
        60.0  # a due job that is not in Redis by then: longer than a restart of Redis takes
    )
    no_success_slots: float = 3  # one failure is a dead letter, three in a row are an outage
    retention_days: float = 90  # slots are kept this long, and the newest thirty of each cronjob for ever
    ping_timeout: float = 5.0  # a watcher that hangs must not pile up threads
    ping_url: str = ""  # https://hc-ping.com/<key>/{name}: start, success and fail of each job are told there


conf = reader(CronjobsConf)
