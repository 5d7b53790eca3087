"""Celery's prefork, whose children may leave the end of a job open for a moment, and whose main process knows of it."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from billiard.common import human_status
from billiard.pool import EX_FAILURE, EX_OK, EX_RECYCLE, READY, mem_rss
from billiard.popen_fork import Popen
from celery.concurrency import asynpool, prefork

from offbeat.jobs import child_books, open_end, recovery, workers
from offbeat.jobs.processes import START_AGAIN, is_alive, leave
from offbeat.jobs.worker.spares import spares
from offbeat.jobs.worker.state import worker_state
from offbeat.jobs.worker.time_limits import TimeLimits
from offbeat.machine_limits import log_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

ANSWER_READ = 30.0  # seconds for the main process to read the last answer: billiard's
# Seconds, and how often: to die takes less than one millisecond, but a child whose task has closed all its files lives.
LOOK, LOOKS = 0.01, 100


class LedgerChild(asynpool.Worker):
    """A child, which waits with an open end for the next message, but not for long, and exits with none."""

    wait_for_job: Callable[[], Any]
    _is_too_large = False

    def on_loop_start(self, pid: int) -> None:
        super().on_loop_start(pid)
        receive, has_message = self.wait_for_job, self.inq._reader.poll  # noqa: SLF001  as Celery reads the other end

        def wait_for_job() -> Any:
            if self._is_too_large:  # billiard measures again, after the answer
                sys.exit(EX_RECYCLE)
            wait = open_end.LONGEST
            while open_end.is_open() and not has_message(wait):
                open_end.record_unless_held()
                wait = open_end.PAUSE
            return receive()

        self.wait_for_job = wait_for_job
        if self.max_memory_per_child:
            put = self.outq.put
            self.outq.put = lambda message: put(self._without_offer(message))
        open_end.offer()

    def _without_offer(self, message: Any) -> Any:
        """Name no pipe for a next task in the answer of a child that has grown too large: it exits, when its receivers let it."""
        kind, content = message
        if kind == READY:
            self._is_too_large = mem_rss() > self.max_memory_per_child
            if self._is_too_large:
                return kind, (*content[:-1], None)
        return message

    def _ensure_messages_consumed(self, completed: int) -> bool:
        """Record the end that is open, and return when the main process has read the last answer; what ends the loop calls this.

        Billiard takes the counter's lock to look at it. A child that is killed, or stopped, with that lock stops the main process,
        which takes it to count. Reading a number needs none.
        """
        open_end.record_end()
        answers, deadline = self.on_ready_counter.get_obj(), time.monotonic() + ANSWER_READ
        while (is_unread := answers.value < completed) and time.monotonic() < deadline:
            time.sleep(0.001)
        return not is_unread

    def _do_exit(self, pid: int, exitcode: int | None, exc: BaseException | None = None) -> None:
        """Exit when the receivers of that have run. Billiard waits a second for a SIGTERM, which children ignore."""
        code = exitcode if exitcode is not None else EX_FAILURE if exc else EX_OK
        try:
            if self.on_exit:
                self.on_exit(pid, code)
        finally:
            leave(code)


class LedgerChildren(asynpool.AsynPool):
    """The children. Of a dead one, what it has answered and not recorded is found here; the rest is known to the pool."""

    Worker = LedgerChild
    _hub: Any = None  # when it turns
    _starts_again_at = 0.0  # monotonic seconds
    _limits: TimeLimits | None = None
    _quick_put: Callable[[Any], None]
    on_poll_start: Callable[[], None]

    def _create_timelimit_handlers(self, hub: Any) -> None:
        if self._limits is None:  # else it has connected anew, and what runs goes on
            self._limits = TimeLimits(self.on_soft_timeout, self.on_hard_timeout)
            self.on_timeout_set, self.on_timeout_cancel = self._limits.begin, self._limits.end
        self._limits.serve(hub)

    def _create_write_handlers(self, hub: Any, *args: Any, **kwargs: Any) -> None:
        """Write a message at once to a child that is free. Celery registers all of them, to write in the loop's next turn."""
        super()._create_write_handlers(hub, *args, **kwargs)
        self._hub = hub
        # Celery frees all where the broker is lost.
        self._putlock.value = max(0, self._processes - len(self._cache))
        spares.serve(hub, self, self._processes)
        put, write, poll_start = self._quick_put, hub.consolidate_callback, self.on_poll_start

        def put_and_write(task: Any) -> None:
            put(task)
            for free in self._all_inqueues - self._busy_workers - self._active_writes:
                write([free])
                break

        def on_poll_start() -> None:
            if self.outbound_buffer or hub.consolidate:  # else there is nothing to register, nor to remove
                poll_start()

        self._quick_put, self.on_poll_start = put_and_write, on_poll_start

    def waiting_requests(self) -> list[Any]:
        every = list(getattr(self._putlock, "_waiting", ()))  # in one step, as the loop adds to it
        return [values[0] for _, values, _ in every]

    def withdraw(self, request: Any) -> bool:
        for each in self._putlock._waiting:  # noqa: SLF001  Celery's semaphore
            if each[1][0] is request:
                self._putlock._waiting.remove(each)  # noqa: SLF001
                return True
        return False

    def on_job_ready(self, job: int, i: Any, obj: Any, inqW_fd: int) -> None:  # noqa: N803  as billiard calls it
        """Give a child that has done its share no other task, which would wait until its receivers have let it exit."""
        if (ended := self._cache.get(job)) and ended._time_accepted:  # noqa: SLF001  billiard's own
            spares.note_end(ended.correlation_id, ended._time_accepted)  # noqa: SLF001
        if child := self._fileno_to_inq.get(inqW_fd):
            child.answers = getattr(child, "answers", 0) + 1
            if self._maxtasksperchild and child.answers >= self._maxtasksperchild:
                return
        super().on_job_ready(job, i, obj, inqW_fd)

    def _maintain_pool(self) -> None:
        """Free the places of tasks that were lost with their children. Billiard frees one for each child that has exited.

        What begins in the place of another task waits where spares cannot give it back to its queue, for as long as that takes.
        """
        exited = self._join_exited_workers()
        self._repopulate_pool(exited)
        for _ in exited:
            if self._putlock.value + len(self._cache) < self._processes:
                self._putlock.release()

    def _create_worker_process(self, i: int) -> None:
        """Start a child, a while later where the machine refuses: a container that may have no more processes has some that end.

        Celery would count the one that does not exist, and fail when it looks whether that has exited.
        """
        if time.monotonic() < self._starts_again_at:  # another one has failed just now
            return
        try:
            super()._create_worker_process(i)
        except OSError as error:
            if self._hub is None:
                raise
            log_refusal("a child cannot be started", error)
            _close_pipe(error)
            for child in [each for each in self._pool if each.pid is None]:
                self._pool.remove(child)
                self._process_cleanup_queues(child)
            self._start_again(self._hub, time.monotonic())

    def _event_process_exit(self, hub: Any, proc: Any, looks: int = LOOKS) -> None:
        """Replace a child that dies. Its files are closed, which is seen here, before it is dead, which is what Celery looks for.

        What Celery takes for alive then it looks at again after five seconds. The loop goes on meanwhile.
        """
        self._untrack_child_process(proc, hub)
        if proc in self._waiting_to_start:
            self._start_again(hub, time.monotonic())
        elif looks and is_alive(proc.pid):
            hub.call_later(LOOK, self._event_process_exit, hub, proc, looks - 1)
        else:
            self.maintain_pool()

    def _start_again(self, hub: Any, now: float) -> None:
        if now >= self._starts_again_at:  # else it is about to
            self._starts_again_at = now + START_AGAIN
            hub.call_later(START_AGAIN, self.maintain_pool)

    def process_flush_queues(self, proc: Any) -> None:
        super().process_flush_queues(proc)
        child_books.note_death(proc.index, proc.pid)
        job_id = child_books.take_open_end(proc.index, proc.pid)
        if job_id and not worker_state.is_killing_children:  # else they are returned to the queue
            worker, pid, reason = (
                workers.current(),
                proc.pid,
                f"its process died: {human_status(proc.exitcode)}",
            )
            worker_state.submit(lambda: recovery.recover_attempt(job_id, worker, pid, reason))


def _close_pipe(error: OSError) -> None:
    """Close what billiard has opened for a child, and leaves open where the fork fails: it has numbers, and no objects."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is Popen._launch.__code__:  # noqa: SLF001
            for end in (frame.f_locals.get("parent_r"), frame.f_locals.get("child_w")):
                if end is not None:
                    os.close(end)


class ChildPool(prefork.TaskPool):
    Pool = LedgerChildren
