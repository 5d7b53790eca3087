"""`./run` as a developer types it, with data, a port and an environment of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import psutil

from offbeat.dev.environments import INHERITED
from offbeat.dev.ports import free_port
from tests.offbeat.support.browser import Browser
from tests.offbeat.support.running import CHECKOUT, Running


class Checkout:
    """Runs tasks of `./run`; two of these do not know of each other."""

    def __init__(self, folder, root=CHECKOUT):
        self.folder, self.root = folder, root
        self.port = free_port()
        self.browser = Browser(f"http://127.0.0.1:{self.port}")
        self.started: list[Running] = []
        self.environment = {
            name: value for name, value in os.environ.items() if name.startswith(INHERITED)
        } | {"LOCAL_DIR": str(folder / "local"), "PORT": str(self.port)}

    def start(self, *arguments, **environment):
        """Start a task, and return at once."""
        log = self.folder / f"{len(self.started)}.log"
        running = Running("run", ["./run", *arguments], self.environment | environment, log, self.root)
        self.started.append(running)
        return running

    def up(self, **environment):
        """Start everything, and return when it says which addresses to open."""
        running = self.start("up", **environment)
        running.wait_for("Ctrl-C stops everything", seconds=90)
        return running

    def run(self, *arguments, **environment):
        """Run a task to its end."""
        return subprocess.run(
            ["./run", *arguments],
            cwd=self.root,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    def processes(self):
        """Give every process that carries this checkout's environment: those of its services and its servers.

        Ask `info` for its name and command line: the process itself may be gone by then.
        """
        return [each for each in psutil.process_iter(["name", "cmdline"]) if self._is_ours(each)]

    def end(self):
        for running in self.started:
            running.kill()
            sys.stdout.write(f"--- exit code {running.process.returncode}\n{running.output}\n")
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _is_ours(self, process):
        folder = self.environment["LOCAL_DIR"]
        try:  # Redis writes its title over its environment, but it stays in its folder
            return process.environ().get("LOCAL_DIR") == folder or process.cwd().startswith(folder)
        except psutil.Error:  # it has ended, or is another user's
            return False
