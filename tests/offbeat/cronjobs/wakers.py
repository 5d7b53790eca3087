"""Wake-ups in processes of their own, many at once or killed at a step: `python tests/offbeat/cronjobs/wakers.py ...`."""

import gc
import os
import signal
import sys
import traceback
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from multiprocessing import get_context

import django
from celery import current_app
from django.db import connection, connections

STEPS = ("claimed", "enqueued", "committed", "published")


def entry(name):
    """Give a per-minute cronjob whose jobs leave an effect with its name and their slot."""
    from offbeat.cronjobs.commands import EnqueueCommand  # noqa: PLC0415  Django is set up only now
    from offbeat.cronjobs.entries import Entry  # noqa: PLC0415
    from offbeat.deployment.schedule import Schedule  # noqa: PLC0415
    from tests.offbeat.faults.effects.tasks import work  # noqa: PLC0415

    class Command(EnqueueCommand):
        task = work
        overlap = "allow"

        def arguments(self, slot, options):
            return {"label": f"{name} {slot:%H:%M}"}

    return Entry(name, Schedule.parse("* * * * *"), "enqueue_work", Command())


def storm(name, moment, processes, rounds):
    """Let so many processes wake up one cronjob at the same moment, minute after minute."""
    from offbeat.cronjobs.registration import register  # noqa: PLC0415

    mine = entry(name)
    register(mine, moment - timedelta(seconds=30))
    connections.close_all()
    all_at_once(processes, partial(wake, mine), minutes(moment, rounds))


def minutes(moment, rounds):
    return [moment + timedelta(minutes=number, seconds=1) for number in range(rounds)]


def all_at_once(processes, act, moments):
    """Fork processes that meet before each moment, and act at it, each on a connection of its own."""
    meeting = get_context("fork").Barrier(processes)
    pids = [fork(meeting, act, moments) for _ in range(processes)]
    failed = sum(os.waitpid(pid, 0)[1] != 0 for pid in pids)
    assert failed == 0, f"{failed} processes failed"


def import_all():
    """Import what a wake-up imports while it publishes: hundreds are forked, and each would do so."""
    with current_app.connection_for_write() as carrier:
        carrier.transport  # noqa: B018  makes it
    current_app.amqp  # noqa: B018  the same
    gc.freeze()  # so that a collection writes on none of the shared pages


def fork(meeting, act, moments):
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for moment in moments:
            meeting.wait()
            act(now=moment)
            connections.close_all()
        code = 0
    finally:
        if code:
            traceback.print_exc()
            meeting.abort()  # or the others would wait for it
        os._exit(code)


def wake(mine, now, **options):
    from offbeat.cronjobs.wakeup import wake_up  # noqa: PLC0415

    return wake_up(mine, now=now, **options)


def crash(step, moment):
    """Wake a cronjob up, and be killed at one step."""
    from offbeat.cronjobs import slots  # noqa: PLC0415
    from offbeat.jobs import broker  # noqa: PLC0415

    publish = broker.publish

    def published(messages, **how):
        publish(messages, **how)
        die()

    options = {}
    if step == "claimed":
        slots.enqueue_jobs = die
    elif step == "enqueued":
        slots.save_rows = die
    elif step == "committed":
        options["on_commit"] = die
    else:
        broker.publish = published
    wake(entry(step), moment, **options)


def ticking(names):
    """Give a function that ticks over cronjobs with these names, two a transaction."""
    from offbeat.cronjobs import entries, tick_wakeup  # noqa: PLC0415
    from offbeat.deployment import spec  # noqa: PLC0415

    cronjobs = [spec.CronJobSpec(name=name, schedule="* * * * *", command=name) for name in names]
    entries.in_file, entries.load_entry = lambda: cronjobs, lambda cronjob: entry(cronjob.name)
    tick_wakeup.BATCH = 2
    return tick_wakeup.tick


def tick_storm(names, moment, processes, rounds):
    """Let so many processes tick at the same moment, minute after minute; the first of all finds cronjobs that are new."""
    tick = ticking(names.split(","))
    connections.close_all()
    all_at_once(processes, tick, minutes(moment, rounds))


def kill_ticks(names, moment):
    """Kill a tick before its first statement, commit or message, the next one before its second, and so on; print how many.

    Each has a minute of its own, and is followed by one that lives.
    """
    tick, killed = ticking(names.split(",")), 0
    while end_of(partial(tick, moment + timedelta(minutes=killed, seconds=1)), killed + 1) == -signal.SIGKILL:
        assert end_of(partial(tick, moment + timedelta(minutes=killed, seconds=20))) == 0
        killed += 1
    print(killed)


def end_of(act, last=0):
    """Return how a process ends that acts, killed before its `last` step if it has so many."""
    pid = os.fork()
    if not pid:
        try:
            dying_before(act, last)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dying_before(act, last):
    from offbeat.jobs import broker  # noqa: PLC0415

    steps = count(1)

    def counted(go_on, *values, **how):
        if next(steps) == last:
            die()
        return go_on(*values, **how)

    connection.commit = partial(counted, connection.commit)
    broker.publish = partial(counted, broker.publish)
    with connection.execute_wrapper(counted):
        act()


def stop(name, moment):
    """Wake a cronjob up, and be stopped in the middle, as by a frozen machine."""
    from offbeat.cronjobs import row_lock, slots  # noqa: PLC0415

    row_lock.BOUNDS = row_lock.BOUNDS.replace("15s", "1s")
    slots.enqueue_jobs = lambda *_: os.kill(os.getpid(), signal.SIGSTOP)
    wake(entry(name), moment)


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    django.setup()
    import_all()
    act, name, moment, *numbers = sys.argv[1:]
    {"storm": storm, "crash": crash, "stop": stop, "tick_storm": tick_storm, "kill_ticks": kill_ticks}[act](
        name, datetime.fromisoformat(moment), *map(int, numbers)
    )
