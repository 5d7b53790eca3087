"""`python -m offbeat.dev TASK ...`: what the script `run` calls. Works with any Python."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while the rest is imported is no traceback

from offbeat.dev.stop_signals import run_until_stopped  # noqa: E402
from offbeat.dev.tasks import main  # noqa: E402

run_until_stopped(main)
