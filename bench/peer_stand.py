"""Where a peer runs: servers of its own, a worker that is restarted when it exits, and the file into which its jobs write."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import psutil

from bench.peer_jobs import VARIABLE
from bench.peer_setups import CALL, POSTGRES, REDIS
from bench.stand import CHECKOUT, wait_until

# What every platform does with a worker that exits; not any longer than the benchmark lives.
RESTARTED = 'bench=$1; shift; while kill -0 "$bench"; do "$@"; sleep 1; done'
KILLED = 10  # seconds that the kernel may take to end what was killed
LOGGED = ("LOG:  statement:", "LOG:  execute")


class PeerStand:
    """A peer with the servers that it needs."""

    def __init__(self, peer, stack: contextlib.ExitStack) -> None:
        from offbeat.dev.embedded_postgres import EmbeddedPostgres
        from offbeat.dev.embedded_redis import EmbeddedRedis

        self.peer = peer
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="offbeat-bench-")))
        self.folder.chmod(0o711)  # started by root, PostgreSQL runs as nobody
        self.effects = Effects(self.folder / "effects")
        self.postgres = self.redis = None
        if POSTGRES in peer.servers:
            self.postgres = stack.enter_context(EmbeddedPostgres(self.folder / POSTGRES, durable=True))
        if REDIS in peer.servers:
            self.redis = stack.enter_context(EmbeddedRedis(self.folder / REDIS, durable=False))
        self._workers: list[subprocess.Popen[bytes]] = []
        stack.callback(self.kill_worker)
        if peer.prepare:
            self._run(peer.prepare)

    @property
    def environment(self) -> dict[str, str]:
        from offbeat.dev.environments import private

        servers = {"DATABASE_URL": self.postgres, "REDIS_URL": self.redis, "RQ_REDIS_URL": self.redis}
        return (
            private(os.environ)
            | {name: server.url for name, server in servers.items() if server}
            | {VARIABLE: str(self.effects.path), "OFFBEAT_JOBS_HEARTBEAT_FILE": str(self.folder / "heartbeat")}
            | self.peer.environment
        )  # fmt: skip

    def _run(self, command: str) -> None:
        subprocess.run(
            command.split(), cwd=CHECKOUT, env=self.environment, check=True, stdout=subprocess.DEVNULL
        )

    def enqueue(self, count: int, *, first: int = 1, rest: float = 0, pace: float = 0) -> None:
        """Let a producer send so many jobs, and return when all have been accepted."""
        self._run(f"{CALL} {self.peer.module} enqueue {first} {count} {rest} {pace}")

    def start_worker(self) -> None:
        with (self.folder / "worker.log").open("ab") as log:
            self._workers = [
                subprocess.Popen(
                    ["sh", "-c", RESTARTED, "sh", str(os.getpid()), *self.peer.command.split()],
                    cwd=CHECKOUT,
                    env=self.environment,
                    start_new_session=True,
                    stdout=log,
                    stderr=log,
                )
                for _ in range(self.peer.processes)
            ]

    def kill_worker(self) -> None:
        """End all processes of the worker at once by SIGKILL, those in process groups of their own too (RQ has them)."""
        for worker in self._workers:
            kill_session(worker.pid)
        for worker in self._workers:
            wait_until(lambda leader=worker.pid: kill_session(leader) == 0, KILLED)
            worker.wait()
        self._workers = []

    def signal_worker(self, number: int) -> None:
        for worker in self._workers:
            signal_session(worker.pid, number)

    def memory(self) -> float:
        """Return the MB of the worker's processes, shared pages counted once."""
        pids = [pid for worker in self._workers for pid in in_session(worker.pid) if pid != worker.pid]
        return sum(map(proportional, pids)) / 1e6

    def commands(self) -> int:
        """Return how many commands its Redis has carried out."""
        return self.redis.connect().info("stats")["total_commands_processed"] if self.redis else 0

    def log_statements(self) -> None:
        """Let PostgreSQL log the statements of connections that come; it has no counter of them without an extension."""
        if self.postgres:
            with self.postgres.connect() as server:
                server.execute("ALTER DATABASE offbeat SET log_statement = 'all'")

    def analyze(self) -> None:
        """Tell PostgreSQL's planner how many jobs there are, as autovacuum does once a minute.

        Until then it may plan for an empty table: Procrastinate's search for a job took 0.3 s each.
        """
        if self.postgres:
            with self.postgres.connect("offbeat") as server:
                server.execute("ANALYZE")

    def statements(self) -> int:
        """Return how many have been logged, BEGIN and COMMIT among them."""
        if not self.postgres:
            return 0
        with self.postgres.log.open(errors="replace") as log:
            return sum(any(mark in line for mark in LOGGED) for line in log)

    def forget_jobs(self) -> None:
        """Empty the Redis of a peer that keeps its jobs there: those that were left in a round are not the next one's."""
        if self.redis and not self.postgres:
            self.flush_redis()

    def flush_redis(self) -> None:
        self.redis.connect().flushall()

    def break_postgres(self) -> None:
        """Let PostgreSQL end at once, as in a crash: by its immediate shutdown."""
        os.kill(self.postgres.pid, signal.SIGQUIT)
        wait_until(lambda: not self.postgres.is_running, 60)

    def restart_postgres(self) -> None:
        self.postgres.restart()


def in_session(leader: int) -> list[int]:
    """Return the processes of a session, without asking more about each than a kill has time for."""
    return [pid for pid in psutil.pids() if session_of(pid) == leader]


def session_of(pid: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def kill_session(leader: int) -> int:
    """Kill the processes of a session; return how many were alive."""
    return sum(map(is_alive, signal_session(leader, signal.SIGKILL)))


def signal_session(leader: int, number: int) -> list[int]:
    """Send a signal to the processes of a session, and return them."""
    found = in_session(leader)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return found


def is_alive(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def proportional(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(pid).memory_full_info()
        return getattr(found, "pss", found.rss)
    return 0


class Effects:
    """The lines that the jobs write: a word (sent, begin, end), the job's number, the time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def empty(self) -> None:
        self.path.write_text("")

    def lines(self) -> list[tuple[str, int, float]]:
        if not self.path.exists():
            return []
        whole = self.path.read_text().rpartition("\n")[0]
        rows = (line.split() for line in whole.splitlines())
        return sorted(((word, int(number), float(at)) for word, number, at in rows), key=lambda line: line[2])

    def times(self, word: str) -> dict[int, float]:
        """Return when each job did this first."""
        found: dict[int, float] = {}
        for each, number, at in self.lines():
            if each == word:
                found.setdefault(number, at)
        return found

    def ended(self) -> int:
        """Return how many jobs have ended at least once."""
        return len(self.times("end"))

    def open(self) -> set[int]:
        """Return the jobs that have begun and not ended."""
        return set(self.times("begin")) - set(self.times("end"))

    def running(self, slots: int) -> set[int]:
        """Return the jobs that a fault at this moment may have hit: the open ones, and the last ones begun."""
        return set(list(self.times("begin"))[-slots:]) | self.open()

    def begins(self, before: float) -> Counter[int]:
        return Counter(number for word, number, at in self.lines() if word == "begin" and at <= before)
