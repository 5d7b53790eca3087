"""The README stays true: what the code has is in it, and what it names is in the code."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands

from offbeat.deployment import spec
from offbeat.deployment.env_use import settings_files

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
README = (ROOT / "README.md").read_text()
PAGES = "\n".join(
    page.read_text() for page in [ROOT / "README.md", *sorted((ROOT / "docs" / "offbeat").rglob("*.md"))]
)
READERS = {"text", "boolean", "integer", "items", "url"}


def variables_of_the_settings():
    nodes = [
        node for path in settings_files("config.settings") for node in ast.walk(ast.parse(path.read_text()))
    ]
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return sorted({call.args[0].value for call in calls if call.func.attr in READERS})


def variables_of_the_readme():
    section = README.partition("## Configuration")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return sorted(set(re.findall(r"`([A-Z_]+)`", " ".join(cells))))


def own_commands():
    apps = {folder.name for folder in SRC.iterdir()}
    return sorted(name for name, app in get_commands().items() if app in apps)


def run_tasks():
    listing = subprocess.run(["./run"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  \./run (\w+)", listing, re.MULTILINE)


@pytest.mark.parametrize("name", variables_of_the_settings())
def test_every_variable_is_in_the_table(name):
    """Each environment variable that the settings read has a row of the README's table."""
    assert name in variables_of_the_readme()


@pytest.mark.parametrize("name", variables_of_the_readme())
def test_every_row_of_the_table_is_read(name):
    """The table names no variable that the code does not read."""
    assert any(f'"{name}"' in module.read_text() for module in SRC.rglob("*.py"))


def test_every_task_of_run_is_told():
    """The README's table has the tasks that ./run lists, in its order, and no other."""
    assert re.findall(r"^\| `\./run (\w+)", README, re.MULTILINE) == run_tasks()


@pytest.mark.parametrize("name", own_commands())
def test_every_command_is_told(name):
    """Each management command of the project is named by the README or a page of docs/."""
    assert re.search(rf"\b{name}\b", PAGES)


def test_every_command_that_is_told_exists():
    """Behind `python manage.py` and `./run manage` there is a command that exists, but for the one that the reader adds."""
    told = set(re.findall(r"(?:manage\.py|run manage) ([a-z_]+[a-z])\b", README))

    assert told - set(get_commands()) == {"enqueue_count_users"}


def test_every_process_is_told():
    """The table of processes has what platform.yaml runs, word for word up to the options."""
    platform = spec.read()

    assert f"| `release` | `{platform.release}` |" in README
    for service in platform.services:
        begin = service.command.partition(" --queues")[0]
        assert f"| `{service.name}` | `{begin}" in README


def test_the_first_cronjob_is_right():
    """The entry that the README has the reader write is one that platform.yaml takes."""
    snippet = re.search(r"```yaml\n(cronjobs:.*?)```", README, re.DOTALL)[1]
    source = yaml.safe_load((ROOT / "platform.yaml").read_text()) | yaml.safe_load(snippet)

    (cronjob,) = spec.parse(yaml.safe_dump(source)).cronjobs

    assert (cronjob.name, cronjob.schedule) == ("count-users", "*/10 * * * *")


@pytest.mark.parametrize(
    "path", re.findall(r"^\| `([\w./]+)` \| ", README.partition("## Where to look")[2], re.MULTILINE)
)
def test_every_file_of_interest_exists(path):
    """The files that the README points to are there."""
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_every_link_leads_somewhere(path):
    """A relative link of the README leads to a file."""
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"docs/offbeat/images/[\w.-]+", README))))
def test_the_pictures_are_there_and_small(path):
    """A clone does not pay for the pictures, and the README shows them."""
    assert 0 < (ROOT / path).stat().st_size < 150_000


def test_the_readme_can_be_read_in_one_go():
    """It has at most 250 lines; the rest belongs under docs/."""
    assert len(README.splitlines()) <= 250


def test_run_is_executable():
    """The first command of the README works in a fresh clone."""
    assert os.access(ROOT / "run", os.X_OK)
