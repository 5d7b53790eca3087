"""A ledger that is empty before each test: the ends of other tests' attempts must not be counted."""

import gzip
import http.server
import json
import logging
import threading

import pytest

from offbeat.jobs import broker
from offbeat.ops.logs import Formatter


@pytest.fixture
def ledger(transactional_db):
    """The database in autocommit, as processes see it."""
    from offbeat.ops.metrics.models import Counter, JobEnd, TaskHour  # noqa: PLC0415  the tests of models come after their apps

    JobEnd.objects.all().delete()
    Counter.objects.all().delete()
    TaskHour.objects.all().delete()


@pytest.fixture
def carrier(redis):
    """A client of an empty Redis; whatever a test does to Redis, the next one finds it well."""
    redis.start()
    broker.breaker.close()
    with redis.connect() as client:
        client.flushall()
        yield client
    redis.start()
    with redis.connect() as client:
        client.flushall()  # a test that does not empty it must not find another ledger's sign
    broker.breaker.close()


@pytest.fixture
def printed():
    """Collect what is logged while the test runs, as production prints it."""

    class Kept(logging.Handler):
        def __init__(self):
            super().__init__()
            self.lines = []
            self.setFormatter(Formatter(as_json=True))

        def emit(self, record):
            self.lines.append(json.loads(self.format(record)))

    handler, root = Kept(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(before)


class Sentry(http.server.BaseHTTPRequestHandler):
    """Takes what the SDK sends."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if "/envelope" in self.path:
            self.server.events += [json.loads(each) for each in body.splitlines() if b'"event_id"' in each]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def sentry():
    """Stand where Sentry is, and keep the events."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sentry)
    server.events = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.dsn = f"http://key@127.0.0.1:{server.server_port}/1"
    yield server
    server.shutdown()
    server.server_close()
