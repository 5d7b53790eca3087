"""The README, followed to the letter by somebody who has just cloned the template. A fork has a README of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
import yaml

from offbeat.deployment import spec
from offbeat.jobs import Job
from tests.offbeat.dev.repositories import Repository
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT

README = (CHECKOUT / "README.md").read_text()
FIRST_CRONJOB = README.partition("## Add your first cronjob")[2].partition("\n## ")[0]
MANUALS = (
    (CHECKOUT / "docs/offbeat/cronjobs.md").read_text().partition("## Add one\n")[2].partition("\n### ")[0]
)

STEP = re.compile(
    r"In `(?P<file>[^`]+)`(?:, under the line `(?P<line>[^`]+)`)?:\n\n```\w+\n(?P<code>.*?)```"
    r"|```console\n(?P<commands>.*?)```",
    re.DOTALL,
)
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".local", ".hypothesis", "*.pyc.*", ".*_cache", "staticfiles"
)


class Reader(Repository):
    """Somebody with a copy of this checkout, who does what the README says."""

    def __init__(self, folder, variables):
        shutil.copytree(CHECKOUT, folder, ignore=LEFT_OUT)
        super().__init__(folder)
        self.variables = variables
        self.check()  # makes the environment that ./run looks for

    def follow(self, text):
        """Do each step of a text in its order, and return the files that it was about; a command that fails ends the test."""
        steps = list(STEP.finditer(text))
        for step in steps:
            if step["commands"]:
                for line in re.findall(r"^\$ (.+)$", step["commands"], re.MULTILINE):
                    self.type(line)
            elif step["line"]:
                self.edit(step["file"], f"\n{step['line']}\n", f"\n{step['line']}\n{step['code']}")
            else:
                assert not (self.folder / step["file"]).exists()
                self.write(step["file"], step["code"])
        return [step["file"] for step in steps if step["file"]]

    def type(self, line):
        done = self.call(["bash", "-euc", line], **self.variables)
        assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def reader(stack, tmp_path):
    """Has the servers of the stack."""
    variables = {name: stack.environment[name] for name in ("DATABASE_URL", "REDIS_URL")}
    return Reader(tmp_path / "clone", variables)


def test_the_first_cronjob_runs(reader, stack):
    """Nothing but what the page says makes a project that passes its checks, and whose worker does the new job."""
    files = reader.follow(FIRST_CRONJOB)

    assert files == [
        "src/config/settings.py",
        "src/shop/tasks.py",
        "src/shop/management/commands/enqueue_count_users.py",
        "platform.yaml",
    ]
    reader.type("./run check lint format django migrations platform.yaml")
    job = Job.objects.get(task="shop.tasks.count_users")
    stack.checkout = reader.folder
    stack.environment["PYTHONPATH"] = str(reader.folder / "src")
    worker = stack.worker()
    wait_until(lambda: Job.objects.get(pk=job.pk).is_finished)
    assert Job.objects.get(pk=job.pk).state == "succeeded", worker.output
    assert "active users" in worker.output


def run_tasks():
    listing = subprocess.run(["./run"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  \./run ([\w-]+)", listing, re.MULTILINE)


def test_every_task_of_run_is_listed():
    """The README's table has the tasks that ./run lists, in its order, and no other."""
    assert re.findall(r"^\| `\./run ([\w-]+)", README, re.MULTILINE) == run_tasks()


def test_every_process_is_listed():
    """The table of processes has what platform.yaml runs, word for word."""
    platform = spec.read()

    assert f"| `release` | `{platform.release}` |" in README
    for service in platform.services:
        assert f"| `{service.name}` | `{service.command}` |" in README


def test_the_required_variables_are_listed():
    """Whoever sets what the table says can start: nothing else is required."""
    rows = re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)
    table = (CHECKOUT / "docs/offbeat/configuration.md").read_text()

    assert rows == re.findall(r"^\| `([A-Z_]+)` \| required", table, re.MULTILINE)


def test_the_entry_is_one_that_platform_yaml_takes():
    """The block itself is right, whatever the file looks like."""
    block = re.search(r"```yaml\n(.*?)```", FIRST_CRONJOB, re.DOTALL)[1]
    document = yaml.safe_load((CHECKOUT / "platform.yaml").read_text()) | {"cronjobs": yaml.safe_load(block)}

    (cronjob,) = spec.parse(yaml.safe_dump(document)).cronjobs

    assert (cronjob.name, cronjob.schedule) == ("count-users", "*/10 * * * *")


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)|(?:src|srcset)=\"([^\"]+)", README)))
)
def test_every_link_leads_somewhere(path):
    """A relative link of the README leads to a file, and a picture is there."""
    assert (CHECKOUT / "".join(path)).exists()


@pytest.mark.parametrize(
    "path", re.findall(r"^\| `([\w./]+)` \| ", README.partition("## Where to look")[2], re.MULTILINE)
)
def test_every_file_of_interest_exists(path):
    """The files that the README points to are there."""
    assert (CHECKOUT / path).exists()


def test_the_readme_can_be_read_in_one_go():
    """It has at most 250 lines; the rest belongs under docs/."""
    assert len(README.splitlines()) <= 250


def test_run_is_executable():
    """The first command of the README works in a fresh clone."""
    assert os.access(CHECKOUT / "run", os.X_OK)
