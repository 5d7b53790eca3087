from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"

    def ready(self) -> None:
        from jobs import checks, sent  # noqa: F401, PLC0415  register system checks and a Celery signal
