"""Traces the message of a job: its attempt begins here, before Celery's own tracer, which then has the arguments of the row.

So whatever Celery calls on its way (signals, `before_start`, the task, `on_success` and the rest) sees one call of the task as it
was enqueued; and a message that starts nothing, such as a duplicate, calls none of it.
"""

from __future__ import annotations

import contextvars
import logging
import uuid
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from celery.app.trace import IGNORED, TraceInfo, trace_ok_t
from celery.exceptions import Ignore

from offbeat.jobs import (
    child_books,
    execution,
    lanes,
    ledger,
    open_end,
    refusal,
    signals,
    soft_limit,
    workers,
)
from offbeat.jobs.error_text import line
from offbeat.jobs.execution import EndedError
from offbeat.jobs.lanes import LostAnswer
from offbeat.jobs.message import JOB_HEADER, LEDGER_HEADER
from offbeat.jobs.records import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from offbeat.jobs.attempts import Attempt
    from offbeat.jobs.task import DurableTask

logger = logging.getLogger(__name__)

# What Celery logs, or hands to whoever listens, in place of the arguments.
HIDDEN = "..."


def trace(task: DurableTask, celerys: Callable[..., Any], job_id: str, *call: Any, **options: Any) -> Any:
    """Trace one message in a context of its own: a language or a time zone that a task activates ends with it."""
    return contextvars.copy_context().run(_trace_message, task, celerys, job_id, *call, **options)


def _trace_message(
    task: DurableTask, celerys: Callable[..., Any], job_id: str, *call: Any, **options: Any
) -> Any:
    """Trace by Celery's tracer of the task; a job in its attempt.

    1. begin: by compare-and-set, so a second message does nothing; with the end of the job before (`offbeat.jobs.open_end`);
    2. Celery's tracer: signals, hooks, and the task, whose end `execution.execute` records;
    3. what ended the attempt before the task was called is recorded afterwards.
    Death before that record: the worker, or the reconciler of another one, makes the job due again.
    """
    args, kwargs, request = (*call, options.get("request"))[:3]
    if not (request and request.get(JOB_HEADER)):
        open_end.record_end()
        with soft_limit.leave_to_pool():
            return celerys(job_id, args, kwargs, request)
    id_of_job = uuid.UUID(job_id)
    if task.statement_timeout is not None:  # a bound of its own, and not of the end before
        open_end.record_end()
    with soft_limit.hold_back(), child_books.note_job(id_of_job), execution.bound_statements(task):
        attempt = _begin(task, id_of_job, request)
        if attempt is None:
            return _ignored()
        request.update(_known(attempt))
        return _trace(task, attempt, lambda: celerys(job_id, attempt.args, attempt.kwargs, request))


def _begin(task: DurableTask, job_id: uuid.UUID, request: dict[str, Any]) -> Attempt | None:
    queue = (request.get("delivery_info") or {}).get("routing_key")
    attempt = record(lambda: open_end.begin(job_id, workers.current(), task.name, queue))
    if attempt is None:
        _log_dropped(task, job_id, request)
        return None
    lanes.begin_limits()
    try:
        if misfit := task._prepare(attempt):  # noqa: SLF001  for this
            record(lambda: refusal.refuse_begun(attempt, attempt.task, misfit))
            return None
        signals.job_started.send_robust(
            attempt.task, job_id=job_id, attempt=attempt.number, context=attempt.context
        )
    except BaseException as error:  # noqa: BLE001  of code that is asked or imported: this process lives, and so would the attempt
        execution.end_unexecuted(task, attempt, error)
        raise EndedError(line(error)).with_traceback(error.__traceback__) from None
    return attempt


def _known(attempt: Attempt) -> dict[str, Any]:
    """Return what the message does not say of its job. Its headers are ours: no task that follows from it shall have them."""
    return {
        "attempt": attempt,
        "args": attempt.args,
        "kwargs": attempt.kwargs,
        "retries": attempt.retries,
        "shadow": attempt.task,  # the name that Celery logs
        "argsrepr": HIDDEN,
        "kwargsrepr": HIDDEN,
        "headers": {},
    }


def _trace(task: DurableTask, attempt: Attempt, run: Callable[[], Any]) -> Any:
    try:
        with soft_limit.let_through(is_task=False):
            traced = run()
    except LostAnswer:
        raise
    except BaseException as error:  # noqa: BLE001  of a hook that Celery lets through, or one that would end this process
        if not attempt.is_executed:
            execution.end_unexecuted(task, attempt, error)
        raise EndedError(line(error)).with_traceback(error.__traceback__) from None
    if not attempt.is_executed:
        execution.end_unexecuted(task, attempt, traced.info and traced.info.retval)
    return traced


def _ignored() -> Any:
    """Return what Celery's tracer returns for a message that is to be acknowledged, and is neither success nor failure."""
    try:
        raise Ignore  # noqa: TRY301  for its traceback
    except Ignore as error:
        return trace_ok_t(ExceptionInfo(internal=True), TraceInfo(IGNORED, error), 0.0, None)


def _log_dropped(task: DurableTask, job_id: uuid.UUID, request: dict[str, Any]) -> None:
    """Log what became of a message that begins nothing; another ledger's is lost to it, which it notices by itself."""
    origin = request.get(LEDGER_HEADER)
    is_foreign = bool(origin) and origin != ledger.identity()
    logger.log(
        logging.WARNING if is_foreign else logging.INFO,
        "%s %s belongs to another ledger" if is_foreign else "%s %s does not need to run",
        task.name,
        job_id,
        extra={"action": "foreign_message" if is_foreign else "job_dropped", "job": str(job_id)},
    )
