"""Children of a process that was killed, where the kernel ends them and where it does not, as on macOS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from offbeat.dev.servers import CHECKOUT
from tests.offbeat.support.polling import wait_until

PARENT = """
import sys, time
from offbeat.dev.child_processes import start_child
sys.platform = sys.argv[1]
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
ended, polite, deaf = (start_child(argv, start_new_session=True, **more) for argv, more in (
    (["true"], {}),
    (["sleep", "60"], {}),
    ([sys.executable, "-c", deaf], {"last_signal": 9, "stdout": -1}),
))
deaf.stdout.readline()
ended.wait()
print(polite.pid, deaf.pid, flush=True)
time.sleep(60)
"""
# A child whose own child, which answers no signal, would go on for ten minutes: as initdb's does for a while.
STOPPED = """
import sys
from offbeat.dev.child_processes import run_child
from offbeat.dev.stop_signals import run_until_stopped
deaf = "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, {2, 15}); time.sleep(600)"
script = '"$0" -c "$1" > /dev/null 2>&1 & echo $! > pid.new; mv pid.new pid; wait'
run_until_stopped(lambda _: run_child(["bash", "-c", script, sys.executable, deaf]).returncode)
"""


def test_a_stop_ends_what_was_run_with_all_below_it(tmp_path):
    """The next start may work in the same folder at once: nobody writes there any more."""
    environment = os.environ | {"PYTHONPATH": f"{CHECKOUT / 'src'}"}
    command = [sys.executable, "-c", STOPPED]
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        wait_until((tmp_path / "pid").exists)
        os.killpg(parent.pid, signal.SIGINT)
        said = parent.stderr.read()

    assert (parent.returncode, said) == (130, "Stopped.\n")
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not psutil.pid_exists(pid))  # it is dead already, and init may not have seen it yet


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_they_end_with_a_parent_that_is_killed(platform):
    """Each gets the signal that was asked for; what had ended before is nobody's business; no warden is left."""
    environment = os.environ | {"PYTHONPATH": f"{CHECKOUT / 'src'}"}
    command = [sys.executable, "-c", PARENT, platform]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        family = psutil.Process(parent.pid).children()
        parent.kill()

    assert len(family) == (2 if platform == "linux" else 3)
    wait_until(lambda: not any(map(psutil.pid_exists, [*pids, *(each.pid for each in family)])))
