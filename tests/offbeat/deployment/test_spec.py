"""What a platform.yaml that is well gives to those who read it."""

import subprocess
import sys

import pytest

from offbeat.deployment import spec
from offbeat.deployment.spec import Instances
from tests.offbeat.support.running import CHECKOUT

ROOT = spec.PLATFORM_FILE.parent


def test_the_shipped_file_reads():
    """The template's own file runs as it stands."""
    platform = spec.read()

    assert [service.name for service in platform.services] == ["web", "worker"]
    assert platform.service("worker").queues == ("default", "mail")
    assert platform.resources.injected == ("DATABASE_URL", "REDIS_URL")
    assert platform.cronjob("prune-jobs").timezone == "UTC"


def test_a_number_of_instances_is_short_for_a_range():
    """`instances: 2` says two, never more, never fewer."""
    source = "name: app\nservices: [{name: web, command: gunicorn x, instances: 2}]"

    assert spec.parse(source).services[0].instances == Instances(min=2, max=2)


def test_a_service_may_sleep_only_without_queues():
    """A web service of zero to one instances is one for platforms that wake it by a request."""
    source = "name: app\nservices: [{name: web, command: gunicorn x, instances: 0}]"

    assert spec.parse(source).services[0].instances == Instances(min=0, max=1)


def test_variables_go_to_every_process_unless_services_are_named():
    """A cronjob sees the settings that web sees, less what is for web alone."""
    platform = spec.read()

    assert "SECRET_KEY" in {each.name for each in platform.env_of("prune-jobs")}
    assert "WORKER_TASK_EVENTS" not in {each.name for each in platform.env_of("prune-jobs")}
    assert "WORKER_TASK_EVENTS" in {each.name for each in platform.env_of("worker")}


def test_an_unknown_cronjob_names_those_that_there_are():
    """A misspelt name on the command line is answered with the right ones."""
    with pytest.raises(KeyError, match=r"it has: .*prune-jobs"):
        spec.read().cronjob("prune")


def test_reading_the_file_loads_neither_django_nor_celery():
    """A wake-up reads the spec before it pays for a framework."""
    program = (
        "import sys; from offbeat.deployment import spec; spec.read();"
        "print(*{'django', 'celery', 'kombu', 'redis'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT / "src", capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""


def test_the_procfile_says_the_same():
    """Platforms that read a Procfile start the very commands that platform.yaml names."""
    platform = spec.read()

    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())

    assert lines == {"release": platform.release, **{each.name: each.command for each in platform.services}}
