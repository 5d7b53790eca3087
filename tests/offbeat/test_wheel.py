"""The core as a wheel in another project, by the steps and with the code of docs/offbeat/other-projects.md, as real processes."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from django.core.management import call_command

from offbeat.dev import wheel
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT, Running

CORE = CHECKOUT / "src" / "offbeat"
STEPS = (CHECKOUT / "docs/offbeat/other-projects.md").read_text()
DATABASE = """
import os

import dj_database_url

DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"])}
INSTALLED_APPS += ["orders"]
"""
TASKS = """
from celery import shared_task


@shared_task
def send_receipt(order_id):
    print(f"receipt for {order_id}", flush=True)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that the wheel is unpacked in, which is what pip makes of it; its requirements are those of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    assert wheel.main([str(folder)]) == 0
    (built,) = folder.glob("offbeat-*.whl")
    zipfile.ZipFile(built).extractall(folder / "installed")
    return folder / "installed"


def files(folder):
    """Give the paths below, but for what Python writes between them."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)) for path in paths}


def code(name):
    """Give the block of the page that begins with the file's name."""
    return textwrap.dedent(re.search(rf"```python\n( *# {re.escape(name)}\n.*?)```", STEPS, re.DOTALL)[1])


def commands():
    """Give the lines that the page has the reader type, after the installation."""
    return [shlex.split(line) for line in re.findall(r"\$ (python manage.py .*)", STEPS)]


class Project:
    def __init__(self, folder: Path, environment):
        self.folder = folder
        self.environment = environment

    def write(self):
        call_command("startproject", "shop", str(self.folder))
        (self.folder / "orders").mkdir()
        (self.folder / "orders" / "tasks.py").write_text(TASKS)
        with (self.folder / "shop" / "settings.py").open("a") as settings:
            settings.write(DATABASE + code("settings.py"))
        (self.folder / "shop" / "celery.py").write_text(code("celery.py"))
        (self.folder / "shop" / "__init__.py").write_text(code("__init__.py"))

    def call(self, python, *arguments):
        """Run a line of the page with our Python."""
        assert python == "python"
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, python, *arguments):
        return Running(
            "worker",
            [sys.executable, *arguments],
            self.environment,
            self.folder / "worker.log",
            self.folder,
        )


@pytest.fixture
def project(installed, postgres, redis, tmp_path):
    redis.resume()
    redis.start()
    with postgres.connect() as server:
        server.execute("DROP DATABASE IF EXISTS shop WITH (FORCE)")
        server.execute("CREATE DATABASE shop")
    ours = ("PYTHONPATH", "OFFBEAT_ROOT", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in ours} | {
        "DATABASE_URL": postgres.url_of("shop"),
        "OFFBEAT_JOBS_HEARTBEAT_FILE": str(tmp_path / "beat"),
        "PYTHONPATH": str(installed),
    }
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project", environment)


def test_the_wheel_is_the_core_without_what_a_checkout_needs(installed):
    """Templates, static files, migrations and the schema are in it; the stand-ins of development are not."""
    found, wanted = files(installed / "offbeat"), files(CORE)

    assert {path for path in wanted if not path.startswith("dev/")} - found == {
        "CHANGELOG.md",
        "pyproject.toml",
    }
    assert found - wanted == set()
    assert not (installed / "offbeat" / "dev").exists()


def test_a_job_runs_in_another_project(project, postgres):
    """Installed, set up by the page and migrated, the checks pass, one job is executed, and the worker stops cleanly."""
    project.write()
    check, migrate, worker, enqueue, look = commands()

    where = project.call("python", "-c", "import offbeat; print(offbeat.__file__)")
    project.call(*check)
    project.call(*migrate)
    running = project.start(*worker)
    try:
        project.call(*enqueue)
        wait_until(lambda: "receipt for 17" in running.output or not running.is_running)
        exit_code = running.stop()
    finally:
        running.kill()
        sys.stdout.write(running.output)

    with postgres.connect("shop") as database:
        rows = database.execute("SELECT task, state, attempt FROM offbeat_jobs_job").fetchall()
    assert where.startswith(project.environment["PYTHONPATH"])
    assert rows == [("orders.tasks.send_receipt", "succeeded", 1)], running.output
    assert exit_code == 0
    assert "succeeded" in project.call(*look)
