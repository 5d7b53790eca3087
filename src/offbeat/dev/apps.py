from django.apps import AppConfig


class LocalConfig(AppConfig):
    name = "offbeat.dev"
    label = "offbeat_dev"
