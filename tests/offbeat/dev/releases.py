"""What happens to Offbeat and to a project made from it: seven commits upstream, and what a team makes its own."""

from __future__ import annotations

import re
import shutil

CORE_SETTINGS = "src/offbeat/settings.py"
MIGRATION = "src/offbeat/jobs/migrations/0099_note.py"
MIGRATION_TEXT = '''\
"""A column for notes, with a value for the jobs that are there."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("offbeat_jobs", "{before}")]
    operations = [
        migrations.RunSQL("ALTER TABLE offbeat_jobs_job ADD COLUMN note text NOT NULL DEFAULT 'from before'"),
    ]
'''
NEWS = "- Jobs have a note.\n"


def release(upstream, version):
    """Make a version of what upstream has committed, with its line in the changelog."""
    upstream.write("src/offbeat/VERSION", f"{version}\n")
    heading = f"# Changelog\n\n## {version}\n\n{NEWS if version == '0.3.0' else f'- What {version} mends.'}\n"
    upstream.edit("src/offbeat/CHANGELOG.md", "# Changelog\n", heading)
    upstream.commit(f"Release {version}")
    upstream.git("tag", f"v{version}")


def commit_seven(upstream):
    """Make the seven commits that a fork wants to take."""
    for change in (
        a_setting,
        a_migration,
        a_fix,
        the_example,
        the_platform_file,
        the_requirements,
        the_readme,
    ):
        change(upstream)
        upstream.commit(change.__name__.replace("_", " ").capitalize())


def a_setting(upstream):
    upstream.edit(
        "src/config/settings.py",
        "SERVER_EMAIL = DEFAULT_FROM_EMAIL\n",
        'SERVER_EMAIL = DEFAULT_FROM_EMAIL\nEMAIL_SUBJECT_PREFIX = env.text("EMAIL_SUBJECT_PREFIX", "[Offbeat] ")\n',
    )
    if (upstream.folder / CORE_SETTINGS).exists():
        upstream.append(CORE_SETTINGS, "\nDATA_UPLOAD_MAX_NUMBER_FIELDS = 500\n")


def a_migration(upstream):
    last = max((upstream.folder / MIGRATION).parent.glob("0*.py"))
    upstream.write(MIGRATION, MIGRATION_TEXT.format(before=last.stem))


def a_fix(upstream):
    upstream.append("src/offbeat/ops/__init__.py", "\nFIXED = True\n")
    upstream.edit("src/offbeat/dev/update.py", "}: replaced", "}: replaced whole")
    upstream.write("tests/offbeat/ops/test_the_fix.py", "def test_the_fix():\n    assert True\n")
    upstream.append("docs/offbeat/ops.md", "\nA thing is fixed.\n")


def the_example(upstream):
    upstream.append("src/newsletter/tasks.py", "\nMORE = 1\n")
    upstream.write("src/newsletter/more.py", "MORE = 1\n")
    upstream.write("tests/newsletter/test_more.py", "def test_more():\n    assert True\n")
    upstream.edit("platform.yaml", 'schedule: "0 9 * * MON"', 'schedule: "0 10 * * MON"')
    upstream.edit("src/config/urls.py", '    path("", include("newsletter.urls")),  # example\n',
        '    path("letter/", include("newsletter.urls")),  # example\n')  # fmt: skip


def the_platform_file(upstream):
    upstream.edit("platform.yaml", "    instances: 1\n    cpu: 0.5\n", "    instances: 1\n    cpu: 1\n")
    upstream.edit(
        "platform.yaml",
        '  LOG_LEVEL: {default: "INFO"}\n',
        '  LOG_LEVEL: {default: "WARNING"}\n  EMAIL_SUBJECT_PREFIX: {}\n',
    )


def the_workflows(upstream):
    upstream.write(".github/workflows/more.yml", "name: More\n")
    upstream.append(".editorconfig", "\n[run]\nindent_size = 4\n")


def the_requirements(upstream):
    for path in ("requirements.txt", "requirements-dev.txt"):
        text = upstream.read(path)
        upstream.write(
            path,
            re.sub(r"(?m)^tzdata==\S+", "tzdata==2099.1", text) + "zzz-core==1.0 \\\n    --hash=sha256:00\n",
        )


def the_readme(upstream):
    upstream.append("README.md", "\nOne more thing.\n")


TASKS = """\
from celery import shared_task


@shared_task(queue="reports", time_limit=60)
def count_orders() -> None:
    pass
"""
COMMAND = """\
from offbeat.cronjobs.commands import EnqueueCommand
from shop.tasks import count_orders


class Command(EnqueueCommand):
    help = "Enqueue the count of orders."
    task = count_orders
"""
CRONJOB = """\
  - name: count-orders
    schedule: "*/10 * * * *"
    timezone: Europe/Berlin
    command: python manage.py enqueue_count_orders
"""
OWN_PACKAGE = "stripe==12.0.0 \\\n    --hash=sha256:11\n    # via acme (pyproject.toml)\n"


def live_in(fork):
    """Do what every team does: an app, a cronjob and a queue of its own, larger instances, its language, its README."""
    for folder in ("shop", "shop/management", "shop/management/commands"):
        fork.write(f"src/{folder}/__init__.py", "")
    fork.write("src/shop/tasks.py", TASKS)
    fork.write("src/shop/management/commands/enqueue_count_orders.py", COMMAND)
    fork.edit("src/config/settings.py", "INSTALLED_APPS = [\n", 'INSTALLED_APPS = [\n    "shop",\n')
    fork.edit("src/config/settings.py", 'LANGUAGE_CODE = "en"', 'LANGUAGE_CODE = "de"')
    fork.append("platform.yaml", CRONJOB)
    for path in ("platform.yaml", "Procfile", "compose.yaml"):
        fork.edit(path, "--queues default,mail", "--queues default,mail,reports")
    fork.edit("platform.yaml", "queues: [default, mail]", "queues: [default, mail, reports]")
    fork.edit("platform.yaml", "instances: {min: 1, max: 3}", "instances: {min: 2, max: 8}")
    fork.edit("platform.yaml", "    instances: 1\n", "    instances: 4\n")
    fork.edit("platform.yaml", "memory: 512", "memory: 1024")
    fork.write("README.md", "# The shop of Acme\n")
    for path in ("requirements.txt", "requirements-dev.txt"):
        fork.edit(path, "\ntzdata==", f"\n{OWN_PACKAGE}tzdata==")
    (fork.folder / ".editorconfig").unlink()
    shutil.rmtree(fork.folder / ".github")
