from typing import Any

from django.apps import AppConfig

INTERVAL = 5.0  # seconds between two foldings: how far counters lag behind the ledger


class MetricsConfig(AppConfig):
    name = "offbeat.ops.metrics"
    label = "offbeat_metrics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from offbeat.jobs import signals  # noqa: PLC0415
        from offbeat.jobs.worker import periodic_tasks  # noqa: PLC0415

        periodic_tasks.register("counters", INTERVAL, count)
        signals.ledger_pruned.connect(prune)


def count() -> None:
    from offbeat.ops.metrics import counters  # noqa: PLC0415  only workers count

    counters.fold()


def prune(**_: Any) -> None:
    from offbeat.ops.metrics import hours  # noqa: PLC0415  only the worker that prunes pays for it

    hours.prune()
