"""Requests are counted by route, in all web processes, also while Redis is away."""

import pytest

from offbeat.ops.metrics import request_metrics
from tests.offbeat.ops.metrics.conftest import BEARER, TOKEN, Scrape
from tests.offbeat.support.polling import wait_until


def test_requests_are_counted_by_route(ledger, carrier, scrape, client):
    """A request counts under its route, never under its path; an unknown path under none."""
    request_metrics.measured.counts.clear()
    client.get("/admin/login/", secure=True)
    client.get("/wp-login.php", secure=True)

    found = scrape()

    of = {"method": "GET", "route": "admin/login/", "status": "200"}
    assert found("http_request_duration_seconds_count", **of) == 1
    assert found("http_request_duration_seconds_count", method="GET", route="unmatched", status="404") == 1
    assert "wp-login" not in found.text


def test_processes_add_up(ledger, carrier, scrape):
    """What several web processes counted is one sum, whichever of them is scraped."""
    request_metrics.measured.counts.clear()
    for _ in range(2):
        other = request_metrics.Measured()
        other.add(("GET", "home", "200"), 0.3)
        other.flush()
        other.flush()

    found = scrape()

    of = {"method": "GET", "route": "home", "status": "200"}
    assert found("http_request_duration_seconds_count", **of) == 2
    assert found("http_request_duration_seconds_bucket", le="0.25", **of) == 0
    assert found("http_request_duration_seconds_bucket", le="0.5", **of) == 2
    assert found("http_request_duration_seconds_sum", **of) == pytest.approx(0.6)


def test_counts_wait_while_redis_is_away(ledger, carrier, redis, scrape):
    """Nothing that was counted is lost to an outage of Redis, and the rest of the metrics goes on."""
    request_metrics.measured.counts.clear()
    request_metrics.measured.add(("GET", "home", "200"), 0.3)
    redis.stop()
    request_metrics.flush()
    away = scrape()
    redis.start()
    broker_is_back()

    back = scrape()

    assert away("server_up", server="redis") == 0
    assert away("server_up", server="postgres") == 1
    assert away("queue_depth", queue="default") == 0
    assert back("http_request_duration_seconds_count", method="GET", route="home", status="200") == 1


def broker_is_back():
    from offbeat.jobs import broker  # noqa: PLC0415  reads as what it does

    broker.breaker.close()


def test_real_web_processes_add_up(stack):
    """Requests to two processes of a web service are one count in what either of them answers."""
    web = stack.web(METRICS_TOKEN=TOKEN, WEB_CONCURRENCY="2")
    of = {"method": "GET", "route": "admin/login/", "status": "200"}
    for _ in range(30):
        web.browser.get("/admin/login/")

    found = wait_until(
        lambda: (
            Scrape(web.browser.get("/metrics", **BEARER).text)("http_request_duration_seconds_count", **of)
            == 30
        )
    )

    assert found
