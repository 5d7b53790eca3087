"""A real worker that stands by: it consumes a queue for as long as a test wants it to."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import ClassVar

from bench.stand import process, wait_until

QUEUES = ["default", "queue-1"]
ASK = {"destination": ["standing@by"], "reply": True, "limit": 1}
PATIENCE = 40  # seconds for a batch; what is READY afterwards stays so


@contextlib.contextmanager
def standing_by():
    """Start it on a queue that nobody uses."""
    command = f"{sys.executable} manage.py worker --queues nobody --concurrency 1 --hostname {ASK['destination'][0]}"
    settings = "tests.db_worker_test_settings"  # so it has their tests, and not the checkout's
    environment = {
        "WORKER_REMOTE_CONTROL": "true",
        "OFFBEAT_JOBS_UNKNOWN_AFTER": "1",
        "OFFBEAT_JOBS_RECONCILE_INTERVAL": "0.5",
        "OFFBEAT_JOBS_LOST_MESSAGE_AFTER": "3",
    }
    with process(command, **environment, DJANGO_SETTINGS_MODULE=settings):
        wait_until(lambda: control().ping(timeout=0.3), seconds=60)
        yield


def control():
    from celery import current_app

    return current_app.control


def run_batch(queues):
    """Let it take what is due in these queues."""
    for queue in queues:
        control().add_consumer(queue, **ASK)
    try:
        wait_until_idle(queues)
    finally:
        for queue in queues:
            control().cancel_consumer(queue, **ASK)


def wait_until_idle(queues):
    """Wait until no job of the queues is due or runs, or for as long as there is patience."""
    from django.db.models import Q
    from django.utils import timezone

    from offbeat.jobs.models import Job

    deadline = time.monotonic() + float(os.environ.get("CONFORMANCE_PATIENCE", PATIENCE))
    while time.monotonic() < deadline:
        due = Q(state__in=Job.STARTABLE, due_at__lte=timezone.now()) | Q(state="running")
        if not Job.objects.filter(due, queue__in=queues).exists():
            return
        time.sleep(0.02)


def write_view():
    """Present our ledger as their table."""
    from pathlib import Path

    import django_tasks_db
    from django.db import connection

    from offbeat.jobs.message import RUNNER

    with connection.cursor() as cursor:
        sql = Path(django_tasks_db.__file__).with_name("ledger.sql").read_text()
        cursor.execute(sql.replace("RUNNER", RUNNER))


class PatientProcesses:
    """`subprocess` for tests that give a process half a second to end: a worker with a broker takes longer."""

    started: ClassVar[list[subprocess.Popen]] = []

    def __getattr__(self, name):
        return getattr(subprocess, name)

    class Popen(subprocess.Popen):
        def __init__(self, command, **options):
            super().__init__(command, **options)
            if "--batch" not in command:
                PatientProcesses.started.append(self)

        def wait(self, timeout=None):
            return super().wait(None if timeout is None else max(timeout, PATIENCE))


class PatientClock:
    """`time` for tests that sleep until a worker, by their guess, has started: these look."""

    def __init__(self, case):
        self.case = case

    def __getattr__(self, name):
        return getattr(time, name)

    def sleep(self, seconds):
        if seconds != self.case.WORKER_STARTUP_TIME:
            return time.sleep(seconds)
        return wait_until(is_started, seconds=60)


def is_started():
    """Tell whether the workers are in the ledger, and have begun what they can."""
    from offbeat.jobs.models import Job, Worker

    known = set(Worker.objects.values_list("pid", flat=True))
    running = {each.pid for each in PatientProcesses.started if each.poll() is None}
    return running <= known and not Job.objects.filter(state__in=Job.STARTABLE).exists()
