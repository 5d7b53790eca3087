"""The embedded Redis."""

from __future__ import annotations

import socket
import subprocess
import sys

import psutil
import pytest
import redis

from offbeat.dev.embedded_redis import EmbeddedRedis
from offbeat.dev.redis_executable import version
from offbeat.dev.servers import EXECUTABLES


@pytest.fixture
def server(tmp_path):
    with EmbeddedRedis(tmp_path / "redis", executables=EXECUTABLES) as server:
        yield server


def test_strangers_are_refused(server):
    """Nobody enters without the password, which no command line shows."""
    with (
        redis.Redis(host="127.0.0.1", port=server.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()

    assert server.password not in " ".join(psutil.Process(server.pid).cmdline())


def test_it_never_evicts(server):
    """A full broker must refuse a message rather than forget another."""
    with server.connect() as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_nobody_takes_its_port_while_it_is_down(server):
    """Between two starts, or before the first, the port is given to no other program."""
    server.stop()

    with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
        other.bind(("127.0.0.1", server.port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))

    server.start()
    with server.connect() as client:
        assert client.ping()


def test_durable_it_keeps_its_data_over_a_restart(server):
    """What ./run up leaves in Redis is there at the next start."""
    with server.connect() as client:
        client.set("word", "kept")

    server.restart()

    with server.connect() as client:
        assert client.get("word") == b"kept"


def test_not_durable_it_starts_empty(tmp_path):
    """The Redis of tests forgets everything when it is killed: a broker that lost its data."""
    with EmbeddedRedis(tmp_path / "redis", durable=False, executables=EXECUTABLES) as server:
        with server.connect() as client:
            client.set("word", "lost")

        server.kill()
        server.start()

        with server.connect() as client:
            assert client.get("word") is None


def test_a_paused_server_is_silent_until_it_is_resumed(server):
    """Paused, it accepts connections and answers none; resumed, it goes on."""
    with server.connect() as client:
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()

        assert client.ping()


def test_it_is_new_enough_for_kombu(server):
    """Whatever executable was found, it is 6.2 or newer."""
    with server.connect() as client:
        found = client.info("server")["redis_version"]

    assert tuple(int(number) for number in found.split(".")[:2]) >= (6, 2)


def test_what_does_not_run_has_no_version(tmp_path):
    """A file of that name which cannot be run is passed over."""
    executable = tmp_path / "redis-server"
    executable.write_text("not a program")
    executable.chmod(0o755)

    assert version(executable) == ()


FETCH = """
import sys; from pathlib import Path; from offbeat.dev import redis_executable
redis_executable.NAMES = ()
print(redis_executable.version(redis_executable.redis_executable(Path(sys.argv[1]))))
"""


def test_all_that_fetch_it_at_once_have_it(tmp_path):
    """As two environments of one checkout do: none takes another's half away."""
    folder = tmp_path / "new" / "redis-server"
    command = [sys.executable, "-c", FETCH, folder]
    all_of_them = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = [each.communicate(timeout=120) for each in all_of_them]

    assert [each.returncode for each in all_of_them] == [0] * 4, said
    assert all(out.startswith("(") for out, _ in said)
    assert [each.name for each in folder.parent.iterdir()] == ["redis-server"]
