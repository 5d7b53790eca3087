import os
from pathlib import Path

from celery import signals
from django.apps import AppConfig

# Names the file that a worker makes as soon as it takes messages.
READY_FILE = "WORKER_READY_FILE"


class DevConfig(AppConfig):
    name = "offbeat.dev"
    label = "offbeat_dev"

    def ready(self) -> None:
        if path := os.environ.get(READY_FILE):
            signals.worker_ready.connect(lambda **_: Path(path).touch(), weak=False)
