"""The fork as a product: a team makes the template its own, and its checks and tests stay green."""

from __future__ import annotations

import re
import time

import pytest

from tests.offbeat.project.template.test_readme import MANUALS, Reader

# An app of the name that the core's has, with a model, a table, a command, an address and a test.
JOBS_APP = {
    "src/jobs/__init__.py": "",
    "src/jobs/models.py": """\
from django.db import models


class Job(models.Model):
    title = models.CharField(max_length=100)

    def __str__(self):
        return self.title
""",
    "src/jobs/migrations/__init__.py": "",
    "src/jobs/urls.py": """\
from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _

app_name = "jobs"
urlpatterns = [path("", lambda request: HttpResponse(_("Monday")), name="index")]
""",
    "tests/test_jobs.py": '''\
from django.urls import reverse

from jobs.models import Job
from offbeat.jobs.testing import run_jobs
from shop.tasks import count_users


def test_openings(client, db):
    """Our jobs are openings, in German."""
    Job.objects.create(title="Gärtner")

    assert client.get(reverse("jobs:index")).content == b"Montag"
    assert Job._meta.db_table == "jobs_job"


def test_the_count_runs(db):
    """The core's jobs are another matter."""
    job = count_users.enqueue()

    run_jobs()

    job.refresh_from_db()
    assert job.state == "succeeded"
''',
}
APPS = "INSTALLED_APPS = [\n"
QUEUES = "--queues default,mail"
VARIABLES = "[tool.offbeat.variables]\n"


def make_theirs(fork):
    """Give a fork what every team gives it: a README, a language, a queue, a variable, larger instances, an app called jobs."""
    fork.write("README.md", "# The shop of Acme\n\nRead nothing else.\n")
    for path, text in JOBS_APP.items():
        fork.write(path, text)
    fork.edit("src/config/settings.py", APPS, f'{APPS}    "jobs",\n')
    fork.edit("src/config/settings.py", 'LANGUAGE_CODE = "en"', 'LANGUAGE_CODE = "de"')
    fork.edit(
        "src/config/urls.py",
        "urlpatterns = [\n",
        'urlpatterns = [\n    path("jobs/", include("jobs.urls")),\n',
    )
    for path in ("platform.yaml", "Procfile", "compose.yaml"):
        fork.edit(path, QUEUES, f"{QUEUES},reports")
    fork.edit("platform.yaml", "queues: [default, mail]", "queues: [default, mail, reports]")
    # A variable that its settings require.
    fork.edit(
        "src/config/settings.py",
        "\nenv.complain()",
        '\nSHOP_API_URL = env.url("SHOP_API_URL", ["https"])\n\nenv.complain()',
    )
    fork.edit("platform.yaml", "  SECRET_KEY:", "  SHOP_API_URL: {required: true}\n  SECRET_KEY:")
    fork.edit("pyproject.toml", VARIABLES, f'{VARIABLES}SHOP_API_URL = "https://shop.example"\n')
    fork.edit("platform.yaml", "memory: 512", "memory: 2048")
    fork.edit("platform.yaml", "instances: {min: 1, max: 3}", "instances: {min: 2, max: 8}")


@pytest.mark.long
def test_a_team_lives_in_its_fork(stack, tmp_path):
    """Named, with the manual's first cronjob and a life of its own, every check and every test of the fork passes."""
    variables = {name: stack.environment[name] for name in ("DATABASE_URL", "REDIS_URL")}
    variables |= {"JOBS_API_URL": "https://jobs.example.com", "ALERTS_EMAIL": "ops@example.com"}
    fork = Reader(tmp_path / "clone", variables)
    fork.git("init", "--quiet", "--initial-branch", "main")
    fork.commit("Use this template")

    fork.type("./run fork acme")
    fork.commit("Make it ours")
    fork.check()  # the requirements' files, by which ./run knows its environment, bear the new name
    make_theirs(fork)
    fork.type("./run manage makemigrations jobs")
    fork.follow(MANUALS)
    fork.type("./run check")
    started = time.monotonic()
    said = fork.type("./run test")

    print(f"the fork's own tests took {time.monotonic() - started:.0f} s")
    assert int(re.search(r"(\d+) passed", said)[1]) >= 5  # two of its own, and the core's smoke test
