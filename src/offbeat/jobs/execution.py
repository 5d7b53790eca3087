"""Executes a job in a worker's child process: runs the task of an attempt that has begun, and records how it ended."""

from __future__ import annotations

import contextlib
import inspect
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from celery.exceptions import Ignore, Reject, Retry
from django.db import transaction

from offbeat.database.statement_bounds import statement_timeout
from offbeat.jobs import (
    attempts,
    conflicts,
    event_loop,
    lanes,
    leftovers,
    open_end,
    recovery,
    signals,
    soft_limit,
    workers,
)
from offbeat.jobs.arguments import encode_result
from offbeat.jobs.conf import conf
from offbeat.jobs.error_text import is_large, line, one_line, path_of, written_traceback
from offbeat.jobs.records import log_fenced, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from offbeat.jobs.attempts import Attempt
    from offbeat.jobs.task import DurableTask

logger = logging.getLogger(__name__)


class EndedError(Exception):
    """A task ended by an exception that ends processes, such as SystemExit: it is the answer of its task, and no more."""


def attempt_of(task: DurableTask) -> Attempt | None:
    """Return the attempt that this process executes for the task, None outside a job."""
    return getattr(task.request, "attempt", None)


def is_to_execute(task: DurableTask) -> bool:
    """Tell whether this is the call of a task by its job's attempt, and not one that the task's own code makes."""
    attempt = attempt_of(task)
    return attempt is not None and not attempt.is_executed


def execute(
    task: DurableTask, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Run the task of an attempt that has begun, by calling `function`. Raises what Celery shall know of its end.

    1. run the task, in one transaction with 2 if it is `atomic`;
    2. finish: by compare-and-set on the attempt, or a moment later with the next begin (`offbeat.jobs.open_end`).
    Death in between: the worker, or the reconciler of another one, makes the job due again.
    """
    soft_limit.hold_back_rest()  # an answer is final: nothing interrupts its record, nor turns it into another one afterwards
    attempt = attempt_of(task)
    assert attempt is not None  # noqa: S101  asked by whoever called
    attempt.is_executed = True
    task.__dict__.pop("override_max_retries", None)  # what Celery's `retry` has noted for an earlier job
    try:
        result = _run(task, attempt, partial(function, *args, **kwargs))
    except attempts.FencedError as error:
        log_fenced(attempt.task, attempt.job_id, error)
        raise Ignore from error
    if not (attempt.again or attempt.is_open):
        signals.job_succeeded.send_robust(attempt.task, job_id=attempt.job_id, attempt=attempt.number)
    if attempt.is_ignored:  # to Celery neither a success nor a failure
        raise Ignore
    return result


def end_unexecuted(task: DurableTask, attempt: Attempt, error: BaseException | None) -> None:
    """Record the end of an attempt whose task was not called, because of what a signal or `before_start` has raised."""
    attempt.is_executed = True
    try:
        if error is None or isinstance(error, Ignore):
            record(lambda: attempts.finish(attempt))
        else:
            _end(task, attempt, error)
    except attempts.FencedError as fenced:
        log_fenced(attempt.task, attempt.job_id, fenced)
    except Exception as ended:  # noqa: BLE001  what has just been recorded, and what Celery knows
        logger.debug("%s %s: %r", attempt.task, attempt.job_id, ended)


def bound_statements(task: DurableTask) -> contextlib.AbstractContextManager[None]:
    """Bound the statements of a task that says how long they may take."""
    seconds = task.statement_timeout
    return contextlib.nullcontext() if seconds is None else statement_timeout(seconds)


def _run(task: DurableTask, attempt: Attempt, run: Callable[[], Any]) -> Any:
    result = None
    try:
        with leftovers.remove_leftovers(), _transaction(attempt):
            result = _answer(task, attempt, run)
            if attempt.again is None and attempt.is_atomic:
                attempts.finish(attempt)
    except BaseException as error:  # noqa: BLE001  whatever ends a task is its answer
        if attempt.is_committed:
            _note(task, attempt, error)
            return result
        _end(task, attempt, error)
    if attempt.again:
        _retry(task, attempt, None)
    elif not attempt.is_atomic and not open_end.leave_open(task, attempt):
        record(lambda: attempts.finish(attempt))
    return result


def _end(task: DurableTask, attempt: Attempt, error: BaseException) -> NoReturn:
    """Record what ended an attempt, and raise what Celery shall know of it."""
    if isinstance(error, attempts.FencedError):
        raise error
    if isinstance(error, Retry):
        attempt.again = attempt.again or attempts.Again(_seconds(error))
        _retry(task, attempt, error)
        if is_large(error):
            raise Retry(exc=EndedError(line(error.exc)), when=error.when) from None
        raise error
    if isinstance(error, Reject) and error.requeue and not _is_spent(task, attempt):
        attempt.again = attempts.Again(float(task.default_retry_delay))
        _retry(task, attempt, error)
        raise error
    _fail(task, attempt, error)


def _is_spent(task: DurableTask, attempt: Attempt) -> bool:
    return task.max_retries is not None and attempt.retries >= task.max_retries


@contextlib.contextmanager
def _transaction(attempt: Attempt) -> Iterator[None]:
    """Open the transaction of an `atomic` task; whether it is committed is known before its own on_commit functions run."""
    if not attempt.is_atomic:
        yield
        return
    with transaction.atomic():
        transaction.on_commit(attempt.note_commit)
        yield


def _answer(task: DurableTask, attempt: Attempt, run: Callable[[], Any]) -> Any:
    try:
        with soft_limit.let_through():
            result = event_loop.await_result(task.name, run())
    except Ignore:  # the task's own way to say that there was nothing to do
        attempt.is_ignored = True
        return None
    refuse_unrun(task, result)
    if attempt.keeps_result and attempt.again is None:
        attempt.result = encode_result(attempt.task, result)
    return result


def refuse_unrun(task: DurableTask, result: Any) -> None:
    """Raise TypeError for a result that is code which nobody will run: it has done nothing yet, and would be a success."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(
            f"{task.name} has returned a coroutine that nothing awaits: write `return await …` in its function"
        )
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(f"{task.name} is a generator, and nothing iterates over it: do the work, and return")


def _retry(task: DurableTask, attempt: Attempt, asked: Retry | Reject | None) -> None:
    again = attempt.again
    assert again is not None  # noqa: S101  set by whoever called
    cause = asked.exc if isinstance(asked, Retry) else None
    reason = line(cause) if cause else "requested a retry"
    if isinstance(asked, Reject):
        reason = _rejection(asked)
    raised = (
        (written_traceback(cause), path_of(type(cause))) if isinstance(cause, BaseException) else ("", "")
    )
    record(lambda: attempts.retry(attempt, again, reason, *raised))
    signals.job_retried.send_robust(
        attempt.task, job_id=attempt.job_id, attempt=attempt.number, countdown=again.countdown, reason=reason
    )


def _fail(task: DurableTask, attempt: Attempt, error: BaseException) -> NoReturn:
    """Record how the task failed, and raise what Celery shall know of it.

    SystemExit and its like (KeyboardInterrupt, asyncio's CancelledError) would end this process, and be its parent's to explain.
    """
    reason, wait = line(error), conflicts.pause_seconds(attempt.excused)
    interrupted = soft_limit.interruption(error)
    excuse = soft_limit.excuse(interrupted) if interrupted else ""
    if (
        excuse or (not interrupted and conflicts.is_excusable(error))
    ) and attempt.excused < conf().max_excused:
        reason += f", {excuse}" if excuse else ""
        record(lambda: _excuse(attempt, reason, wait, error))
    else:
        _bury(task, attempt, error)
    if is_large(error):
        raise EndedError(line(error)).with_traceback(error.__traceback__) from None
    if isinstance(error, Exception):
        raise error
    raise EndedError(line(error)) from error


def _excuse(attempt: Attempt, reason: str, wait: float, error: BaseException) -> None:
    """Raises FencedError when the attempt is no longer current."""
    its = attempt.job_id, workers.current(), lanes.current(), reason
    if not recovery.excuse_attempt(*its, wait=wait, error=error):
        raise attempts.fenced(attempt)


def _note(task: DurableTask, attempt: Attempt, error: BaseException) -> None:
    """Write down what failed after the success was committed: the task's own on_commit functions, of which the rest did not run."""
    reason = f"succeeded, but after its commit: {line(error)}"
    text = written_traceback(error)
    logger.error(
        "%s %s %s",
        attempt.task,
        attempt.job_id,
        reason,
        exc_info=error,
        extra={"action": "on_commit_failed", "job": str(attempt.job_id)},
    )
    record(lambda: attempts.note(attempt, reason, text))


def _rejection(error: Reject) -> str:
    return one_line(f"rejected: {error.reason}")


def _bury(task: DurableTask, attempt: Attempt, error: BaseException) -> None:
    reason = _rejection(error) if isinstance(error, Reject) else line(error)
    record(lambda: attempts.bury(attempt, reason, written_traceback(error), path_of(type(error))))
    signals.job_dead.send_robust(attempt.task, job_id=attempt.job_id, reason=reason)


def _seconds(asked: Retry) -> float:
    return float(asked.when) if isinstance(asked.when, int | float) else 0.0
