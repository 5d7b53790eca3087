from django.apps import AppConfig


class DevConfig(AppConfig):
    name = "offbeat.dev"
    label = "offbeat_dev"
