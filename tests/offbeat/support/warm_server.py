"""A Python that has imported what every process of the app imports, and becomes one of them by a fork: half of a start's CPU.

No module of ours and no setting is imported before the fork: those are what is tested. `warm_python` starts it, and asks it
over a socket: {"argv": …} with three open files starts a program, {"wait": pid} gives how one has ended, or null.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import socket
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LONGEST = 1 << 17  # bytes of a request: an environment is a few KB
# Other packages' only, and none that reads the environment while it is imported (gunicorn.config does, and gevent must be first).
PRELOADED = Path(__file__).with_name("warm_modules.txt")


def serve(asked: socket.socket) -> dict | None:
    """Answer until the other end is closed. Returns None then, and in a child what it is to become."""
    while True:
        said, files, _, _ = socket.recv_fds(asked, LONGEST, 3)
        if not said:
            return None
        request = json.loads(said)
        if "wait" in request:
            asked.send(json.dumps(status_of(request["wait"])).encode())
            continue
        parent = os.getpid()
        if pid := os.fork():
            for file in files:
                os.close(file)
            asked.send(json.dumps(pid).encode())
            continue
        asked.close()
        become(request, files, parent)
        return request


def status_of(pid: int) -> int | None:
    """Give the exit code of a child as `subprocess` does, and None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def become(request: dict, files: list[int], parent: int) -> None:
    """Take the place of a process that was started by itself: session, files, folder, environment, arguments."""
    os.setsid()
    if number := request["last_signal"]:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died between the fork and the line above
            os.kill(os.getpid(), number)
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["argv"]
    sys.orig_argv = [sys.executable, *request["argv"]]
    folders = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    sys.path[:0] = [str(Path(sys.argv[0]).resolve().parent), *map(os.path.abspath, folders)]


def run_script() -> None:
    """Run the file of sys.argv as `__main__`."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    path = Path(sys.argv[0])
    main.__file__ = str(path.absolute())
    exec(compile(path.read_text(), main.__file__, "exec"), vars(main))  # noqa: S102


if __name__ == "__main__":
    del sys.path[0]  # this folder: the script's own comes in its place
    for name in PRELOADED.read_text().split():
        with contextlib.suppress(ImportError):  # the oldest Django has another set of modules
            import_module(name)
    gc.freeze()  # so that a collection of a child's writes on none of the shared pages
    with socket.socket(fileno=int(sys.argv[1])) as control:
        program = serve(control)
    if program:
        run_script()
