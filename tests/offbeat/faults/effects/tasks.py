"""Tasks that misbehave on request, and write down what they did."""

import asyncio
import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
import threading
import time

import psutil
from asgiref.sync import sync_to_async
from celery import Task, shared_task, signals
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction
from django.db.models import F
from django.utils import translation

from offbeat.jobs.tasks_backend.interface import task
from tests.offbeat.faults.effects.models import Effect


def note(label, what):
    Effect.objects.create(label=label, what=what, pid=os.getpid())


@shared_task
def nothing():
    """Do nothing: what a benchmark runs."""


@shared_task
def raise_at_length(shape, characters):
    """Raise an error that says very much, and then its point."""
    raise ValueError(shape * characters + "the end")


@shared_task
def nothing_by_mail():
    """Do nothing, in the queue that no task of the core uses."""


@shared_task
def work(label, seconds=0.0, gate=None):
    """Note the start, work for a while, and until a test has opened the gate where there is one, note the end."""
    note(label, "start")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))
    if gate:
        wait_for_file.run(gate)
    note(label, "done")


@shared_task
def write_line(path, text):
    """Do what no backup of the database takes back."""
    with open(path, "a") as file:  # noqa: PTH123
        file.write(f"{text}\n")


@shared_task
def wait_for_file(path):
    while not os.path.exists(path):  # noqa: PTH110
        time.sleep(0.02)


@shared_task
def count_frozen(label):
    """Note how many objects the garbage collector passes over."""
    note(label, str(gc.get_freeze_count()))


@shared_task
def rest(seconds):
    """Touch no database."""
    time.sleep(seconds)


@shared_task(soft_time_limit=8)
def rest_within_a_limit(seconds):
    """The same, with a soft limit that passes soon after its end."""
    time.sleep(seconds)


@shared_task(atomic=True)
def work_atomically(label, seconds=0.0, gate=None):
    """Do the same in one transaction with the finish."""
    work.run(label, seconds, gate)


@task
def work_by_django(label, seconds=0.0, gate=None):
    """The same through Django's own interface."""
    work.run(label, seconds, gate)


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


@signals.worker_process_init.connect
def wait_at_the_start(**_):
    """Let no process begin before a test has opened the gate for it."""
    if gate := os.environ.get("EFFECTS_START_GATE"):
        wait_for_file.run(gate)


@shared_task(soft_time_limit=2, time_limit=3)
def work_briefly(label):
    work.run(label)


@shared_task
def divide(a, b):
    return a / b


WAITS = {
    "await": lambda: asyncio.sleep(60),
    "gather": lambda: asyncio.gather(asyncio.sleep(60), asyncio.sleep(60)),
    "query": lambda: sync_to_async(query_for)(60),
    "call": lambda: sync_to_async(time.sleep)(60),
    "thread": lambda: asyncio.to_thread(time.sleep, 6),
    "sleep": lambda: time.sleep(60),
    "code": lambda: sum(1 for _ in iter(int, 1)),
}


@shared_task(soft_time_limit=2, time_limit=60)
async def wait_async(label, how):
    """Wait for ever, in each of the ways that a coroutine has."""
    beside = asyncio.create_task(asyncio.sleep(3600))
    await anote(label, "start")
    try:
        if (waited := WAITS[how]()) is not None:
            await waited
    except SoftTimeLimitExceeded:
        await anote(label, f"interrupted {beside.done()}")
        raise


def query_for(seconds):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


async def anote(label, what):
    await Effect.objects.acreate(label=label, what=what, pid=os.getpid())


@shared_task(time_limit=2, max_attempts=1)
async def never_end_async(label):
    """Swallow whatever interrupts it, as careless code does."""
    await anote(label, "start")
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(1)


@shared_task(bind=True, atomic=True)
async def work_async(self, label):
    """Note the tasks of its loop, and whether it knows its request; fail where the label says so."""
    await anote(label, f"{len(asyncio.all_tasks())} {self.request.id is not None}")
    if label == "bad":
        raise ValueError(label)


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
def never_end_long(label):
    """The same, without a limit of its own."""
    never_end.run(label)


@shared_task
async def wait_async_long(label):
    await anote(label, "start")
    await asyncio.sleep(300)
    await anote(label, "done")


@shared_task
def query_for_a_second(label):
    query_for(1)
    note(label, "done")


@shared_task
def compute(label, seconds):
    """Never wait: where greenlets run, no other does."""
    note(label, "start")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass
    note(label, "done")


@shared_task
def query_long(label):
    note(label, "start")
    query_for(300)
    note(label, "done")


@shared_task(bind=True, max_retries=None)
def retry_when_interrupted(self, label):
    """Take an interruption for a reason to try again, as careful code does."""
    note(label, "start")
    try:
        time.sleep(300)
    except SoftTimeLimitExceeded as error:
        self.retry(exc=error, countdown=0)


@shared_task(bind=True, atomic=True)
def report_atomically(self, label, seconds):
    """Hold the row of its own job from the first report to its end, in its transaction."""
    note(label, "start")
    for done in range(round(seconds * 10)):
        self.progress(done, round(seconds * 10))
        time.sleep(0.1)
    note(label, "done")


@shared_task(atomic=True)
def retire(label):
    """A task that the next version of the code does not have."""
    note(label, "done")


@shared_task(atomic=True)
def change(label):
    """A task that takes one more argument in the next version of the code."""
    note(label, "done")


ENDS = {
    "exit": lambda: sys.exit(0),
    "exit with an error": lambda: sys.exit("broken"),
    "interrupt": lambda: throw(KeyboardInterrupt()),
    "generator": lambda: throw(GeneratorExit()),
    "cancelled": lambda: throw(asyncio.CancelledError("away")),
    "memory": lambda: throw(MemoryError("no more")),
}


def throw(error):
    raise error


@shared_task
def end_by(label, how):
    """End as code does that was not written for a worker."""
    note(label, "start")
    ENDS[how]()


@shared_task(time_limit=6)
def pass_the_hard_limit(label, seconds):
    """Work on, whatever the soft limit says."""
    with contextlib.suppress(SoftTimeLimitExceeded):
        work.run(label, seconds)
    work.run(label, seconds)


@shared_task(soft_time_limit=6, time_limit=60)
def pass_the_soft_limit(label, seconds):
    work.run(label, seconds)


@shared_task(atomic=True)
def fail_after_commit(label):
    """Succeed, and fail in what was to follow the commit."""
    note(label, "done")
    transaction.on_commit(lambda: throw(ValueError("too late")))


@shared_task
def leave_a_transaction_open(label):
    """Note something in a transaction that nobody ends."""
    connection.set_autocommit(False)
    note(label, "done")


@shared_task
def change_the_session(label):
    """Leave the session so that the next task could not write."""
    note(label, "done")
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")


@shared_task(atomic=True)
def lock_in_turn(label, first, second):
    """Lock two effects, one after the other: with another task that takes them the other way round, a deadlock."""
    for number in (first, second):
        Effect.objects.select_for_update().get(label=f"row {number}")
        time.sleep(0.05)
    note(label, "done")


@shared_task(base=Task)
def be_plain(label):
    """A task of Celery's own class, as libraries have them."""
    note(label, "start")


@shared_task(atomic=True)
def fork_in_a_transaction(label, how):
    """Fork in the middle of two effects that belong together."""
    note(label, "first")
    if os.fork() == 0:
        if how == "exit":
            sys.exit(3)
        return
    time.sleep(1)
    note(label, "done")


@shared_task
def fork_in_a_block(label, how):
    with transaction.atomic():
        fork_in_a_transaction.run(label, how)


@shared_task
def fork(label, how):
    """Fork a process that comes back from the task, as its parent does."""
    if os.fork():
        time.sleep(0.5)
        note(label, "done")
    elif how == "exit":
        sys.exit(3)


@shared_task
def copy_by_iterator(label):
    """Read rows in several batches, and write one between any two of them: the recipe of docs/offbeat/jobs.md."""
    for row in Effect.objects.filter(what="start").iterator(chunk_size=1):
        note(f"{label} {row.pk}", "done")


@shared_task(atomic=True, bind=True)
def hold_the_first_time(self, row):
    """Lock a row inside the job's transaction, for longer than any test."""
    if self.request.attempt.number == 1:
        Effect.objects.select_for_update().get(label=row)
        time.sleep(600)


@shared_task(soft_time_limit=4, time_limit=30)  # on a slow machine it takes a while to hear of the soft one
def touch(row):
    """Count itself in a row: one statement, which waits for whoever holds the row."""
    Effect.objects.filter(label=row).update(pid=F("pid") + 1)


@shared_task(soft_time_limit=2, time_limit=60)
def touch_softly(row):
    """The same in a block of its own, with a limit that interrupts the statement."""
    with transaction.atomic():
        touch.run(row)


@shared_task(soft_time_limit=2, time_limit=60)
def clean_up(label):
    """Catch the soft limit in the middle of a statement, and write down that it passed, as Celery's manual shows."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")
    except SoftTimeLimitExceeded:
        note(label, "cleaned")
        raise


@shared_task(atomic=True, bind=True)
def freeze_before_the_commit(self, label):
    """Stop the whole worker, the first time, when the job's end is written and not committed."""
    note(label, "done")
    if self.request.attempt.number == 1:
        connection.execute_wrappers.append(freeze_after_the_end)


def freeze_after_the_end(execute, sql, params, many, context):
    result = execute(sql, params, many, context)
    if "'succeeded'" in sql:
        worker = psutil.Process(os.getppid())
        for process in [worker, *(each for each in worker.children() if each.pid != os.getpid())]:
            process.suspend()
        os.kill(os.getpid(), signal.SIGSTOP)
    return result


def sleep_in_postgres(seconds):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


@shared_task
def ask_slowly(label, seconds):
    note(label, "start")
    sleep_in_postgres(seconds)
    note(label, "done")


@shared_task(atomic=True)
def ask_slowly_atomically(label, seconds):
    sleep_in_postgres(seconds)


@shared_task(statement_timeout=0)
def ask_for_as_long_as_it_takes(label, seconds):
    sleep_in_postgres(seconds)
    note(label, "done")


class Hooked(Task):
    """Notes what Celery calls around its task, as a project's base class would."""

    def before_start(self, task_id, args, kwargs):
        note(args[0], "before_start")

    def on_success(self, retval, task_id, args, kwargs):
        note(args[0], f"success {retval}")

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        note(args[0], type(exc).__name__)

    def after_return(self, status, retval, task_id, args, kwargs, einfo):  # noqa: PLR0917  as in Celery
        note(args[0], f"after {status}")


@shared_task(base=Hooked, max_attempts=2, time_limit=600)
def has_hooks(label, how="return"):
    note(label, "start")
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "raise":
        raise ValueError(label)
    return label


@shared_task(time_limit=2, soft_time_limit=1)
def stop_at_a_breakpoint(label):
    note(label, "start")
    breakpoint()  # noqa: T100  what a person writes
    note(label, "done")


@shared_task(soft_time_limit=2, time_limit=60)
def write_until_interrupted(label):
    """Send one short statement after the other, in a transaction."""
    with transaction.atomic():
        while True:
            note(label, "done")


@shared_task(soft_time_limit=2, time_limit=60)
def read_until_interrupted(label):
    """The same without a transaction, and clean up in the same session."""
    try:
        while True:
            Effect.objects.filter(label=label).count()
    except SoftTimeLimitExceeded:
        note(label, "cleaned")
        raise


@shared_task
def speak_german(label):
    """Note the language at the beginning, and leave another one."""
    note(label, translation.get_language())
    translation.activate("de")


@shared_task(time_limit=2, max_attempts=1)
def touch_in_a_thread(label, row):
    """Wait for ever for a thread of its own, which waits for whoever holds the row."""
    note(label, "start")
    thread = threading.Thread(target=touch.run, args=[row], daemon=True)
    thread.start()
    while True:
        with contextlib.suppress(SoftTimeLimitExceeded):
            thread.join()


@shared_task(time_limit=2, max_attempts=1)
def hold_the_interpreter(label):
    """Wait in C, as code does there that computes: no other thread of Python runs."""
    note(label, "start")
    ctypes.PyDLL(None).sleep(60)


@shared_task
def hold_the_interpreter_for(label, seconds):
    """The same, for a while."""
    note(label, "start")
    ctypes.PyDLL(None).sleep(seconds)


@shared_task
def close_its_connection(label):
    note(label, "start")
    connection.close()
    note(label, "done")


@shared_task(atomic=True)
def close_its_connection_atomically(label):
    note(label, "lost")
    connection.close()


@shared_task(soft_time_limit=2, time_limit=60, atomic=True)
def swallow_in_a_savepoint(label):
    """Catch the limit around a savepoint, and go on in the transaction around it."""
    note(label, "outer")
    with contextlib.suppress(SoftTimeLimitExceeded), transaction.atomic():
        note(label, "inner")
        time.sleep(30) if label.startswith("sleep") else query_for(30)
    note(label, "done")


@shared_task
def note_exit(label):
    """Have the end of this process noted, by a receiver as Sentry's and that of pings."""
    signals.worker_process_shutdown.connect(lambda **_: note(label, "exit"), weak=False)
