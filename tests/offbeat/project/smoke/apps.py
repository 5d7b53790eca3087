from django.apps import AppConfig


class SmokeConfig(AppConfig):
    name = "tests.offbeat.project.smoke"
    label = "offbeat_smoke"
