"""A RabbitMQ of its own: a node without plugins in a folder, and what only its owner may ask it."""

from __future__ import annotations

import contextlib
import shutil
import signal
from pathlib import Path

import amqp
import psutil

from offbeat.dev.child_processes import end_by_force
from offbeat.dev.embedded import EmbeddedServer
from offbeat.dev.ports import LOOPBACK, free_port

EXECUTABLE = Path(
    "/usr/lib/rabbitmq/bin/rabbitmq-server"
)  # not the one in the path, which becomes another user
MISSING = (
    ""
    if EXECUTABLE.exists() and shutil.which("epmd") and shutil.which("setpriv")
    else "no rabbitmq-server: run tests/offbeat/support/install_tools"
)
# epmd would live on as a daemon; this one ends with the node. Erlang on one scheduler that does not spin.
START = f'setpriv --pdeathsig KILL epmd -address {LOOPBACK} & exec "$0"'
ERLANG = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none +A 8"
QUEUES = ("default", "mail", "bulk", "unreadable")


class RabbitServer(EmbeddedServer):
    """What is in it stays when it is killed and started again. `variables` are what a process needs to use it."""

    name = "RabbitMQ"
    stop_signals = (signal.SIGKILL,)
    starting = 240.0  # seconds: it starts with 5 seconds of a CPU, of which others leave it a part

    def __init__(self, folder: Path, *, configuration: str = "", port: int = 0) -> None:
        super().__init__(folder)
        self.dist, self.epmd, self.lines = free_port(), free_port(), configuration

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/"

    @property
    def variables(self) -> dict[str, str]:
        return {"BROKER_URL": self.url}

    @property
    def node(self) -> dict[str, str]:
        """Give the variables of its own programs, such as rabbitmqctl."""
        return {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.data),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"offbeat{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.data / "log"),
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.data / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.data / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
            "ERL_EPMD_PORT": str(self.epmd),
            "ERL_EPMD_ADDRESS": LOOPBACK,
        }

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        (self.data / "plugins").write_text("[].")
        (self.data / "rabbitmq.conf").write_text(f"vm_memory_high_watermark.absolute = 512MB\n{self.lines}")

    def command(self) -> list[str]:
        return ["sh", "-c", START, str(EXECUTABLE)]

    def account(self) -> dict[str, object]:
        return {"env": self.node}

    def stop(self) -> None:
        """End it by SIGTERM to Erlang, and all of it after ten seconds."""
        self.resume()
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.Error):
                if process.name().startswith("beam"):
                    process.send_signal(signal.SIGTERM)
                    process.wait(10)
        end_by_force(family)
        self._forget()

    def answers(self) -> bool:
        try:
            self.connect(2).close()
        except (OSError, amqp.AMQPError):
            return False
        return True

    def connect(self, seconds: float = 10) -> amqp.Connection:
        made = amqp.Connection(
            f"{LOOPBACK}:{self.port}", login_method="PLAIN", connect_timeout=seconds, read_timeout=seconds
        )
        made.connect()
        return made

    @contextlib.contextmanager
    def channel(self):
        connection = self.connect()
        try:
            yield connection.channel()
        finally:
            with contextlib.suppress(OSError, amqp.AMQPError, AttributeError):
                connection.close()

    def empty(self) -> None:
        """Delete all queues of tests."""
        from offbeat.jobs.brokers.amqp_link import named  # noqa: PLC0415  settings come first

        with self.channel() as channel:
            for name in QUEUES:
                channel.queue_delete(named(name))

    def consumers(self, queue: str = "default") -> set[str]:
        """Give a name for each that consumes a queue."""
        from offbeat.jobs.brokers.amqp_link import named  # noqa: PLC0415

        try:
            with self.channel() as channel:
                return set(map(str, range(channel.queue_declare(named(queue), passive=True).consumer_count)))
        except amqp.NotFound:
            return set()
