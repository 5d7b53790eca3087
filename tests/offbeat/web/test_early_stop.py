"""A web process that is asked to stop just when one of its processes begins."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.offbeat.config.test_mistakes import COMMANDS

# The new process has its parent stopped, and waits, before it has handlers of its own, until the parent has asked it to stop.
CONFIG = """
import os, signal, time
exec(compile(open({path!r}).read(), {path!r}, "exec"))
bind, workers, graceful_timeout, core = "127.0.0.1:0", 1, 600, post_fork

def post_fork(server, worker):
    core(server, worker)
    os.kill(server.pid, signal.{asked})
    while server.SIG_QUEUE.empty() and not signal.sigpending():
        time.sleep(0.01)
"""


@pytest.mark.parametrize("asked", ["SIGTERM", "SIGINT"])
def test_a_process_that_has_no_handlers_yet(asked, tmp_path):
    """It stops as well: with its parent's handlers it forgot the signal, and was killed when the grace was over."""
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(path=str(Path("src/offbeat/gunicorn.py").absolute()), asked=asked))

    web = subprocess.run(
        [*COMMANDS["web"], "--config", str(config)], capture_output=True, text=True, timeout=60, check=False
    )

    assert web.returncode == 0, web.stderr
