from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "offbeat.jobs"
    label = "offbeat_jobs"

    def ready(self) -> None:
        from offbeat.jobs import checks, option_checks  # noqa: F401, PLC0415  they register system checks
        from offbeat.jobs.tasks_backend import bridge  # noqa: PLC0415

        bridge.connect()
