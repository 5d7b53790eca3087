"""The page about leaving Beat, followed to the letter with a project that is not ours: from its files to jobs that ran."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from django.db import connection

from tests.offbeat.project.template.test_readme import Reader
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT

PAGE = (CHECKOUT / "docs/offbeat/leaving-beat.md").read_text()
OLD = Path(__file__).parent / "beat_project"
COMMANDS = [
    line
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in re.findall(r"^\$ (.+)$", block, re.MULTILINE)
]
# What runs, by cronjob: the schedule, and the note that its task takes.
EXPECTED = {
    "send-digest-every-morning": ("30 7 * * *", {"task": "send_digest", "audience": "all", "limit": None}),
    "clean-up": ("H H * * *", {"task": "clean_up", "days": 30, "folder": "carts"}),
    "sync-stock": ("*/10 * * * *", {"task": "synchronise"}),
    "refresh": ("*/15 * * * *", {"task": "refresh", "width": 16, "height": 16}),
    "weekly-report": ("0 0 * * 0", {"task": "Report", "city": "", "period": "week", "format": "html"}),
    "purge-at-night": ("0 3 * * *", {"task": "purge", "days": 7}),
    "reports-tasks-ping-https-example": (
        "*/10 * * * *",
        {"task": "ping", "url": "https://example.com/?a=1&b=2"},
    ),
    "tags": ("0 * * * *", {"task": "tag", "words": ["new", "cheap"], "options": {"colour": "red"}}),
    "report-tokyo": ("0 9 * * *", {"task": "Report", "city": "Tokyo", "period": "day", "format": "pdf"}),
    "refresh-large": ("20 */2 * * *", {"task": "refresh", "width": 64, "height": 64}),
}
# A tick catches up for a day; no zone of the project changes its clock.
A_DAY_AGO = "UPDATE offbeat_cronjobs_cronjob SET cursor = now() - interval '25 hours'"


class Team(Reader):
    """A team with a fork, which leaves Beat."""

    def move_code(self):
        for app in ("shop", "reports"):
            shutil.copytree(OLD / app, self.folder / "src" / app)
        shutil.copy(OLD / "beat.json", self.folder)
        self.edit(
            "src/config/settings.py",
            "INSTALLED_APPS = [\n",
            'INSTALLED_APPS = [\n    "shop",\n    "reports",\n',
        )
        settings = (OLD / "greenhouse/settings.py").read_text()
        imports, zone, schedule = (
            settings.partition("\nSECRET_KEY")[0],
            *settings.partition("\nCELERY_TIMEZONE")[1:],
        )
        self.append("src/config/settings.py", imports + zone + schedule)
        handlers = (OLD / "greenhouse/celery.py").read_text().partition("app.autodiscover_tasks()\n")[2]
        self.append("src/config/celery.py", f"from celery.schedules import crontab\n{handlers}")

    def append(self, file, text):
        path = self.folder / file
        path.write_text(f"{path.read_text()}\n\n{text}")

    def delete_schedule(self):
        for file in ("src/config/settings.py", "src/config/celery.py", "src/shop/tasks.py"):
            path = self.folder / file
            kept = re.split(r"\nCELERY_BEAT_SCHEDULE = |\napp\.conf\.|\n@current_app\.", path.read_text())[0]
            path.write_text(f"{kept}\n")


@pytest.fixture
def team(stack, tmp_path):
    """Has the servers of the stack."""
    variables = {name: stack.environment[name] for name in ("DATABASE_URL", "REDIS_URL")}
    return Team(tmp_path / "fork", variables | {"SHOP_NOTES": str(tmp_path / "notes")})


def entries_of(printed):
    return {each["name"]: each for each in yaml.safe_load(printed)["cronjobs"] or ()}


@pytest.mark.long
@pytest.mark.timeout(600)  # it installs packages, and starts two projects
def test_a_project_leaves_beat(team, stack, tmp_path):
    """Twelve entries of five places: ten run with the arguments that Beat would send, two are named."""
    look, write, check, migrate, tick, see = COMMANDS
    team.move_code()

    before = team.call(["bash", "-c", look], **team.variables)
    written = team.call(["bash", "-c", write], **team.variables)
    entries = entries_of(written.stdout)
    assert before.stdout == written.stdout
    assert (before.returncode, written.returncode) == (os.EX_DATAERR, os.EX_DATAERR)
    assert {name: each["schedule"] for name, each in entries.items()} == {
        name: each for name, (each, _) in EXPECTED.items()
    }
    assert "# not taken over: poll: every 30 s: a minute is cron's shortest" in written.stdout
    assert "# not taken over: new year: it runs once: enqueue it with task.using(run_at=" in written.stdout
    assert "# not taken over: celery.backend_cleanup: " in written.stdout
    assert "# not read" not in written.stdout
    assert 'queue "mail": a queue belongs to the task: CELERY_TASK_ROUTES["stock.sync"]' in written.stdout

    team.edit("platform.yaml", "\ncronjobs:\n", f"\n{written.stdout}")

    team.delete_schedule()
    for line in (check, migrate, tick, see):
        team.type(line)
    connection.cursor().execute(A_DAY_AGO)
    team.type(tick)
    team.type("./run manage enqueue_weekly_report --now")
    stack.checkout = team.folder
    stack.worker(
        **team.variables, PYTHONPATH=f"{team.folder / 'src'}", DJANGO_SETTINGS_MODULE="config.settings"
    )

    notes = tmp_path / "notes"
    expected = [note for _, note in EXPECTED.values()]
    wait_until(lambda: notes.exists() and all(each in found(notes) for each in expected), 60)
    assert [each for each in found(notes) if each not in expected] == []


def found(notes):
    return [json.loads(line) for line in notes.read_text().splitlines()]
