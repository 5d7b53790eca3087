"""The process of lanes that are greenlets: `python lane_greenlets.py SOCKET`, started by the worker's main process.

Gevent's replacements come first: what is imported before them keeps the originals, and would block all greenlets. Whoever only
imports this module keeps them all.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import gevent.monkey

if __name__ == "__main__":
    gevent.monkey.patch_all()

import asyncio
import os
import socket
import sys
from asyncio import tasks
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import greenlet

if __name__ == "__main__":
    # Started as a file, Python would look for modules beside it.
    sys.path[0] = str(Path(__file__).resolve().parents[3])

if TYPE_CHECKING:
    from offbeat.jobs.lanes import Lane


def main(descriptor: int, shared: int) -> None:
    from offbeat.jobs.worker.lane_channel import Channel
    from offbeat.jobs.worker.lane_limits import task_starts

    channel = Channel(socket.socket(fileno=descriptor))
    setup = channel.receive_one()
    sys.path[:] = setup.path
    app = _load(setup)
    from offbeat.jobs import lanes
    from offbeat.jobs.worker.lane_threads import serve

    lanes.interrupt, lanes.withdraw = interrupt, lambda _: None
    lanes.identify = gevent.getcurrent
    greenlet.settrace(keep_loops_apart)
    starts = task_starts(len(setup.numbers), shared)
    os.close(shared)
    serve(channel, setup, app, starts)


def _load(setup: Any) -> Any:
    """Make this process what a fork of the main one would be."""
    import django
    from celery import current_app
    from celery.app.trace import setup_worker_optimizations

    from offbeat.boot import read_settings

    read_settings()
    django.setup()
    app = current_app._get_current_object()  # noqa: SLF001  the one behind the proxy
    app.loader.init_worker()
    setup_worker_optimizations(app, setup.hostname)
    from offbeat.jobs import workers
    from offbeat.jobs.worker import bootsteps

    workers.become(setup.worker)
    bootsteps.bound_statements()
    return app


def interrupt(lane: Lane, call: str) -> None:
    """Interrupt the task of a greenlet where it waits, whatever it waits for. One that never waits lets nobody do so."""
    from billiard.exceptions import SoftTimeLimitExceeded

    from offbeat.jobs import event_loop, lanes

    def throw() -> None:
        if lane.is_open and lane.call == call:
            for each in lane.active_connections():
                each.connection.pgconn.finish()  # its answer must not be taken for that of the next statement
            lane.runner.throw(SoftTimeLimitExceeded())

    def send() -> None:
        run = event_loop.innermost(lane.ident)
        if run is None or not run.interrupt_from_outside(SoftTimeLimitExceeded()):
            gevent.get_hub().loop.run_callback(throw)
            gevent.sleep(0)

    lanes.deliver(lane, call, send)


# Python 3.11 keeps the current task by its loop, so there is nothing to exchange.
def keep_loops_apart(event: str, greenlets: tuple[Any, Any]) -> None:
    """Let each greenlet have the running loop and the task of its own, wherever it lets others run: asyncio knows threads only."""
    left, entered = greenlets
    if (loop := asyncio._get_running_loop()) is not None:  # noqa: SLF001  asyncio's own way without an exception
        if (task := asyncio.current_task(loop)) is not None:
            tasks._leave_task(loop, task)  # noqa: SLF001
        left.offbeat_loop = loop, task
        asyncio._set_running_loop(None)  # noqa: SLF001
    if kept := entered.__dict__.pop("offbeat_loop", None):
        loop, task = kept
        asyncio._set_running_loop(loop)  # noqa: SLF001
        if task is not None:
            tasks._enter_task(loop, task)  # noqa: SLF001


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
    from offbeat.jobs.processes import leave

    leave(os.EX_OK)
