import os
from pathlib import Path

from celery import signals
from django.apps import AppConfig

from offbeat.dev.launch import READY_FILE


class DevConfig(AppConfig):
    name = "offbeat.dev"
    label = "offbeat_dev"

    def ready(self) -> None:
        if path := os.environ.get(READY_FILE):
            signals.worker_ready.connect(lambda **_: Path(path).touch(), weak=False)
