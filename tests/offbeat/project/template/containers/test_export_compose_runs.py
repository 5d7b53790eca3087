"""The exported compose, run as it stands: real containers, a slot of a real minute, a job that finishes."""

import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from offbeat.deployment import spec
from offbeat.deployment.exporters import export_platform
from offbeat.deployment.exporters.files import write
from offbeat.dev.ports import free_port
from tests.offbeat.project.template.containers import podman
from tests.offbeat.support.polling import wait_until

PROJECT = "exported"


@pytest.fixture
def compose(tmp_path):
    """A function that runs podman-compose on the export of a platform.yaml with a cronjob of every minute."""
    program = shutil.which("podman-compose") or shutil.which(
        "podman-compose", path=Path(sys.executable).parent
    )
    if reason := podman.missing(podman.PYTHON, podman.POSTGRES, podman.REDIS) or (
        "" if program else "podman-compose is not installed"
    ):
        pytest.skip(reason)
    source = re.sub('schedule: ".*"', 'schedule: "* * * * *"', spec.PLATFORM_FILE.read_text(), count=1)
    source = source.replace("name: offbeat\n", f"name: {PROJECT}\n", 1)
    podman.build()
    (tmp_path / "platform.yaml").write_text(source)
    (tmp_path / "Dockerfile").write_text(f"FROM {podman.IMAGE}\nCOPY platform.yaml ./\n")
    podman.build(tmp_path, f"localhost/{PROJECT}")
    list(write(export_platform("compose", spec.parse(source)), tmp_path))
    folder = tmp_path / "deploy" / "compose"
    exported = (folder / "compose.yaml").read_text()
    for pinned in (podman.POSTGRES, podman.REDIS):
        exported = exported.replace(pinned, podman.find_local(pinned))
    (folder / "compose.yaml").write_text(exported)
    values = {"IMAGE": f"localhost/{PROJECT}", "HTTP_PORT": str(free_port()), "ALLOWED_HOSTS": "localhost"}
    values |= {"POSTGRES_PASSWORD": secrets.token_hex(8), "SECRET_KEY": secrets.token_hex(32)}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))

    def run(*arguments):
        command = [program, "--podman-run-args=--pull never", *arguments]
        environment = podman.ENVIRONMENT | {"PATH": os.environ["PATH"]}
        for name in ("DATABASE_URL", "REDIS_URL", *values):
            environment.pop(name, None)
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=170
        )

    run("down", "--volumes")
    yield run
    run("down", "--volumes")


def logs(service):
    done = podman.podman("logs", f"{PROJECT}_{service}_1")
    return done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_a_cronjob_fires_and_its_job_finishes(compose):
    """From nothing: release, web, worker and cron come up, a slot is enqueued, and everything stops by itself."""
    # --no-deps: podman before 4.6 cannot start a container whose dependency has ended, as a release does.
    started = compose("up", "--detach", "--no-deps")
    wait_until(lambda: "Released: the database is up to date." in logs("release"), 120)
    wait_until(lambda: "enqueued as job" in logs("cron"), 150)

    wait_until(lambda: podman.podman("healthcheck", "run", f"{PROJECT}_worker_1").returncode == 0, 60)
    wait_until(lambda: podman.podman("healthcheck", "run", f"{PROJECT}_web_1").returncode == 0, 60)
    listed = "from offbeat.jobs.models import Job; print(*Job.objects.values_list('state', flat=True))"
    ask = ("exec", f"{PROJECT}_web_1", "python", "manage.py", "shell", "--verbosity", "0", "-c", listed)
    wait_until(lambda: "succeeded" in podman.podman(*ask).stdout, 60)
    compose("stop")
    codes = podman.podman(
        "inspect",
        "--format",
        "{{.State.ExitCode}}",
        f"{PROJECT}_cron_1",
        f"{PROJECT}_worker_1",
        f"{PROJECT}_web_1",
    )

    assert "Error" not in started.stdout
    assert codes.stdout.split() == ["0", "0", "0"]
