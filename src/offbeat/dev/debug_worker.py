"""A worker for `breakpoint()`: one process in the foreground, which runs one message at a time and has no time limits.

Celery's own worker runs tasks in children without a terminal, and kills those that take too long. This one sends its heartbeat from
a thread, so it is not lost while a person thinks; it takes the same messages from Redis, and runs them by the same code as a child.
Killed, it leaves what every worker leaves: another one notices, and the job is due again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.app.trace import trace_task_ret
from kombu.exceptions import OperationalError

from offbeat.jobs import batches, concurrency_keys, decisions, refusal, relay, workers
from offbeat.jobs.conf import conf
from offbeat.jobs.message import JOB_HEADER
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.processes import is_alive
from offbeat.jobs.worker import graceful_stop
from offbeat.jobs.worker.consumer import TaskConsumer
from offbeat.jobs.worker.maintenance_thread import PeriodicThread
from offbeat.jobs.worker.periodic_tasks import PeriodicTask
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TURN = 1.0  # seconds between two looks at Redis where nothing comes
LEAVING = 20.0  # seconds that the worker of ./run up may take to stop


class DebugWorker:
    """Takes messages from queues, and runs each in this process, in the main thread: a debugger has the terminal."""

    def __init__(self, queues: Sequence[str], say: Callable[[str], None]) -> None:
        self.queues = sorted(queues)
        self.say = say
        self.is_interrupted = False
        self.waiting: list[Any] = []
        self.busy = 0

    def run(self) -> None:
        """Run until Ctrl-C; a job that Ctrl-C interrupts is due again."""
        current_app.loader.import_default_modules()
        signal.signal(signal.SIGINT, self._interrupt)
        PeriodicThread(self._periodic_tasks(), name="jobs-debug").start()
        try:
            with contextlib.suppress(KeyboardInterrupt):
                self._wait_for_others()
                self.say(f"Taking jobs from {', '.join(self.queues)}, one at a time. Ctrl-C ends it.")
                self._consume()
        finally:
            graceful_stop.leave_ledger()  # a job that Ctrl-C met before its task began is due again

    def beat(self) -> None:
        if worker_state.has_left_ledger:  # a late heartbeat would bring the row back
            return
        workers.beat(
            queues=json.dumps(self.queues), concurrency=1, busy=self.busy, stopping=False, broker_away=None
        )

    def _periodic_tasks(self) -> list[PeriodicTask]:
        return [
            PeriodicTask("heartbeat", conf().heartbeat_interval, self.beat),
            PeriodicTask("relay", conf().relay_interval, relay.relay),
            PeriodicTask("batches", conf().reconcile_interval, batches.settle_all),
            PeriodicTask("free keys", conf().busy_retry, concurrency_keys.hand_over_free_keys),
        ]

    def _wait_for_others(self) -> None:
        """Wait until the worker of ./run up has stopped: else a job might run there, where breakpoint() has no terminal."""
        deadline = time.monotonic() + LEAVING
        if others():
            self.say("Waiting for the other worker to pause.")
        while (left := others()) and time.monotonic() < deadline:
            time.sleep(TURN / 4)
        for other in left:
            self.say(
                f"Warning: another worker ({other}) takes jobs too, and may run those that you wait for. Stop it."
            )

    def _consume(self) -> None:
        while not self.is_interrupted:
            try:
                with current_app.connection_for_read() as connection, connection.channel() as channel:
                    self._consume_from(connection, channel)
            except (OperationalError, *current_app.connection_for_read().connection_errors) as error:
                self.say(f"Redis is down: {error}. Trying again.")
                time.sleep(TURN)

    def _consume_from(self, connection: Any, channel: Any) -> None:
        queues = [current_app.amqp.queues[name] for name in self.queues]
        consumer = TaskConsumer(
            channel, queues, on_message=self.waiting.append, accept=current_app.conf.accept_content
        )
        consumer.qos(prefetch_count=1)
        with consumer:
            while not self.is_interrupted:
                with contextlib.suppress(socket.timeout):
                    connection.drain_events(timeout=TURN)
                while self.waiting:
                    self._handle(self.waiting.pop(0))

    def _handle(self, message: Any) -> None:
        """Run a message, and acknowledge it: before that its end is recorded."""
        name, job_id = message.headers["task"], message.headers["id"]
        if name in current_app.tasks:
            self.busy = 1
            try:
                self._trace(name, job_id, message)
            finally:
                self.busy = 0
                signal.signal(signal.SIGINT, self._interrupt)  # pdb's `c` has left a handler of its own
        elif message.headers.get(JOB_HEADER):
            refusal.refuse([uuid.UUID(job_id)], name)
        message.ack()

    def _trace(self, name: str, job_id: str, message: Any) -> None:
        self.say(f"{name} {job_id} starts.")
        request = {
            **message.headers,
            "delivery_info": message.delivery_info,
            "correlation_id": job_id,
            "reply_to": "",
        }
        body = (message.body, message.content_type, message.content_encoding)
        started = time.monotonic()
        is_failure, *_ = trace_task_ret(name, job_id, request, *body, app=current_app)
        seconds = time.monotonic() - started
        if not message.headers.get(JOB_HEADER):
            self.say(f"{name} {job_id} {'failed' if is_failure else 'succeeded'} after {seconds:.1f} s.")
            return
        if self.is_interrupted and decisions.retry(uuid.UUID(job_id)):
            self.say(f"{name} {job_id} is interrupted, and returned to the queue.")
            return
        self.say(_told(job_id, seconds))

    def _interrupt(self, number: int, frame: Any) -> None:
        self.is_interrupted = True
        raise KeyboardInterrupt


def others() -> list[str]:
    """Return the workers that live, but for this one: one of this machine whose process is gone does not count."""
    rows = Worker.objects.exclude(pk=workers.current()).values_list("hostname", "pid")
    here = socket.gethostname()
    return [
        f"{host}, pid {pid}" for host, pid in rows if pid != os.getpid() and (host != here or is_alive(pid))
    ]


def _told(job_id: str, seconds: float) -> str:
    job = Job.objects.get(pk=job_id)
    state = "is a dead letter" if job.state == Job.State.DEAD else f"is {job.state}"
    why = f": {job.reason}. Again: ./run manage jobs retry {job.id}" if job.state == Job.State.DEAD else ""
    return f"{job.task} {job.id} {state} after {seconds:.1f} s{why}"
