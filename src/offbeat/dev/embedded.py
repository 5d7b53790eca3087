"""Servers that a developer's machine runs for us: started, stopped, and for fault tests killed and paused."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import weakref
from typing import TYPE_CHECKING, Any, Self

import psutil  # type: ignore[import-untyped]

from offbeat.dev.child_processes import end_by_force, family, start_child
from offbeat.dev.ports import hold_port
from offbeat.dev.stop_signals import undisturbed

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

STARTING = 60.0  # seconds until a start has failed: recovery after a kill takes its time on a slow disk
STOPPING = 10  # seconds for each signal, before a harder one
PAUSE = 0.02  # seconds between two looks
FULL_DISK = "No space left on device"
LOG_LIMIT = 1 << 20  # bytes; a longer log starts anew


class ServerFailedError(Exception):
    """A server did not start. Show the message: it ends with the last lines of the server's log."""


def failure(what: str, said: str, folder: Path) -> ServerFailedError:
    """Return why a server did not start; `said` are its own words, and many where one would do."""
    if FULL_DISK in said:
        return ServerFailedError(f"{what}: no space is left on the disk of {folder}. Hint: free 100 MB.")
    return ServerFailedError(f"{what}:\n{said}")


class EmbeddedServer:
    """A server with a folder and a port of its own, on 127.0.0.1 behind a password.

    The folder holds `data/`, `log` and `pid`. The port stays the same from one start to the next;
    nobody else gets it meanwhile.
    """

    name: str
    stop_signals: tuple[int, ...]  # from the polite to the certain
    starting = STARTING

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.durable = durable
        holder = hold_port()
        self.port: int = holder.getsockname()[1]
        weakref.finalize(self, holder.close)
        self._process: subprocess.Popen[bytes] | None = None

    # What each kind of server says

    @property
    def url(self) -> str:
        raise NotImplementedError

    def prepare(self) -> None:
        """Make the data folder if it is not there."""
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it serves now; False while it is starting."""
        raise NotImplementedError

    def configuration(self) -> bytes:
        """What it reads from its standard input."""
        return b""

    def account(self) -> dict[str, Any]:
        """Give the arguments that make `subprocess` run it as another user."""
        return {}

    # What one does with it

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and return when it answers; raises ServerFailedError."""
        if self.is_running:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        self._end_leftover()
        self.prepare()
        try:
            self._spawn()
            self._wait_until_it_answers()
        except BaseException:  # Ctrl-C too: no server is left behind
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it politely, after ten seconds less so, and return when it is gone."""
        self.resume()
        for number in (*self.stop_signals, signal.SIGKILL):
            if not self.is_running:
                break
            self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running.wait(STOPPING)
        self._forget()

    def kill(self) -> None:
        """End it with all its processes by SIGKILL, as a machine that loses its power does."""
        end_by_force(self._family())
        self._forget()

    def restart(self) -> Self:
        """Stop it if it runs, and start it on the same port."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Stop all its processes where they are: connections stay open and silent."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Let a paused server go on."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # How

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process

    def _spawn(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.unlink()
        with self.log.open("ab") as log, undisturbed():
            self._process = start_child(
                self.command(),
                cwd=self.data,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we stop the servers when their clients are gone
                last_signal=self.stop_signals[0],
                **self.account(),
            )
        self._pid_file.write_text(str(self._process.pid))
        with contextlib.suppress(BrokenPipeError):  # it ended at once: its log says why
            self._configure()

    def _configure(self) -> None:
        pipe = self._running.stdin
        if pipe:
            pipe.write(self.configuration())
            pipe.close()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + self.starting
        while not self.answers():
            if not self.is_running or time.monotonic() > deadline:
                raise failure(f"{self.name} did not start; {self.log} says", self._log_end(), self.folder)
            time.sleep(PAUSE)

    def _log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-8:]
        return "\n".join(f"  {line}" for line in lines)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._running.pid, number)

    def _family(self) -> list[psutil.Process]:
        """Give the server's main process first, then the others: none if it does not run."""
        return family(self._process) if self._process else []

    def _forget(self) -> None:
        if self._process:
            self._process.wait(STOPPING)
        self._process = None
        self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self.folder / "pid"

    def _end_leftover(self) -> None:
        """End the server of an earlier run whose parent was killed, where the kernel did not."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            leftover = psutil.Process(int(self._pid_file.read_text()))
            if leftover.cwd() == str(self.data.resolve()):  # else the pid is another program's by now
                leftover.send_signal(self.stop_signals[0])
                leftover.wait(STARTING)
