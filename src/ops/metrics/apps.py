from django.apps import AppConfig

INTERVAL = 5.0  # seconds between two foldings: how far counters lag behind the ledger


class MetricsConfig(AppConfig):
    name = "ops.metrics"
    label = "metrics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from jobs.worker import duties  # noqa: PLC0415

        duties.register("counters", INTERVAL, count)


def count() -> None:
    from ops.metrics import counting  # noqa: PLC0415  only workers count

    counting.fold()
