from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "ops.alerts"
    label = "alerts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from jobs.worker import duties  # noqa: PLC0415
        from ops.alerts.conf import conf  # noqa: PLC0415

        duties.register("alerts", conf().interval, turn)


def turn() -> None:
    from ops.alerts import watch  # noqa: PLC0415  only workers and web processes watch

    watch.turn()
