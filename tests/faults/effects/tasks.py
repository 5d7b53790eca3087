"""Tasks that misbehave on request, and write down what they did."""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import time

from celery import shared_task

from tests.faults.effects.models import Effect


def note(label, what):
    Effect.objects.create(label=label, what=what, pid=os.getpid())


@shared_task
def nothing():
    """Do nothing: what a benchmark runs."""


@shared_task
def nothing_by_mail():
    """Do nothing, in the queue that no task of the core uses."""


@shared_task
def work(label, seconds=0.0):
    """Note the start, work for a while, note the end."""
    note(label, "start")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))
    note(label, "done")


@shared_task
def count_frozen(label):
    """Note how many objects the garbage collector passes over."""
    note(label, str(gc.get_freeze_count()))


@shared_task
def rest(seconds):
    """Touch no database."""
    time.sleep(seconds)


@shared_task(soft_time_limit=4)
def rest_within_a_limit(seconds):
    """The same, with a soft limit that passes soon after its end."""
    time.sleep(seconds)


@shared_task(atomic=True)
def work_atomically(label, seconds=0.0):
    """Do the same in one transaction with the finish."""
    work.run(label, seconds)


@shared_task(bind=True, max_retries=3, default_retry_delay=0.2)
def fail_until(self, label, successful_attempt):
    """Ask for a retry until the given attempt."""
    note(label, "start")
    if self.request.retries + 1 < successful_attempt:
        self.retry(exc=ValueError(f"attempt {self.request.retries + 1}"))
    note(label, "done")


@shared_task(autoretry_for=(ConnectionError,), retry_backoff=1, retry_jitter=False, max_retries=2)
def fail_always(label):
    note(label, "start")
    raise ConnectionError("no route")


@shared_task
def divide(a, b):
    return a / b


@shared_task
def kill_itself(label):
    note(label, "start")
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task
def segfault(label):
    note(label, "start")
    ctypes.string_at(0)


@shared_task
def leak(label):
    """Use memory until the kernel's limit on this process ends it."""
    note(label, "start")
    resource.setrlimit(resource.RLIMIT_DATA, (400 * 2**20, 400 * 2**20))
    hoard = []
    try:
        while True:
            hoard.append(bytearray(10 * 2**20))
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)  # what the kernel's out-of-memory killer sends


@shared_task(time_limit=2)
def never_end(label):
    """Sleep for ever, and swallow the soft time limit's exception, as careless code does."""
    note(label, "start")
    while True:
        with contextlib.suppress(Exception):
            time.sleep(1)


@shared_task
def kill_the_worker(label):
    """Kill the whole process tree of the worker, as a container out of memory does."""
    note(label, "start")
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task
def copy_by_iterator(label):
    """Read rows in several batches, and write one between any two of them: the recipe of docs/jobs.md."""
    for row in Effect.objects.filter(what="start").iterator(chunk_size=1):
        note(f"{label} {row.pk}", "done")
