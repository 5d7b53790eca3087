from django.apps import AppConfig

INTERVAL = 5.0  # seconds between two foldings: how far counters lag behind the ledger


class MetricsConfig(AppConfig):
    name = "offbeat.ops.metrics"
    label = "offbeat_metrics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from offbeat.jobs.worker import periodic_tasks  # noqa: PLC0415

        periodic_tasks.register("counters", INTERVAL, count)


def count() -> None:
    from offbeat.ops.metrics import counters  # noqa: PLC0415  only workers count

    counters.fold()
