"""The task class: `enqueue` beside Celery's `delay`. `offbeat.celery.create_app` makes it the application's."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Unpack

from celery.contrib.django.task import DjangoTask
from celery.utils.time import maybe_make_aware
from django.db import connections
from django.utils import timezone

from offbeat.jobs import attempts, celery_options, code, event_loop, leftovers, levels, soft_limit
from offbeat.jobs.arguments import encode_arguments
from offbeat.jobs.enqueuer import OPTIONS, Enqueuer
from offbeat.jobs.error_text import is_large, line
from offbeat.jobs.execution import (
    EndedError,
    attempt_of,
    bound_statements,
    execute,
    is_to_execute,
    refuse_unrun,
)
from offbeat.jobs.parameters import EnqueueOptions, P, R

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from offbeat.jobs.models import Job
    from offbeat.jobs.producer import Call


class DurableTask(DjangoTask, Generic[P, R]):
    """A Celery task that can also be enqueued as a durable job.

    `max_attempts`: attempts that may end without an answer (killed, out of memory, hard time limit) before the job is dead.
    `atomic`: run in one transaction with the recording of success, so that effects in PostgreSQL happen exactly once.
    `statement_timeout`: seconds that one of its statements may take, where that is not what others may; 0 is without end.
    `api`: let the HTTP API enqueue it.
    """

    abstract = True
    Request = "offbeat.jobs.request:JobRequest"
    max_attempts: int | None = None
    atomic = False
    statement_timeout: float | None = None
    api = False
    _keeps_result = False
    _trace: Callable[..., Any] | None = None

    if TYPE_CHECKING:  # Celery's own, with the parameters

        def delay(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...
        def delay_on_commit(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Write a job in the caller's transaction, publish it after commit, and return it.

        Raises ArgumentError for what is not JSON, TypeError for what does not fit the task's signature.
        """
        return Enqueuer(self).enqueue(*args, **kwargs)

    def enqueue_many(self, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> int:
        """Write one job for each `(args, kwargs)`, streamed; return how many."""
        return Enqueuer(self).enqueue_many(calls)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Do the same for async code: where its synchronous calls run, so in their transaction, while the loop goes on."""
        return await Enqueuer(self).aenqueue(*args, **kwargs)

    async def aenqueue_many(self, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> int:
        """Write many from async code; the iterable is gone through where synchronous calls run, so it may query."""
        return await Enqueuer(self).aenqueue_many(calls)

    def using(self, **options: Unpack[EnqueueOptions]) -> Enqueuer[P, R]:
        """Return an enqueuer with options: those of `Enqueuer`. Raises TypeError for one of Celery's, with what says the same."""
        celery_options.refuse_unknown(self.name, options, OPTIONS)
        return replace(Enqueuer(self), **options)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Return what `enqueue` would write, for a batch's follow-up."""
        return Enqueuer(self).call(*args, **kwargs)

    def _prepare(self, attempt: attempts.Attempt) -> str:
        """Say of an attempt that has begun how it is to run; return why this code cannot run it, "" where it can."""
        attempt.is_atomic, attempt.keeps_result = self.atomic, self._keeps_result
        return code.misfit(self, attempt.args, attempt.kwargs)

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a job come through the ledger also where a class has a `__call__` of its own, which then runs in the attempt.

        The result of a job is kept where its task says so itself: what Celery's setting says is set later.
        """
        super().__init_subclass__(**options)
        if (ignores := cls.__dict__.get("ignore_result")) is not None:
            cls._keeps_result = not ignores
        _check_priority(cls)
        own = cls.__call__  # perhaps of a base class that is Celery's: see offbeat.jobs.base_classes
        if not getattr(own, "is_durable", False):

            @functools.wraps(own)
            def call(self: DurableTask, *args: Any, **kwargs: Any) -> Any:
                if is_to_execute(self):
                    return execute(self, partial(own, self), args, kwargs)
                return own(self, *args, **kwargs)

            call.is_durable = True  # type: ignore[attr-defined]
            cls.__call__ = call  # type: ignore[method-assign]

    @classmethod
    def bind(cls, app: Any) -> Any:
        """Take what the settings say of what the task does not, with a soft limit below a hard one that the task names alone.

        Celery's `delay` refuses a task whose soft limit is above its hard one, even if that is only the default.
        """
        names_hard_alone = _depth_of(cls, "time_limit") < _depth_of(cls, "soft_time_limit")
        bound = super().bind(app)
        if names_hard_alone and isinstance(cls.time_limit, int | float):  # else `check` reports it
            cls.soft_time_limit = soft_limit.keep_below(cls.time_limit, cls.soft_time_limit)
        return bound

    @property
    def __trace__(self) -> Callable[..., Any] | None:
        """Celery's tracer of this task, which a worker's child sets; a job's attempt begins before it."""
        return self._trace

    @__trace__.setter
    def __trace__(self, celerys: Callable[..., Any] | None) -> None:
        from offbeat.jobs import tracer  # noqa: PLC0415  only workers trace

        self._trace = celerys and partial(tracer.trace, self, celerys)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if is_to_execute(self):
            return execute(self, self.run, args, kwargs)
        if attempt_of(self) is not None:  # of a class' own, by super()
            return self.run(*args, **kwargs)
        if not (self.request.called_directly or self.request.is_eager):
            _close_lost_connections()
            return self._run_plain(*args, **kwargs)
        result = super().__call__(*args, **kwargs)
        # Called as a function it is one: an async one gives a coroutine.
        return result if self.request.called_directly else event_loop.await_result(self.name, result)

    __call__.is_durable = True  # type: ignore[attr-defined]

    @property
    def _orig_run(self) -> Callable[..., Any]:
        """What Celery's `autoretry_for` has wrapped: of an async task it would else see the coroutine, and no error."""
        try:
            run = self.__dict__["_orig_run"]
        except KeyError:
            raise AttributeError("_orig_run") from None
        return partial(self._run_to_retry, run)

    @_orig_run.setter
    def _orig_run(self, run: Callable[..., Any]) -> None:
        self.__dict__["_orig_run"] = run

    def _run_to_retry(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = run(*args, **kwargs)
        is_message = any(not each.called_directly for each in self.request_stack.stack)
        return (
            event_loop.await_result(self.name, result)
            if is_message and not event_loop.is_running()
            else result
        )

    def _run_plain(self, *args: Any, **kwargs: Any) -> Any:
        """Run a plain task: what ends it ends nothing else, and what it leaves in its connections reaches no other task."""
        with (
            bound_statements(self),
            leftovers.remove_leftovers(),
            soft_limit.hold_back(),
            soft_limit.let_through(),
        ):
            try:
                result = event_loop.await_result(self.name, super().__call__(*args, **kwargs))
            except BaseException as error:
                if is_large(error):
                    raise EndedError(line(error)).with_traceback(error.__traceback__) from None
                if isinstance(error, Exception):
                    raise
                raise EndedError(line(error)) from error
        refuse_unrun(self, result)
        return result

    def retry(  # noqa: PLR0917  Celery's own signature
        self,
        args: Any = None,
        kwargs: Any = None,
        exc: Any = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Any:
        """Ask for another attempt, as in Celery; a job's waits in PostgreSQL instead of Redis."""
        if attempt_of(self) is not None:
            celery_options.refuse_in_retry(self.name, options)
        return super().retry(args, kwargs, exc, throw, eta, countdown, max_retries, **options)

    def signature_from_request(
        self, request: Any = None, args: Any = None, kwargs: Any = None, queue: Any = None, **options: Any
    ) -> Any:
        """Return what Celery's `retry` is to send; of a job, what makes it wait in the ledger."""
        attempt = attempt_of(self)
        if attempt is None:
            return super().signature_from_request(request, args, kwargs, queue, **options)
        new_args, new_kwargs = encode_arguments(self.name, args or [], kwargs or {})
        again = attempts.Again(
            self._seconds_until(options.get("eta"), options.get("countdown")),
            None if args is None else new_args,
            None if kwargs is None else new_kwargs,
        )
        return celery_options.RetrySignature(attempt, again)

    def _seconds_until(self, eta: datetime | None, countdown: float | None) -> float:
        """Return the seconds until a retry; a time without a zone is in Celery's own, as Celery takes it."""
        if countdown is None and eta is not None:
            countdown = (maybe_make_aware(eta, self.app.timezone) - timezone.now()).total_seconds()
        return max(0.0, countdown or 0.0)

    def replace(self, sig: Any) -> Any:
        """Replace a plain task, as in Celery. Raises TypeError in a job."""
        celery_options.refuse_replacement(attempt_of(self), self.name)
        return super().replace(sig)

    def progress(self, done: int, total: int) -> None:
        """Record how far this job is; at most one write a second, so call it as often as you like.

        Raises FencedError when the job has been started again elsewhere: let it pass, and the attempt ends. ValueError for a number
        below 0.
        """
        if min(done, total) < 0:
            raise ValueError(f"progress({done}, {total}): both are counts, of 0 or more")
        attempt = attempt_of(self)
        now = time.monotonic()
        if attempt and (done >= total or now - attempt.progress_told_at >= 1):
            attempt.progress_told_at = now
            record = partial(attempts.record_progress, attempt, done, total)
            run = event_loop.innermost() if event_loop.is_running() else None
            run.submit_unawaited(record) if run else record()


def _depth_of(cls: type, option: str) -> int:
    """Return how far up its base classes an option of a task is set; the application's own has the settings' values."""
    set_by = (depth for depth, each in enumerate(cls.__mro__) if each.__dict__.get(option) is not None)
    return next(set_by, len(cls.__mro__))


def _close_lost_connections() -> None:
    """Let a connection that was lost since the last task cost a reconnect, not this task; in a test it has a transaction."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def _check_priority(cls: type[DurableTask]) -> None:
    """Refuse a class' own priority that is none of Celery's, where it is written."""
    own = cls.__dict__.get("priority")
    if own is not None and not isinstance(own, property):
        levels.check_number(cls.name or cls.__qualname__, own)
