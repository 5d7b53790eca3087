"""The deployment app: its system checks run with Django's own."""

from typing import Any

from django.apps import AppConfig

from offbeat import garbage_collector


class DeploymentConfig(AppConfig):
    name = "offbeat.deployment"
    label = "offbeat_deployment"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        garbage_collector.pause()  # Django imports all models, and makes all other apps ready, before ready()

    def ready(self) -> None:
        from offbeat.database import pooler  # noqa: PLC0415  the settings are ready now
        from offbeat.deployment import (  # noqa: F401, PLC0415 - checks register; the app registry is ready now
            checks,
            core_check,
            csp_check,
            media_check,
            middleware_check,
        )

        pooler.connect()
        garbage_collector.resume()
