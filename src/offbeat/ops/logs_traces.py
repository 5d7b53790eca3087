"""OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT is set and its packages are installed: traces of requests, queries and tasks.

Everything else is said by OpenTelemetry's own variables (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from functools import partial
from importlib import import_module
from typing import Any

from celery import signals as celery_signals
from django.conf import settings

from offbeat.env import env

logger = logging.getLogger(__name__)

INSTRUMENTORS = (
    ("opentelemetry.instrumentation.django", "DjangoInstrumentor"),
    ("opentelemetry.instrumentation.psycopg", "PsycopgInstrumentor"),
    ("opentelemetry.instrumentation.celery", "CeleryInstrumentor"),
)
LAST_SPANS = 3.0  # seconds
HINT = "install opentelemetry-exporter-otlp-proto-http and the instrumentations (the extra `tracing` of src/offbeat/pyproject.toml)"


def start() -> None:
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return
    if problem := missing():
        logger.warning("no traces: %s: %s", problem, HINT, extra={"action": "tracing_missing"})
        return
    provide()
    for module, name in INSTRUMENTORS:
        getattr(import_module(module), name)().instrument()


def missing() -> str:
    """Return which package is not installed, "" for none."""
    for module in (
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        *(each for each, _ in INSTRUMENTORS),
    ):
        try:
            import_module(module)
        except ImportError as error:
            return str(error)
    return ""


def provide() -> None:
    """Send spans in batches; the SDK starts its thread again after a fork."""
    trace = import_module("opentelemetry.trace")
    sdk = import_module("opentelemetry.sdk.trace")
    export = import_module("opentelemetry.sdk.trace.export")
    otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    # The exporter reads them by itself, and knows nothing of quotes or of files.
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"):
        if value := env.text(name, ""):
            os.environ[name] = value
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    celery_signals.worker_process_shutdown.connect(partial(flush, provider), weak=False)


def flush(provider: Any, **_: Any) -> None:
    """Send what waits, but not for long: a child of a worker ends after so many jobs, and the SDK's own thread with it."""
    sending = threading.Thread(target=provider.force_flush, daemon=True)
    sending.start()
    sending.join(LAST_SPANS)


def current() -> dict[str, str]:
    """Return the ids of the span that is being recorded; nothing where nobody traces."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
