"""Starts the app's programs by a fork of a Python that has imported other people's packages: that is half of a start's CPU.

Which they are says warm_modules.txt: none of ours. A program that needs an interpreter of its own starts from nothing, as all do
where PYTEST_COLD_STARTS is set.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path

from offbeat.dev.child_processes import start_child

# Beginnings of their names.
OF_THE_INTERPRETER = (
    "PYTHON",
    "LD_",
    "LC_",
    "LANG",
    "LOCPATH",
    "TZ",
    "MALLOC_",
    "CELERY_",
    "KOMBU_",
    "PROMETHEUS_",
)
FOLDERS = "PYTHONPATH"  # none of the imported packages is in them: a child takes its own
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}
BASE = ("PATH", "HOME")
PROGRAM = Path(__file__).with_name("warm_server.py")
COLD = "PYTEST_COLD_STARTS" in os.environ or not hasattr(os, "pidfd_open")


def start(command, *, cwd, env, files, last_signal=0):
    """Start a program in a session of its own, warm where that makes no difference; `files` are its three standard ones."""
    command = [os.fspath(each) for each in command]
    if server := find_server(command, cwd, env):
        return WarmProcess(server, command, cwd, env, files, last_signal)
    options = dict(zip(("stdin", "stdout", "stderr"), files, strict=True))
    return start_child(command, cwd=cwd, env=env, start_new_session=True, last_signal=last_signal, **options)


def run(command, *, env, cwd=None, timeout=60):
    """Run a program to its end, its output kept: `subprocess.run` for what may start warm."""
    folder, command = cwd or Path.cwd(), [os.fspath(each) for each in command]
    server = find_server(command, folder, env)
    if not server:
        return subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=timeout
        )
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open() as nothing:
        process = WarmProcess(server, command, folder, env, (nothing, out, err), signal.SIGKILL)
        try:
            process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        said = [read(each) for each in (out, err)]
    return subprocess.CompletedProcess(command, process.returncode, *said)


def read(file):
    file.seek(0)
    return file.read().decode()


def find_server(command, folder, environment):
    """Give the server for a program, started at its first use; None where a fork would not be the same."""
    if COLD or any("gevent" in each for each in command) or not script_of(command, folder, environment):
        return None
    wanted = of_the_interpreter(environment)
    ours = of_the_interpreter(os.environ)
    if wanted not in (ours, ours | UNBUFFERED):
        return None
    key = os.getpid(), len(wanted)
    # Linux would end it with the thread that started it.
    if key not in servers and threading.current_thread() is threading.main_thread():
        servers[key] = WarmServer({name: os.environ[name] for name in BASE if name in os.environ} | wanted)
    return servers.get(key)


def script_of(command, folder, environment):
    """Give the arguments that this Python would see, `python x.py` or a script beside it; none for another program."""
    program = shutil.which(command[0], path=environment.get("PATH")) or ""
    if os.path.dirname(program) != os.path.dirname(sys.executable):  # noqa: PTH120  links stay as they are
        return []
    if Path(program).name.startswith("python"):
        script = next(iter(command[1:]), "")
        return list(command[1:]) if script.endswith(".py") and (Path(folder) / script).exists() else []
    is_python = f"#!{sys.executable}\n" in Path(program).read_text(errors="replace")[:200]
    return [program, *command[1:]] if is_python else []


def of_the_interpreter(environment):
    """Give the variables that an interpreter, or a package, reads while it starts: none changes by a fork."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(OF_THE_INTERPRETER) and name != FOLDERS
    }


class WarmServer:
    """One such Python, for one set of the interpreter's variables."""

    def __init__(self, environment):
        self.lock = threading.Lock()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = start_child(
                [sys.executable, str(PROGRAM), str(theirs.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
                last_signal=signal.SIGKILL,
            )

    def ask(self, request, files=()):
        with self.lock:
            socket.send_fds(self.socket, [json.dumps(request).encode()], [each.fileno() for each in files])
            said = self.socket.recv(1 << 10)
        assert said, f"{self.process.args} ended with {self.process.wait()}"
        return json.loads(said)

    def end(self):
        self.socket.close()
        self.process.wait()


servers: dict[tuple[int, int], WarmServer] = {}


def end_servers():
    for (owner, _), server in servers.items():
        if owner == os.getpid():
            server.end()
    servers.clear()


class WarmProcess:
    """What `subprocess.Popen` is for a child, for a child of the server."""

    def __init__(self, server, command, folder, environment, files, last_signal):  # noqa: PLR0917  as Popen's
        self.args = command
        self.server = server
        self.returncode = None
        self.pid = server.ask(
            {
                "argv": script_of(command, folder, environment),
                "folder": str(folder),
                "environment": environment,
                "last_signal": int(last_signal),
            },
            files,
        )
        self._end = os.pidfd_open(self.pid)
        weakref.finalize(self, os.close, self._end)

    def poll(self):
        """Return its exit code, None while it runs."""
        if self.returncode is None and select.select([self._end], [], [], 0)[0]:
            self.returncode = self.server.ask({"wait": self.pid})
        return self.returncode

    def wait(self, timeout=None):
        """Return its exit code; raises subprocess.TimeoutExpired."""
        if self.returncode is None and not select.select([self._end], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.poll()

    def send_signal(self, number):
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)
