"""The deployment app: its system checks run with Django's own."""

from django.apps import AppConfig


class DeploymentConfig(AppConfig):
    name = "offbeat.deployment"
    label = "offbeat_deployment"

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
