"""The whole app as real processes: its own database, an empty Redis, a mail sink that keeps what it gets."""

from __future__ import annotations

import contextlib
import email
import email.policy
import mailbox
import os
import shutil
import socket
import sys
from typing import TYPE_CHECKING

from celery import current_app

from offbeat.deployment.spec import read
from offbeat.dev.ports import LOOPBACK, free_port
from tests.offbeat.support import servers, warm_python
from tests.offbeat.support.browser import Browser
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT, Running

if TYPE_CHECKING:
    from pathlib import Path

POOL = os.environ.get("OFFBEAT_TEST_POOL", "prefork")  # of the workers that tests start
MANAGE = [sys.executable, "manage.py"]


class Stack:
    """Starts the processes of a test; `environment` is what they get, to be changed before they start.

    `postgres` and `redis` are servers to kill, pause and restart; each test finds them running again.
    """

    def __init__(self, postgres, redis, database_url, folder: Path):
        self.postgres = postgres
        self.redis = redis
        self.folder = folder
        self.mail_folder = folder / "mail"
        self.running: list[Running] = []
        self.checkout = CHECKOUT
        self.environment = dict(os.environ) | {
            "DATABASE_URL": database_url,
            "EMAIL_PORT": str(free_port()),
            "MAIL_SINK_DIR": str(self.mail_folder),
            "PYTHONUNBUFFERED": "1",
        }

    # Processes

    def start(self, name, command, **environment) -> Running:
        """Start any command; returns at once."""
        log = self.folder / f"{len(self.running)}-{name}.log"
        process = Running(name, command, self.environment | environment, log, self.checkout)
        self.running.append(process)
        return process

    def worker(self, *arguments, **environment) -> Running:
        """Start the worker of platform.yaml for the default queue; returns when it consumes."""
        wait_until(self._knows_no_dead_consumer)
        consuming = self.consumers()
        service = worker_service()
        pool = [] if POOL == "prefork" else ["--pool", POOL]
        process = self.start(service.name, [*service.argv, *pool, *arguments], **environment)
        self._wait_for(process, lambda: self.consumers() - consuming)
        return process

    def web(self, *arguments, **environment) -> Running:
        """Start the web service of platform.yaml; returns when it answers."""
        port = str(free_port())
        command = [*read().service("web").argv, "--bind", f"{LOOPBACK}:{port}", *arguments]
        process = self.start("web", command, **({"PORT": port, "WEB_CONCURRENCY": "1"} | environment))
        process.browser = Browser(f"http://{LOOPBACK}:{port}")
        self._wait_for(process, lambda: listens(int(port)))
        return process

    def mail_sink(self) -> Running:
        """Start a mail server; `mails()` gives what it got."""
        process = self.start("mailsink", [*MANAGE, "mailsink"])
        self._wait_for(process, lambda: listens(int(self.environment["EMAIL_PORT"])))
        return process

    def manage(self, *arguments, **environment):
        """Run a management command to its end; its output is in `stdout` and `stderr`."""
        return warm_python.run(
            [*MANAGE, *arguments], cwd=CHECKOUT, env=self.environment | environment, timeout=240
        )

    def end(self):
        """End every process, and show what each printed: pytest keeps it for tests that failed."""
        for process in self.running:
            process.kill()
            sys.stdout.write(
                f"--- {process.log.name} (exit code {process.process.returncode})\n{process.output}\n"
            )

    @contextlib.contextmanager
    def other_version(self, changes):
        """Start what is started inside from a copy of the code; `changes` maps its files to (text, text in its place) pairs."""
        folder = self.folder / "other-version"
        skip = shutil.ignore_patterns(
            "*.pyc.*"
        )  # which somebody writes just now; what is compiled is valid there too
        for part in (
            "src",
            *(f"tests/offbeat/{name}" for name in ("faults/effects", "jobs", "sample_project", "support")),
        ):
            shutil.copytree(CHECKOUT / part, folder / part, ignore=skip, dirs_exist_ok=True)
        for part in (
            "manage.py",
            "tests/__init__.py",
            *(f"tests/offbeat/{name}.py" for name in ("__init__", "settings", "faults/__init__")),
        ):
            shutil.copy(CHECKOUT / part, folder / part)
        for file, (before, after) in changes.items():
            text = (folder / file).read_text()
            assert before in text
            (folder / file).write_text(text.replace(before, after))
        kept = self.checkout, self.environment
        self.checkout = folder
        self.environment = self.environment | {
            "PYTHONPATH": self.environment["PYTHONPATH"].replace(str(CHECKOUT), str(folder), 2),
            "OFFBEAT_ROOT": str(folder / "tests/offbeat/sample_project"),
        }
        try:
            yield
        finally:
            self.checkout, self.environment = kept

    # What they did

    def mails(self):
        """Give the mails that the sink got, oldest first."""
        if not self.mail_folder.exists():
            return []
        found = mailbox.Maildir(self.mail_folder, create=False)
        return [
            email.message_from_bytes(found.get_bytes(key), policy=email.policy.default)
            for key in sorted(found.keys())
        ]

    def consumers(self) -> set[str]:
        """Give the connections on which workers wait for messages now; of one that was just killed, too."""
        if servers.other_broker:
            return servers.other_broker.consumers()
        with self.redis.connect() as client:
            return {each["id"] for each in client.client_list() if each["cmd"] == "brpop"}

    def _knows_no_dead_consumer(self) -> bool:
        """Tell whether the broker has noticed who was killed: RabbitMQ only counts consumers, and the next one would not show."""
        living = sum(each.is_running for each in self.running)
        return not servers.other_broker or len(self.consumers()) <= living

    def _wait_for(self, process, is_ready, seconds=30):
        wait_until(lambda: not process.is_running or is_ready(), seconds)
        assert process.is_running, (
            f"{process.name} ended with {process.process.returncode}:\n{process.output}"
        )


def worker_service():
    """Give the service that consumes the default queue, whatever it is called; else the first that consumes any."""
    workers = [service for service in read().services if service.queues]
    default = current_app.conf.task_default_queue
    return next((service for service in workers if default in service.queues), workers[0])


def listens(port) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
