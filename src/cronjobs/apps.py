from functools import cache
from typing import Any

from django.apps import AppConfig


class CronjobsConfig(AppConfig):
    name = "cronjobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cronjobs import checks, receivers  # noqa: F401, PLC0415  they need Django's apps
        from cronjobs.conf import conf  # noqa: PLC0415
        from jobs.worker import duties  # noqa: PLC0415

        receivers.connect()
        duties.register("slots", conf().heal_interval, heal)
        duties.register("cronjob signals", conf().signal_interval, alert)
        duties.register("slot retention", 3600.0, prune)


# Imported when a worker first does them: no wake-up and no web process pays for what only workers do.


@cache
def healer() -> Any:
    from cronjobs.healing import Healer  # noqa: PLC0415

    return Healer()


def heal() -> None:
    healer()()


def alert() -> None:
    from cronjobs import alerts  # noqa: PLC0415

    alerts.look()


def prune() -> None:
    from cronjobs import retention  # noqa: PLC0415

    retention.prune()
