from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from offbeat.storage.cache_table import create_cache_table


class OpsConfig(AppConfig):
    name = "offbeat.ops"
    label = "offbeat_ops"

    def ready(self) -> None:
        from offbeat.jobs import signals  # noqa: PLC0415  they need Django's apps
        from offbeat.ops import audit, logs_context, logs_sentry, logs_traces  # noqa: PLC0415
        from offbeat.ops.logins import checks, trace  # noqa: F401, PLC0415

        audit.connect()
        logs_context.connect()
        trace.connect()
        signals.ledger_pruned.connect(prune)
        logs_sentry.start()
        logs_traces.start()
        post_migrate.connect(create_cache_table, sender=self)


def prune(**_: Any) -> None:
    from offbeat.ops import retention  # noqa: PLC0415  only the worker that prunes pays for it

    retention.prune()
