"""The worker's consumer of tasks: a message that it cannot take is put aside, and the worker goes on."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any, cast

from celery import current_app
from celery.worker import state
from kombu.messaging import Consumer
from kombu.utils.json import dumps

from offbeat.jobs import brokers, code, refusal, unreadable_store
from offbeat.jobs.message import JOB_HEADER, reduce_to_job
from offbeat.jobs.unreadable_store import UnreadableError
from offbeat.jobs.worker import message_shape
from offbeat.jobs.worker.in_hand import is_of_broker
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Iterator


class TaskConsumer(Consumer):
    """Kombu's, which hands a message to Celery.

    1. A message is checked; of a job's nothing is taken but which job it is.
    2. It is given to Celery. What that raises all the same, and is neither the broker's nor the way of a worker to stop, is taken
       as the message's fault.
    3. What fails 1 or 2 is kept in a list (`offbeat.jobs.unreadable_store`), then acknowledged.
    Death between keeping and acknowledging: a plain message is delivered again, and is kept twice.
    """

    def declare(self) -> None:
        for queue in list((self._queues or {}).values()):
            with _consuming(queue.name):
                queue.declare()

    def add_queue(self, queue: Any) -> Any:
        with _consuming(queue.name):
            return super().add_queue(queue)

    def consume(self, no_ack: bool | None = None) -> None:
        """Take messages, but not for a worker that stops: one that connects anew, for what still runs, would begin more."""
        if not worker_state.is_stopping:
            super().consume(no_ack)

    def _basic_consume(
        self, queue: Any, consumer_tag: Any = None, no_ack: Any = None, nowait: bool = True
    ) -> Any:
        """Consume a queue, and wait for the answer: it says which queue it is that has none."""
        with _consuming(queue.name):
            return super()._basic_consume(queue, consumer_tag, no_ack, nowait=False)

    def _receive_callback(self, message: Any) -> None:
        message = cast("Any", self.channel).message_to_python(message)  # as kombu does it, later
        try:
            self._check(message)
            if _refuse_undurable(message):
                message.ack()
            else:
                super()._receive_callback(message)
        except UnreadableError as error:
            _put_aside(message, str(error))
        except Exception as error:
            if is_of_broker(error):
                raise
            _forget(message)
            _put_aside(message, f"the worker failed on it: {type(error).__name__}: {error}")

    def _check(self, message: Any) -> None:
        if message.headers.get(JOB_HEADER):
            message_shape.check(message_shape.JOB, message.headers)
            reduce_to_job(message)
            return
        message.accept = self.accept
        message_shape.check_call(message)
        name = _task(message)
        if name not in current_app.tasks:  # Celery logs it, and would drop it
            reason = f"no task {name} is known to the worker: deploy the code that has it, then requeue the message"
            _keep(message, reason, longest=None)


@contextlib.contextmanager
def _consuming(queue: str) -> Iterator[None]:
    """Leave a queue of RabbitMQ out that cannot be consumed: its other queues must not wait for it."""
    try:
        yield
    except Exception as error:
        if brokers.scheme() in brokers.AMQP:
            from offbeat.jobs.worker import amqp_queues  # noqa: PLC0415  for RabbitMQ alone

            amqp_queues.leave_out_if_unusable(queue, error)
        raise


def _refuse_undurable(message: Any) -> bool:
    """Have a job refused whose task is of Celery's own class: it would run without arguments. Tell whether it is one."""
    headers = message.headers
    if (
        not headers.get(JOB_HEADER)
        or headers["task"] not in current_app.tasks
        or code.is_durable(headers["task"])
    ):
        return False  # Celery tells of an unknown one by a signal
    refusal.collect(uuid.UUID(headers["id"]), headers["task"])
    return True


def _task(message: Any) -> str:
    return str(message.headers.get("task") or message.payload["task"])


def _put_aside(message: Any, reason: str) -> None:
    """Keep a message and acknowledge it. Raises the broker's errors, for which the event loop connects anew."""
    _keep(message, reason)
    if not message.acknowledged:
        message.reject()


def _keep(message: Any, reason: str, longest: int | None = unreadable_store.LONGEST) -> None:
    worker_state.note_start()  # a worker that only puts aside does consume
    raw = dumps(message._raw)  # noqa: SLF001  the JSON that came, as kombu keeps it
    unreadable_store.put_aside(raw, reason, message.delivery_info["routing_key"], longest)


def _forget(message: Any) -> None:
    """Leave no request of a message behind: a stopping worker would wait for it."""
    for request in [*state.reserved_requests, *state.scheduled_requests]:
        if request.message is message:
            state.task_ready(request)
