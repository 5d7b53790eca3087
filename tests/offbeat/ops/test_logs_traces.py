"""OpenTelemetry: real traces to a real address, by its own variables; nothing without them."""

import http.server
import json
import os
import threading

import pytest

from offbeat.ops import logs_traces
from tests.offbeat.ops import peers
from tests.offbeat.support.polling import wait_until


class Collector(http.server.BaseHTTPRequestHandler):
    """Keeps the spans that are exported, as bytes: names and statements are readable in them."""

    def do_POST(self):
        self.server.spans += self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def collector():
    """Stand where traces are collected."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.spans = b""
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_requests_and_jobs_are_traced(stack, collector):
    """With the packages installed and the variable set, requests and tasks become spans, and lines name their trace."""
    stack.environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "PYTHONPATH": os.pathsep.join([stack.environment["PYTHONPATH"], str(peers.tracing())]),
    }
    web, worker = stack.web(), stack.worker()

    web.browser.get("/admin/login/")
    stack.manage("enqueue_prune_jobs", "--now")

    wait_until(lambda: b"admin/login" in collector.spans and b"offbeat.jobs.tasks.prune" in collector.spans)
    (line,) = wait_until(lambda: [each for each in worker.output.splitlines() if "jobs_pruned" in each])
    assert len(json.loads(line)["trace_id"]) == 32


def test_spans_of_a_child_that_exits_are_sent(stack, collector):
    """It has done its jobs long before the SDK's thread sends what they leave."""
    stack.environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        "PYTHONPATH": os.pathsep.join([stack.environment["PYTHONPATH"], str(peers.tracing())]),
    }
    stack.worker("--concurrency", "1", "--max-tasks-per-child", "1")

    stack.manage("enqueue_prune_jobs", "--now")

    wait_until(lambda: b"run/offbeat.jobs.tasks.prune" in collector.spans)


def test_missing_packages_are_told(settings, caplog):
    """Where the variable is set and OpenTelemetry is not installed, a line says what to install, and everything goes on."""
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"

    logs_traces.start()

    assert "no traces: No module named 'opentelemetry'" in caplog.text
    assert "the extra `tracing`" in caplog.text


def test_nobody_who_does_not_trace_pays(settings, monkeypatch):
    """Without the variable nothing is imported, and a line names no trace."""
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = ""
    monkeypatch.setattr(logs_traces, "import_module", None)

    logs_traces.start()

    assert logs_traces.current() == {}
