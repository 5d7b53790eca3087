from functools import cache
from typing import Any

from django.apps import AppConfig


class CronjobsConfig(AppConfig):
    name = "offbeat.cronjobs"
    label = "offbeat_cronjobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from offbeat.cronjobs import checks, receivers  # noqa: F401, PLC0415  they need Django's apps
        from offbeat.cronjobs.conf import conf  # noqa: PLC0415
        from offbeat.jobs.worker import periodic_tasks  # noqa: PLC0415

        receivers.connect()
        periodic_tasks.register("slots", conf().heal_interval, catch_up)
        periodic_tasks.register("slot retention", 3600.0, prune)


# Imported when a worker first does them: no wake-up and no web process pays for what only workers do.


@cache
def memory() -> Any:
    from offbeat.cronjobs.catchup import CatchUp  # noqa: PLC0415

    return CatchUp()


def catch_up() -> None:
    memory()()


def prune() -> None:
    from offbeat.cronjobs import retention  # noqa: PLC0415

    retention.prune()
