from django.apps import AppConfig


class CronjobsConfig(AppConfig):
    name = "cronjobs"
    default_auto_field = "django.db.models.BigAutoField"
