"""A Redis as it is run for availability: a primary, its replica, and three sentinels that agree on which is which."""

from __future__ import annotations

import contextlib
import signal

import redis

from offbeat.dev.embedded import EmbeddedServer
from offbeat.dev.embedded_redis import EmbeddedRedis
from offbeat.dev.ports import LOOPBACK
from offbeat.dev.redis_executable import redis_executable
from tests.offbeat.support.polling import wait_until

MASTER = "main"
SILENT = 1000  # milliseconds after which a server is down: as short as a machine under load allows


class Node(EmbeddedRedis):
    """A Redis that may become the replica of another, with the same password as all."""

    primary: Node | None = None

    def configuration(self) -> bytes:
        more = f"masterauth {self.password}\nrepl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n"
        if self.primary:
            more += f"replicaof {LOOPBACK} {self.primary.port}\n"
        return super().configuration() + more.encode()


class Sentinel(EmbeddedServer):
    name = "Sentinel"
    stop_signals = (signal.SIGTERM,)

    def __init__(self, folder, primary):
        super().__init__(folder, durable=False)
        self.primary = primary

    def prepare(self):
        self.data.mkdir(exist_ok=True)
        (self.folder / "sentinel.conf").write_text(
            f"bind {LOOPBACK}\nport {self.port}\ndir {self.data}\n"
            f"sentinel monitor {MASTER} {LOOPBACK} {self.primary.port} 2\n"
            f"sentinel auth-pass {MASTER} {self.primary.password}\n"
            f"sentinel down-after-milliseconds {MASTER} {SILENT}\nsentinel failover-timeout {MASTER} 5000\n"
        )

    def command(self):
        return [str(redis_executable()), str(self.folder / "sentinel.conf"), "--sentinel"]

    def connect(self):
        return redis.Redis(
            LOOPBACK, self.port, socket_connect_timeout=1, socket_timeout=1, decode_responses=True
        )

    def answers(self):
        with contextlib.suppress(redis.RedisError), self.connect() as client:
            return bool(client.ping())
        return False

    def sees(self):
        """Return the port of the primary, and how many replicas and sentinels it can choose from and ask."""
        with contextlib.suppress(redis.RedisError), self.connect() as client:
            found = client.sentinel_master(MASTER)
            replicas = [each for each in client.sentinel_slaves(MASTER) if not each["is_sdown"]]
            return found["port"], len(replicas), found["num-other-sentinels"]
        return None


class Sentinels:
    """Starts them all; `primary` is the one now, to kill, freeze and start again."""

    def __init__(self, folder):
        self.nodes = [Node(folder / f"node-{number}", durable=False) for number in range(2)]
        self.primary, self.replica = self.nodes
        self.replica.password, self.replica.primary = self.primary.password, self.primary
        self.sentinels = [Sentinel(folder / f"sentinel-{number}", self.primary) for number in range(3)]

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for each in [*self.nodes, *self.sentinels]:
                stack.enter_context(each)
            self.wait_for(self.primary, replicas=1)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self.stack.close()

    @property
    def url(self):
        """The address as kombu's documentation writes it."""
        first, *others = [f"{LOOPBACK}:{each.port}" for each in self.sentinels]
        written = [f"sentinel://:{self.primary.password}@{first}", *(f"sentinel://{each}" for each in others)]
        return f"{';'.join(written)}/0?master_name={MASTER}"

    def wait_for(self, primary, replicas):
        """Return when all sentinels agree on the primary, and know as many replicas that are up."""
        wait_until(
            lambda: all(each.sees() == (primary.port, replicas, 2) for each in self.sentinels),
            seconds=60,
            pause=0.3,
        )
        if replicas:
            with primary.connect() as client:
                wait_until(lambda: client.info("replication")["connected_slaves"] == replicas, seconds=60)

    def wait_for_failover(self, replicas):
        """Return when the replica is the primary."""
        self.primary, self.replica = self.replica, self.primary
        self.wait_for(self.primary, replicas)

    def restart_replica(self):
        """Start what was killed, as the replica of the primary now."""
        self.replica.primary = self.primary
        self.replica.start()
        self.wait_for(self.primary, replicas=1)
