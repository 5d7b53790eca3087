"""The warm starts of the tests: what a program sees of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.offbeat.support import warm_python
from tests.offbeat.support.polling import wait_until

LOOKS = """
import json, os, sys
seen = [sys.argv, sys.path[0], os.getcwd(), os.environ["OWN"], "HOME" in os.environ, __name__]
print(json.dumps([*seen, [name for name in sys.modules if name.split(".")[0] in ("offbeat", "tests", "gevent", "gunicorn")]]))
"""


@pytest.fixture
def program(tmp_path):
    """Writes a program, and gives its command."""

    def write(text):
        (tmp_path / "program.py").write_text(text)
        return ["python", "program.py", "--option"]

    return write


@pytest.fixture
def environment():
    ours = warm_python.of_the_interpreter(os.environ)
    return ours | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OWN": "word"}


def test_it_is_as_if_started_by_itself(program, environment, tmp_path):
    """Arguments, folder and environment are its own, and nothing of ours is imported."""
    done = warm_python.run(program(LOOKS), env=environment, cwd=tmp_path)

    seen = json.loads(done.stdout)
    assert seen == [
        ["program.py", "--option"],
        str(tmp_path),
        str(tmp_path),
        "word",
        False,
        "__main__",
        [],
    ]
    assert (done.returncode, done.stderr) == (0, "")


def test_its_folders_are_its_own(program, environment, tmp_path):
    """PYTHONPATH comes behind the program's folder, before other people's packages, and nothing of ours is left in it."""
    folders = [str(tmp_path / name) for name in ("one", "two")]
    path = {"PYTHONPATH": os.pathsep.join(folders)}
    command = program("import sys; print(sys.path)")

    cold = subprocess.run(
        [sys.executable, *command[1:]],
        env=environment | path,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    warm = warm_python.run(command, env=environment | path, cwd=tmp_path)

    assert warm.stdout == cold.stdout
    assert str([str(tmp_path), *folders])[1:-1] in warm.stdout


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("raise SystemExit(78)", (78, "")),
        ("import atexit; atexit.register(print, 'last'); raise OSError('own words')", (1, "own words")),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", (-signal.SIGKILL, "")),
        ("import threading; threading.Timer(0.1, print, ['last']).start()", (0, "")),
    ],
)
def test_its_end(program, environment, tmp_path, text, end):
    """Its exit code, its last words, and what it does at its end, are those of any process."""
    done = warm_python.run(program(text), env=environment, cwd=tmp_path)

    code, last_words = end
    assert done.returncode == code
    assert last_words in done.stderr
    assert done.stdout == ("last\n" if "last" in text else "")


def test_it_ends_with_its_server(program, environment, tmp_path):
    """Which ends with pytest: nothing is left behind by a run that is killed."""
    server = warm_python.WarmServer(environment)
    with Path(os.devnull).open("r+b") as nothing:
        files = [nothing] * 3
        process = warm_python.WarmProcess(
            server, program("import time; time.sleep(60)"), tmp_path, environment, files, signal.SIGKILL
        )
    assert process.poll() is None

    server.process.kill()

    wait_until(lambda: not psutil.pid_exists(process.pid))
    server.end()


@pytest.mark.parametrize(
    "change",
    [
        {"PYTHONWARNINGS": "error"},
        {"LD_PRELOAD": "clock.so"},
        {"TZ": "Asia/Tokyo"},
        {"PATH": "/usr/bin:/bin"},
    ],
)
def test_another_interpreter_starts_from_nothing(program, environment, tmp_path, change):
    """What an interpreter reads at its start cannot be changed later."""
    command = program("")

    assert (warm_python.find_server(command, tmp_path, environment) is None) == warm_python.COLD
    assert warm_python.find_server(command, tmp_path, environment | change) is None
    assert warm_python.find_server([*command, "gevent"], tmp_path, environment) is None
