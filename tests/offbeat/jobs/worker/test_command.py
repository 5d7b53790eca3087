"""`manage.py worker`: Celery's worker in the process that was started, with the flags that jobs needs."""

import os
import subprocess

import pytest
from celery.bin.celery import celery
from django.core.management import get_commands, load_command_class

from tests.offbeat.support import warm_python
from tests.offbeat.support.running import CHECKOUT
from tests.offbeat.support.stack import MANAGE


def run(*arguments, **environment):
    return warm_python.run([*MANAGE, "worker", *arguments], cwd=CHECKOUT, env=os.environ | environment)


def test_everything_is_given_on(monkeypatch):
    """What stands behind `worker` reaches Celery as it was typed, behind our flags, so that it wins."""
    given = {}
    monkeypatch.setattr(celery, "main", lambda args, **options: given.update(options, args=args))
    command = load_command_class(get_commands()["worker"], "worker")

    command.run_from_argv(["manage.py", "worker", "--queues", "default,mail", "--settings", "x", "-c1"])

    assert given["args"] == [
        "--quiet", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat",
        "--queues", "default,mail", "--settings", "x", "-c1",
    ]  # fmt: skip


def test_the_options_are_celerys():
    """--help is that of Celery's worker, and an option that it does not know is refused as there."""
    shown, refused = run("--help"), run("--quues", "mail")

    assert (shown.returncode, refused.returncode) == (0, 2)
    assert "--max-tasks-per-child" in shown.stdout
    assert "No such option '--quues'" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("pool", [["--pool", "eventlet"], ["-P", "custom"], ["-Pnone"]])
def test_another_pool_is_refused(pool):
    """The worker does not start with a pool in which messages run twice, and exits with 78 (EX_CONFIG) and one line."""
    refused = run(*pool)

    assert refused.returncode == os.EX_CONFIG
    assert refused.stderr.startswith("Error: the worker's pool is ")
    assert "which is not supported: " in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_pool_by_a_variable_is_refused():
    """Celery's own variables reach this worker as they reach Celery's command line."""
    refused = run(CELERY_WORKER_POOL="eventlet")

    assert refused.returncode == os.EX_CONFIG
    assert "eventlet, which is not supported: it is no longer maintained" in refused.stderr


def test_a_project_without_an_application_is_told(tmp_path):
    """Where the project has made no Celery application, none of Celery's own is started in its place."""
    (tmp_path / "bare_settings.py").write_text(
        "from offbeat.settings import *\nINSTALLED_APPS = OFFBEAT_APPS\nenv.complain()\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])

    refused = run("--queues", "default", DJANGO_SETTINGS_MODULE="bare_settings", PYTHONPATH=path)

    assert refused.returncode == os.EX_CONFIG
    assert refused.stderr.startswith("Error: Celery has no application that runs jobs. Hint: make one with")


@pytest.mark.faults
def test_the_process_is_the_worker(stack):
    """No process stands between the platform and the worker: SIGTERM to the one that was started stops it, with 0."""
    worker = stack.worker()
    children = {child.ppid() for child in worker.children()}

    code = worker.stop()

    assert children == {worker.pid}
    assert code == 0
    assert "stopping, with 0 running tasks" in worker.output


@pytest.mark.faults
@pytest.mark.skipif(
    subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs the right to make a PID namespace",
)
def test_it_works_as_pid_1(stack):
    """As the first process of a container it stops on SIGTERM as anywhere else."""
    inside = stack.start(
        "worker", ["unshare", "--pid", "--fork", "--mount-proc", *MANAGE, "worker", "--queues", "default"]
    )
    inside.wait_for(" ready.")
    (worker, *_) = inside.children()

    worker.terminate()

    assert inside.wait() == 0
    assert "stopping, with 0 running tasks" in inside.output


@pytest.mark.faults
def test_celerys_own_command_line_still_works(stack):
    """A team that starts its worker by `celery -A config worker` gets the same worker."""
    command = ["celery", "-A", "tests.offbeat.sample_project", "worker", "--queues", "default"]
    worker = stack.start("celery", command)
    worker.wait_for(" ready.")

    assert worker.stop() == 0
    assert "stopping, with 0 running tasks" in worker.output


@pytest.mark.parametrize(("command", "code", "says"), [
    (["purge", "-f"], 0, "No messages purged"),
    (["status", "-t", "0.1"], os.EX_UNAVAILABLE, "No nodes replied"),
])  # fmt: skip
def test_celerys_other_commands_still_work(command, code, says):
    """They start without Django's models: what jobs adds to the application loads them only where it needs them."""
    done = subprocess.run(
        ["celery", "-A", "tests.offbeat.sample_project", *command],
        cwd=CHECKOUT, env=os.environ.copy(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (done.returncode, says in done.stdout + done.stderr) == (code, True)
