from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "offbeat.ops.alerts"
    label = "offbeat_alerts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from offbeat.jobs.worker import periodic_tasks  # noqa: PLC0415
        from offbeat.ops.alerts.conf import conf  # noqa: PLC0415

        periodic_tasks.register("alerts", conf().interval, check)


def check() -> None:
    from offbeat.ops.alerts import watch  # noqa: PLC0415  only workers and web processes watch

    watch.start_check()
