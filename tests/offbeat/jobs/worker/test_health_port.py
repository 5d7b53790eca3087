"""The worker's answer over HTTP, for platforms that ask every container."""

from __future__ import annotations

import http.client
import logging
import resource
import socket
import time

import pytest

from offbeat import machine_limits
from offbeat.jobs.worker import health_port
from offbeat.jobs.worker.health_port import MOST, HealthPort, is_well, open_health_port
from tests.offbeat.support.polling import wait_until


@pytest.fixture
def well():
    """Give what the worker's state is, for a test to change: [True] is well."""
    return [True]


@pytest.fixture
def port(well):
    thread = HealthPort("127.0.0.1", 0, lambda: well[0])
    port = thread.socket.getsockname()[1]
    thread.start()
    return port


def ask(port, path="/", method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("path", ["/", "/healthz", "/healthz?from=kubelet"])
def test_a_worker_that_is_well(port, path):
    """Whatever path the platform asks for, a worker that is well answers 200."""
    assert ask(port, path) == (200, b'{"status": "ok"}')


def test_a_worker_that_is_not_well(port, well):
    """503 while the probe fails, and 200 again when it passes."""
    well[0] = False
    assert ask(port) == (503, b'{"status": "failed"}')

    well[0] = True
    assert ask(port)[0] == 200


def test_a_connection_without_a_file(port, caplog, monkeypatch):
    """It is accepted when there is one; meanwhile there is one line, where asyncio would log a hundred tracebacks a second."""
    monkeypatch.setattr(machine_limits, "_logged_at", {})
    ask(port)  # it has all that it needs to listen
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as client:
        client.settimeout(30)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, most))
        try:
            client.connect(("127.0.0.1", port))
            wait_until(lambda: caplog.messages)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer = client.recv(100)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert caplog.messages == ["the health port cannot accept a connection: Too many open files"]


def test_other_methods(port):
    """HEAD is answered without a body, and nothing else is taken."""
    assert ask(port, method="HEAD") == (200, b"")
    assert ask(port, method="DELETE")[0] == 405


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"\x16\x03\x01 nonsense\r\n\r\n", b" 400 "), (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, b" 431 ")],
    ids=["no HTTP", "endless head"],
)
def test_what_is_no_request(port, sent, status):
    """It is refused, and the next one is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(sent)
        assert status in client.recv(100)

    assert ask(port)[0] == 200


def test_idle_clients_keep_nobody_out(port):
    """With more silent connections than there is room for, a probe is answered; the oldest are closed."""
    idle = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(2 * MOST)]

    assert ask(port)[0] == 200
    assert wait_until(lambda: is_closed(idle[0]))
    assert not is_closed(idle[-1])
    for client in idle:
        client.close()


def test_slow_clients_are_ended(well, monkeypatch):
    """A request that does not arrive in time ends its connection."""
    monkeypatch.setattr(health_port, "PATIENCE", 0.2)
    thread = HealthPort("127.0.0.1", 0, lambda: well[0])
    thread.start()

    with socket.create_connection(thread.socket.getsockname(), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        assert wait_until(lambda: is_closed(client))


def test_the_probe_decides(tmp_path, monkeypatch):
    """The heartbeat file, as for the command that containers are probed with."""
    monkeypatch.setenv("OFFBEAT_JOBS_HEARTBEAT_FILE", str(tmp_path / "beat"))
    assert not is_well()

    (tmp_path / "beat").write_text(f'{{"at": {time.monotonic()}}}')
    assert is_well()


def test_a_port_that_is_taken(port, caplog):
    """The log names the variable; the worker goes on."""
    with caplog.at_level(logging.ERROR):
        open_health_port("127.0.0.1", port)

    assert (
        f"HEALTH_PORT={port}: the worker cannot answer health checks: Address already in use" in caplog.text
    )
    assert caplog.records[-1].action == "health_port_failed"


def test_it_is_off_without_the_variable():
    """No port, no thread."""
    assert open_health_port("127.0.0.1", 0) is None


def is_closed(client):
    client.settimeout(0.05)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
