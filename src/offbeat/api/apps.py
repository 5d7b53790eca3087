from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "offbeat.api"
    label = "offbeat_api"

    def ready(self) -> None:
        from offbeat.api import checks  # noqa: F401, PLC0415  it registers system checks
