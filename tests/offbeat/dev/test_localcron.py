"""The stand-in for the platform's cron on a developer's machine."""

from __future__ import annotations

import signal
import sys

from tests.offbeat.support.polling import wait_until

LOCALCRON = [sys.executable, "manage.py", "localcron"]


def test_an_unknown_name_lists_the_known_ones(stack):
    """`--fire` with a wrong name is a usage error that names the right ones."""
    refused = stack.manage("localcron", "--fire", "nightly", DEBUG="true")

    assert refused.returncode == 64
    assert "no cronjob 'nightly'; it has: " in refused.stderr
    assert "prune-jobs" in refused.stderr


def test_firing_nothing_lists_what_there_is(stack):
    """`./run fire` alone: each cronjob with its schedule, as one types it; nothing was run, which the exit code says."""
    listed = stack.manage("localcron", "--fire", DEBUG="true")

    assert listed.returncode == 64
    assert "Which cronjob? There are:\n  ./run fire prune-jobs  H 2 * * * (UTC)" in listed.stderr


def test_a_name_that_is_nearly_one(stack):
    """The nearest is named."""
    refused = stack.manage("localcron", "--fire", "prune-job", DEBUG="true")

    assert "Did you mean prune-jobs?" in refused.stderr


def test_it_refuses_production(stack):
    """Beside a real platform it would fire everything twice; it says so in the image, which has no psutil."""
    (stack.folder / "psutil.py").write_text("raise ModuleNotFoundError('No module named psutil')")
    path = f"{stack.folder}:{stack.environment['PYTHONPATH']}"

    refused = stack.manage("localcron", DEBUG="false", PYTHONPATH=path)

    assert refused.returncode == 64
    assert "Development only" in refused.stderr


def test_firing_gives_the_commands_exit_code(stack):
    """`--fire` ends as the command ended: here without a database, which is 69."""
    fired = stack.manage(
        "localcron", "--fire", "prune-jobs", DEBUG="true", DATABASE_URL="postgresql://x@127.0.0.1:1/x"
    )

    assert fired.returncode == 69
    assert "prune-jobs: exit code 69 after " in fired.stdout


def test_an_interrupted_fire_is_no_success(stack):
    """Who stops `--fire` before its command has ended gets the exit code of the signal."""
    fired = stack.start("fire", [*LOCALCRON, "--fire", "prune-jobs"], DEBUG="true")
    wait_until(fired.children)

    assert fired.stop() == 143


def test_it_stops_when_asked(stack):
    """SIGTERM ends it in an orderly way."""
    cron = stack.start("localcron", LOCALCRON, DEBUG="true")
    cron.wait_for("next at")

    cron.signal(signal.SIGTERM)

    assert cron.wait() == 0
    assert "Running the cronjobs instead of the platform, in development only." in cron.output
    assert "Traceback" not in cron.output
