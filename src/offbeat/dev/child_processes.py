"""Child processes that cannot outlive us: we end them with all that they started.

When we are killed, Linux' kernel ends them. Elsewhere, as on macOS, the warden does, a process that notices our death by a pipe.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

from offbeat.dev import warden
from offbeat.dev.stop_signals import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PAUSE = 0.02  # seconds between two looks
GONE = 5  # seconds that the kernel may take to end what was killed


def start_child(
    command: Sequence[str | os.PathLike[str]], *, last_signal: int = signal.SIGTERM, **options: Any
) -> subprocess.Popen[bytes]:
    """Start a process that gets `last_signal` when we die; `options` are those of `subprocess.Popen`.

    Call it in the main thread: Linux ends a child with the thread that started it.
    """
    if sys.platform == "linux":
        return subprocess.Popen(command, preexec_fn=_request_signal(last_signal), **options)  # noqa: S603, PLW1509
    child = subprocess.Popen(command, **options)  # noqa: S603
    warden.watch(child.pid, last_signal)
    return child


def _request_signal(number: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None)  # loaded before the fork: little is safe between fork and exec
    parent = os.getpid()

    def ask_the_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died between the fork and the line above
            os.kill(os.getpid(), number)

    return ask_the_kernel


def run_child(command: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a process to its end and return what it has said; stopped meanwhile, we leave nothing of it behind."""
    child = None
    try:
        with undisturbed():
            child = start_child(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us
                **options,
            )
        said, problems = child.communicate()
        texts = (each.decode(errors="replace") for each in (said, problems))
        return subprocess.CompletedProcess(command, child.returncode, *texts)
    finally:
        if child:
            end_by_force(family(child))
            child.wait()


def family(child: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Give a child and then everything below it, in sessions of their own too: none if it has ended."""
    if child.poll() is not None:
        return []
    with contextlib.suppress(psutil.NoSuchProcess):
        main = psutil.Process(child.pid)
        return [main, *main.children(recursive=True)]
    return []


def stop_by(deadline: float, child: subprocess.Popen[bytes]) -> None:
    """Wait for a child that was asked to stop; at the deadline (of time.monotonic) end it and all below it by force."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(max(0.1, deadline - time.monotonic()))
    end_by_force(family(child))
    end_leftovers(child)


def end_leftovers(child: subprocess.Popen[bytes]) -> None:
    """End what an ended child has left in its session, and do so at once: later its pid may be another program's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def end_by_force(processes: Iterable[psutil.Process]) -> None:
    """Kill processes and return when they are gone, after five seconds at the latest."""
    killed = list(processes)
    for process in killed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + GONE
    while any(map(_is_alive, killed)) and time.monotonic() < deadline:
        time.sleep(PAUSE)


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
