from collections.abc import Iterator

from django.apps import AppConfig
from django.core.checks import Error, register


class AlertsConfig(AppConfig):
    name = "offbeat.ops.alerts"
    label = "offbeat_alerts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from offbeat.jobs.worker import periodic_tasks  # noqa: PLC0415
        from offbeat.ops.alerts.conf import conf  # noqa: PLC0415

        periodic_tasks.register("alerts", conf().interval, check)


@register
def check_settings(**_: object) -> Iterator[Error]:
    from offbeat.ops.alerts.conf import AlertsConf  # noqa: PLC0415

    yield from AlertsConf.find_errors("offbeat_alerts.E001")


def check() -> None:
    from offbeat.ops.alerts import watch  # noqa: PLC0415  only workers and web processes watch

    watch.start_check()
