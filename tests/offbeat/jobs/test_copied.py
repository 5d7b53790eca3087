"""The folder copied into another project, by the steps and with the code of docs/offbeat/jobs.md, as real processes."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT, Running

STEPS = (CHECKOUT / "docs" / "jobs.md").read_text().partition("## Use it in another Django project")[2]
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
    print(f"receipt for {order_id}")
"""


def code(name):
    """Give the block of the page that begins with the file's name."""
    return textwrap.dedent(re.search(rf"```python\n( *# {re.escape(name)}\n.*?)```", STEPS, re.DOTALL)[1])


def command():
    """Give the worker's command of the page."""
    return re.search(r"\$ (celery .*)", STEPS)[1].split()


class Project:
    def __init__(self, folder: Path, environment):
        self.folder = folder
        self.environment = environment

    def write(self):
        call_command("startproject", "shop", str(self.folder))
        shutil.copytree(CHECKOUT / "src" / "jobs", self.folder / "jobs")
        (self.folder / "orders").mkdir()
        (self.folder / "orders" / "tasks.py").write_text(TASKS)
        with (self.folder / "shop" / "settings.py").open("a") as settings:
            settings.write(DATABASE + code("settings.py"))
        (self.folder / "shop" / "celery.py").write_text(code("celery.py"))
        (self.folder / "shop" / "__init__.py").write_text(code("__init__.py"))

    def manage(self, *arguments):
        done = subprocess.run(
            [sys.executable, self.folder / "manage.py", *arguments],
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def worker(self):
        program, *options = command()
        celery = str(Path(sys.executable).with_name(program))
        arguments = [celery, "--workdir", str(self.folder), *options, "--concurrency", "1"]
        return Running("worker", arguments, self.environment, self.folder / "worker.log")


@pytest.fixture
def project(postgres, redis, carrier, tmp_path):
    with postgres.connect() as server:
        server.execute("DROP DATABASE IF EXISTS copied WITH (FORCE)")
        server.execute("CREATE DATABASE copied")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "DATABASE_URL": postgres.url_of("copied"),
        "REDIS_URL": redis.url,
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "OFFBEAT_JOBS_HEARTBEAT_FILE": str(tmp_path / "beat"),
    }
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project", environment)


def test_a_job_runs_in_another_project(project, postgres):
    """Copied, set up by the page and migrated, the checks pass, one job is executed, and the worker stops cleanly."""
    project.write()
    project.manage("check")
    project.manage("migrate", "--verbosity", "0")
    project.manage("shell", "-c", "from orders.tasks import send_receipt; send_receipt.enqueue(17)")
    worker = project.worker()
    try:
        wait_until(lambda: "receipt for 17" in worker.output or not worker.is_running)
        code = worker.stop()
    finally:
        worker.kill()

    with postgres.connect("copied") as database:
        rows = database.execute("SELECT task, state, attempt FROM offbeat_jobs_job").fetchall()
    assert rows == [("orders.tasks.send_receipt", "succeeded", 1)], worker.output
    assert code == 0
