from django.apps import AppConfig
from django.db.models.signals import post_migrate

from offbeat.cache_table import create_cache_table


class OpsConfig(AppConfig):
    name = "offbeat.ops"
    label = "offbeat_ops"

    def ready(self) -> None:
        from offbeat.ops import audit, logs_context, logs_sentry, logs_traces  # noqa: PLC0415  they need Django's apps

        audit.connect()
        logs_context.connect()
        logs_sentry.start()
        logs_traces.start()
        post_migrate.connect(create_cache_table, sender=self)
