"""A mail server that takes everything and keeps nothing; it counts, and may take its time."""

import os
import time

from django.core.mail.backends.base import BaseEmailBackend

COUNTER = "bench:mails"  # in Redis
SECONDS = float(os.environ.get("BENCH_SINK_MS", "0")) / 1000  # for each mail


class NullSink(BaseEmailBackend):
    taken = 0

    def send_messages(self, email_messages):
        if SECONDS:
            time.sleep(SECONDS)
        self.taken += len(email_messages)
        return len(email_messages)

    def close(self):
        from offbeat.jobs import broker

        broker.client().incrby(COUNTER, self.taken)
        self.taken = 0
