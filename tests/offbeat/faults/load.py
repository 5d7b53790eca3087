"""Visitors who make the web service enqueue, at a steady rate, each on a connection of their own."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.offbeat.support.browser import Browser


class Load:
    """Posts until stopped; remembers what was answered, and how slowly."""

    def __init__(self, address, rate):
        self.address = address
        self.rate = rate
        self.times: list[float] = []
        self.failures: list[str] = []
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(16)
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def answered(self):
        return len(self.times)

    @property
    def slowest(self):
        return max(self.times)

    def start(self):
        self._thread.start()

    def run_for(self, seconds):
        self._stopped.wait(seconds)

    def stop(self):
        self._stopped.set()
        self._thread.join()
        self._pool.shutdown()

    def _run(self):
        begun = time.monotonic()
        for number in itertools.count():
            if self._stopped.wait(max(0.0, begun + number / self.rate - time.monotonic())):
                return
            self._pool.submit(self._visit, number)

    def _visit(self, number):
        begun = time.monotonic()
        try:
            answer = Browser(self.address).post_json(f"/faults/enqueue/visitor-{number}/", {})
        except OSError as error:
            self.failures.append(str(error))
            return
        if answer.status == 202:
            self.times.append(time.monotonic() - begun)
        else:
            self.failures.append(f"{answer.status} {answer.text[:200]}")
