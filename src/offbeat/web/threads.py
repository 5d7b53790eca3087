"""The threads that answer requests. Where the machine starts no more, those that there are do the work of the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from offbeat.machine_limits import log_refusal


class RequestThreads(ThreadPoolExecutor):
    """Raises RuntimeError for a request that no thread will answer."""

    def _adjust_thread_count(self) -> None:  # called when the request is in the queue
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            log_refusal("a thread for requests cannot be started", error)
            if not self._threads:  # it is the only request there: those before it were refused, too
                self._work_queue.get_nowait()
                raise
