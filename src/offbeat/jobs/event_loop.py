"""Runs the coroutine of an `async def` task in the task's own thread: limits interrupt it there, and there is its connection.

`asyncio.run` would give its queries a thread of their own, so another transaction; `async_to_sync` runs the coroutine in another
thread, which no signal reaches. Here the loop stands still while a synchronous call, such as a query, runs in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import selectors
import threading
import types
from collections import deque
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING, Any

from asgiref.sync import ThreadSensitiveContext
from celery.exceptions import SoftTimeLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

_innermost: dict[int, CoroutineRun] = {}  # by thread


class InterruptedAwait(SoftTimeLimitExceeded, asyncio.CancelledError):
    """The soft limit, as a coroutine meets it where it waits: asyncio's own code cleans up after what is a CancelledError."""


class EventLoop(asyncio.SelectorEventLoop):
    """A loop that stands still while its thread runs a synchronous call."""

    def __init__(self) -> None:
        super().__init__(selectors.DefaultSelector())
        self.thread = threading.get_ident()

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Refuse what `async_to_sync` in a synchronous call would wait for without end: it then takes a loop of its own."""
        if callback == self.create_task and threading.get_ident() == self.thread and not self.is_running():
            raise RuntimeError("this loop is blocked until the synchronous call has ended")
        return super().call_soon_threadsafe(callback, *args, context=context)


class CoroutineRun(Executor):
    """One coroutine with its loop, and the executor of its synchronous calls, which are made between two turns of the loop."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.pid = os.getpid()
        self.calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self.is_inside = (
            False  # the coroutine itself or a synchronous call: what may be interrupted where it is
        )
        self.interruption: BaseException | None = None
        self.is_to_throw = False
        self.loop = EventLoop()
        self.main = self.loop.create_task(self._live(coroutine))
        self.main.add_done_callback(lambda _: self.loop.stop())

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a synchronous call made as soon as the coroutine waits."""
        future: Future[Any] = Future()
        self.calls.append((future, partial(function, *args, **kwargs)))
        self.loop.stop()
        return future

    def submit_unawaited(self, function: Callable[[], Any]) -> None:
        """Have a synchronous call made that nobody waits for: what it raises, the coroutine meets where it waits next."""
        self.submit(function).add_done_callback(lambda future: self._interrupt(future.exception()))

    def run(self) -> Any:
        try:
            self._turn()
        except (
            BaseException
        ):  # SystemExit of the coroutine, or what an alarm of the task raises between two steps
            self.main.cancel()
            with contextlib.suppress(BaseException):
                self._turn()
            raise
        finally:
            if self.main.done() and not self.main.cancelled():
                self.main.exception()  # asyncio logs those that nobody has asked for
            if os.getpid() == self.pid:  # a forked copy would take its parent's files out of the selector
                self.loop.close()
        return self.main.result()

    def _turn(self) -> None:
        while not self.main.done():
            self.loop.run_forever()
            while self.calls:
                self._make(*self.calls.popleft())

    def _make(self, future: Future[Any], call: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            self.is_inside = True
            result = call()
        except BaseException as error:  # noqa: BLE001  raised where the coroutine awaits the call
            self.is_inside = False
            future.set_exception(error)
        else:
            self.is_inside = False
            future.set_result(result)

    async def _live(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            async with ThreadSensitiveContext(executor=self):
                try:
                    return await self._step_through(coroutine)
                finally:
                    await self._clean_up()
        except asyncio.CancelledError as error:
            if self.interruption is None:
                raise
            raise self.interruption.with_traceback(error.__traceback__) from error.__cause__

    @types.coroutine
    def _step_through(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, None, Any]:
        """Await the coroutine, and know when it is it that runs; throw the interruption in place of a cancellation."""
        step: Callable[[], Any] = partial(coroutine.send, None)
        while True:
            try:
                self.is_inside = True
                awaited = step()
            except StopIteration as end:
                return end.value
            finally:
                self.is_inside = False
            try:
                yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  thrown into the coroutine
                step = partial(coroutine.throw, self._reason(error))
            else:
                step = partial(coroutine.send, None)

    async def _clean_up(self) -> None:
        """Do what `asyncio.run` does at its end, but wait for no threads that an interrupted coroutine has left."""
        others = asyncio.all_tasks() - {self.main}
        for task in others:
            task.cancel()
        for task, end in zip(others, await asyncio.gather(*others, return_exceptions=True), strict=True):
            if isinstance(end, Exception):
                self.loop.call_exception_handler(
                    {"message": "unhandled exception of a coroutine's task", "exception": end, "task": task}
                )
        await self.loop.shutdown_asyncgens()
        if self.interruption is None:
            await self.loop.shutdown_default_executor()

    def interrupt_from_outside(self, error: BaseException) -> bool:
        """Raise an error where the coroutine waits; False where it does not wait, but runs. From another thread."""
        if self.is_inside or self.main.done():
            return False
        self.loop.call_soon_threadsafe(self._interrupt, error)
        return True

    def takes(self, error: BaseException, frame: types.FrameType | None) -> bool:
        """Tell whether an error that a signal's handler is about to raise is raised later instead, where the coroutine waits.

        Raised here and now it would end the loop. In a task beside the coroutine it is raised here and there.
        """
        current = asyncio.current_task(self.loop) if self.loop.is_running() else None
        is_own = frame is not None and frame.f_code in {
            CoroutineRun._make.__code__,
            CoroutineRun._step_through.__code__,
        }
        if self.main.done() or (self.is_inside and not is_own):
            return False
        self.loop.call_soon_threadsafe(self._interrupt, error)
        return current is None or current is self.main

    def _interrupt(self, error: BaseException | None) -> None:
        if error is not None:
            self.interruption, self.is_to_throw = error, True
            self.main.cancel()

    def _reason(self, error: BaseException) -> BaseException:
        """Return what to throw for an error: the interruption where it is that which has cancelled, and not yet thrown."""
        interruption = self.interruption
        if not (isinstance(error, asyncio.CancelledError) and self.is_to_throw and interruption):
            return error
        self.is_to_throw = False
        self.main.uncancel()
        if not isinstance(interruption, SoftTimeLimitExceeded):
            return interruption
        thrown = InterruptedAwait(*interruption.args)
        for note in getattr(interruption, "__notes__", ()):
            thrown.add_note(note)
        return thrown


def is_running() -> bool:
    """Tell whether this thread runs an event loop, ours or another."""
    return asyncio._get_running_loop() is not None  # noqa: SLF001  asyncio's own way without an exception


def innermost(thread: int | None = None) -> CoroutineRun | None:
    """Return the run of a thread, this one by default, whose coroutine, or synchronous call, is the innermost."""
    return _innermost.get(thread or threading.get_ident())


def await_result(name: str, result: Any) -> Any:
    """Return what a task has returned; if that is a coroutine, run it, and return what it returns.

    Raises RuntimeError where this thread runs an event loop, which would stand still.
    """
    if not inspect.iscoroutine(result):
        return result
    if is_running():
        result.close()
        raise RuntimeError(
            f"{name} is async, and this thread runs an event loop: await the task itself, as in `await task(...)`, "
            "or call this through asgiref.sync.sync_to_async"
        )
    outer, here = innermost(), threading.get_ident()
    _innermost[here] = run = CoroutineRun(result)
    try:
        return run.run()
    finally:
        if outer:
            _innermost[here] = outer
        else:
            del _innermost[here]
