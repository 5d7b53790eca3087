"""In the place of their worker, as a test calls it: the real worker that stands by takes what waits in the queues."""

from bench.conformance.worker import QUEUES, run_batch
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    def add_arguments(self, parser):
        for option in ("queue-name", "exclude-queues", "interval", "max-tasks", "worker-id"):
            parser.add_argument(f"--{option}")
        parser.add_argument("--backend", dest="backend_name")
        parser.add_argument("--batch", action="store_true")
        parser.add_argument("--no-startup-delay", action="store_false", dest="startup_delay")

    def handle(self, *, queue_name, exclude_queues, **options):
        named = QUEUES if queue_name == "*" else (queue_name or "default").split(",")
        run_batch([each for each in named if each not in (exclude_queues or "").split(",")])
