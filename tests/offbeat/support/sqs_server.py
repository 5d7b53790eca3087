"""A server that speaks the protocol of Amazon SQS (moto's), and what only its owner may ask it."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil

from offbeat.dev.embedded import EmbeddedServer
from offbeat.dev.ports import LOOPBACK
from offbeat.dev.servers import CHECKOUT

TOOLS = CHECKOUT / ".local" / "tools"  # by tests/offbeat/support/install_tools
EXECUTABLE = TOOLS / "s3" / "bin" / "moto_server"
LIBRARY = TOOLS / "sqs"  # botocore: too large for every developer's .venv
MISSING = (
    ""
    if EXECUTABLE.exists() and LIBRARY.exists()
    else "no moto_server: run tests/offbeat/support/install_tools"
)


class SqsServer(EmbeddedServer):
    """It keeps its queues in memory: one that starts has none. `variables` are what a process needs to use it."""

    name = "SQS"
    stop_signals = (signal.SIGTERM,)

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self.doors: set[int] = set()  # ports of proxies of this process

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "BROKER_URL": "sqs://",
            "AWS_ENDPOINT_URL_SQS": self.url,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": os.pathsep.join(map(str, (CHECKOUT / "src", CHECKOUT, LIBRARY))),
            "OFFBEAT_JOBS_PUBLISH_TIMEOUT": "5",  # moto is slower than SQS, and a machine may be slow, too
        }

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def command(self) -> list[str]:
        return [str(EXECUTABLE), "-H", LOOPBACK, "-p", str(self.port)]

    def answers(self) -> bool:
        try:
            urlopen(f"{self.url}/moto-api/", timeout=1).close()  # noqa: S310  our own server
        except (URLError, OSError):
            return False
        return True

    def consumers(self) -> set[str]:
        """Give the processes that wait for messages of all levels of a queue."""
        open_ones = Counter(
            each.pid
            for each in psutil.net_connections("tcp")
            if each.raddr
            and each.raddr.port in {self.port, *self.doors}
            and each.status == psutil.CONN_ESTABLISHED
        )
        return {
            str(pid) for pid, number in open_ones.items() if number >= 3 and pid not in {None, os.getpid()}
        }

    def empty(self) -> None:
        """Forget all queues and messages."""
        reset = Request(f"{self.url}/moto-api/reset", method="POST")  # noqa: S310  our own server
        urlopen(reset, timeout=20).close()  # noqa: S310


def add_library() -> None:
    """Let this process import botocore, behind its own packages."""
    if str(LIBRARY) not in sys.path:
        sys.path.append(str(LIBRARY))
