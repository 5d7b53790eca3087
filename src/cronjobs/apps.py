from django.apps import AppConfig


class CronjobsConfig(AppConfig):
    name = "cronjobs"
