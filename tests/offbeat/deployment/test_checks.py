"""The system checks: platform.yaml against the code and the files beside it."""

import re
from types import SimpleNamespace

import pytest
from django.core import checks as django_checks

from offbeat.deployment import checks, spec
from tests.offbeat.deployment.shipped_file import platform
from tests.offbeat.sample_project import celery_app as celery


def cronjob(command):
    return platform(lambda document: document["cronjobs"][0].update(command=command))


def test_the_template_passes_its_own_checks():
    """A fresh clone has nothing to mend."""
    assert django_checks.run_checks(tags=["deployment"]) == []


def test_a_broken_file_is_an_error_a_line(monkeypatch, tmp_path):
    """Django's own `check` tells what is wrong with platform.yaml (E001)."""
    broken = tmp_path / "platform.yaml"
    broken.write_text("name: x\nservces: []\n")
    read = spec.read
    monkeypatch.setattr(spec, "read", lambda: read(broken))

    found = checks.check_deployment()

    assert {each.id for each in found} == {"offbeat_deployment.E001"}
    assert "platform.yaml: servces: unknown key (did you mean services?)" in [each.msg for each in found]


def test_a_command_that_does_not_exist_is_refused():
    """A misspelt command would fail in the night, not in the review (E002)."""
    (error,) = checks.cronjob_commands(cronjob("python manage.py enqueue_prune_job"))

    assert error.id == "offbeat_deployment.E002"
    assert error.msg == (
        "platform.yaml: cronjobs/prune-jobs/command: should be a management command, "
        'got "enqueue_prune_job" (did you mean enqueue_prune_jobs?)'
    )


def test_a_command_of_an_app_that_is_not_installed(monkeypatch, tmp_path):
    """Where the command's file is there, the hint is what Django lacks: the app's name in the settings (E002)."""
    command = tmp_path / "src/shop/management/commands/enqueue_count_users.py"
    command.parent.mkdir(parents=True)
    command.touch()
    entries = [cronjob(f"python manage.py {name}") for name in ("enqueue_count_users", "enqueue_count_them")]
    monkeypatch.setattr(spec, "PLATFORM_FILE", tmp_path / "platform.yaml")

    there, missing = (next(checks.cronjob_commands(each)) for each in entries)

    assert there.hint == (
        "src/shop/management/commands/enqueue_count_users.py exists: "
        'add "shop" to INSTALLED_APPS in src/config/settings.py.'
    )
    assert missing.hint.startswith(
        "Add src/<app>/management/commands/enqueue_count_them.py, of an app in INSTALLED_APPS"
    )


def test_a_command_that_is_no_management_command_is_refused():
    """Only management commands take part in slots and exit codes (E002)."""
    (error,) = checks.cronjob_commands(cronjob("curl https://example.com/cron"))

    assert 'should be "python manage.py ...", got "curl https://example.com/cron"' in error.msg


@pytest.mark.parametrize("python", ["python", "python3", "python3.12", "/opt/venv/bin/python"])
def test_any_python_runs_a_management_command(python):
    """The name of the interpreter differs from place to place."""
    assert checks.management_command([python, "manage.py", "release"]) == "release"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("Procfile", "beat: celery -A config beat\n"),
        ("compose.yaml", "services:\n  beat:\n    command: celery -A config beat\n"),
        ("Procfile", "worker: /app/.venv/bin/celery -A config worker -B\n"),
        ("Procfile", "worker: python manage.py worker --queues default -B\n"),
        ("Procfile", "beat: sh -c 'cd src && celery -A config beat\n"),
        (
            "docker-compose.yml",
            'services:\n  worker:\n    command: ["celery", "-A", "config", "worker", "-B"]\n',
        ),
    ],
)
def test_beat_is_found_wherever_it_would_start(monkeypatch, tmp_path, file, text):
    """Beside the platform's cronjobs, Beat would do everything twice (E003)."""
    (tmp_path / file).write_text(text)
    shipped = platform()
    monkeypatch.setattr(spec, "PLATFORM_FILE", tmp_path / "platform.yaml")

    (error,) = checks.no_beat(shipped)

    assert error.id == "offbeat_deployment.E003"
    assert error.msg.startswith(f"{file}: ")
    assert "should not run Celery Beat" in error.msg


def test_a_beat_schedule_is_refused(settings):
    """An entry of CELERY_BEAT_SCHEDULE would never run here: nobody starts Beat (E003)."""
    settings.CELERY_BEAT_SCHEDULE = {"digest": {"task": "digest", "schedule": 60}}

    (error,) = checks.no_beat(platform())

    assert "CELERY_BEAT_SCHEDULE: should be empty" in error.msg


def test_the_older_name_of_a_schedule_is_refused(settings):
    """Celery without a namespace reads CELERYBEAT_SCHEDULE: who brings it must not believe that it runs (E003)."""
    settings.CELERYBEAT_SCHEDULE = {"digest": {"task": "digest", "schedule": 60}}

    (error,) = checks.no_beat(platform())

    assert "CELERYBEAT_SCHEDULE: should be empty" in error.msg
    assert error.hint.startswith("Run python manage.py import_beat")


def test_a_schedule_that_the_code_sets_is_refused(monkeypatch):
    """beat_schedule of the Celery app, filled by code or by add_periodic_task, would never run either (E003)."""
    monkeypatch.setitem(celery.conf.beat_schedule, "digest", {"task": "digest", "schedule": 60})

    (error,) = checks.no_beat(platform())

    assert error.id == "offbeat_deployment.E003"
    assert "beat_schedule of the Celery app: should be empty" in error.msg


def test_a_grace_shorter_than_the_stop_is_refused(settings):
    """The platform would kill the worker before its jobs return to the queue (E004)."""
    settings.OFFBEAT_JOBS = {"drain": 75}

    (error,) = checks.grace_outlasts_stop(platform())

    assert error.id == "offbeat_deployment.E004"
    assert "services/worker/grace: should be more than the 75 s" in error.msg
    assert error.hint == "Set WORKER_GRACE=60, as exports do, or increase grace in platform.yaml."


def test_a_queue_that_nobody_consumes_is_refused():
    """Jobs of such a queue would wait for ever (E005)."""

    def without_mail(document):
        worker = document["services"][1]
        worker["command"] = worker["command"].replace("default,mail", "default")
        worker["queues"] = ["default"]

    (error,) = checks.queues_are_consumed(platform(without_mail))

    assert error.id == "offbeat_deployment.E005"
    assert re.search(r'no service consumes the queue "mail", which the task \S+ uses', error.msg)


def test_a_compose_file_of_another_name_is_a_warning(monkeypatch, tmp_path):
    """Renamed in platform.yaml alone, a project would share containers and volumes with the one of its old name (W010)."""
    (tmp_path / "compose.yaml").write_text("name: other\nservices: {}\n")
    ours = platform()
    monkeypatch.setattr(spec, "PLATFORM_FILE", tmp_path / "platform.yaml")

    (warning,) = checks.compose_has_the_name(ours)
    (tmp_path / "compose.yaml").write_text(f"name: {ours.name}\nservices: {{}}\n")

    assert warning.id == "offbeat_deployment.W010"
    assert warning.msg == f'compose.yaml: name: should be "{ours.name}", as platform.yaml has it, got "other"'
    assert list(checks.compose_has_the_name(ours)) == []


def test_an_image_that_does_not_know_process(monkeypatch, tmp_path):
    """Where an export counts on PROCESS, and the Dockerfile is one of before (W012)."""
    monkeypatch.setattr(spec, "PLATFORM_FILE", tmp_path / "platform.yaml")
    (tmp_path / "Dockerfile").write_text('CMD ["python", "src/offbeat/gunicorn.py"]\n')
    assert list(checks.image_knows_process(platform)) == []

    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "pandastack.md").write_text("| `PROCESS` | `worker` |\n")
    (warning,) = checks.image_knows_process(platform)
    made = "RUN python src/offbeat/deployment/process.py > process.sh\n"
    (tmp_path / "Dockerfile").write_text(
        f'{made}# CMD process.sh\nCMD ["python", "src/offbeat/gunicorn.py"]\n'
    )
    (half,) = checks.image_knows_process(platform)
    (tmp_path / "Dockerfile").write_text(
        f'{made}CMD ["sh", \\\n  "/app/process.sh"]\nENTRYPOINT ["tini", "--"]\n'
    )

    assert "Dockerfile: does not start process.sh by its CMD, and deploy/pandastack.md" in half.msg
    assert warning.id == "offbeat_deployment.W012"
    assert "Dockerfile: does not make process.sh, and deploy/pandastack.md relies on PROCESS" in warning.msg
    assert list(checks.image_knows_process(platform)) == []


@pytest.mark.parametrize(("given", "refused"), [("auto", 1), ("", 1), ('"2"', 1), ("2", 0), (None, 0)])
def test_what_gunicorn_cannot_read(monkeypatch, given, refused):
    """A command that begins with gunicorn hands it WEB_CONCURRENCY as it is (E011); ours does not."""
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    if given is not None:
        monkeypatch.setenv("WEB_CONCURRENCY", given)
    ours, theirs = (
        SimpleNamespace(services=[SimpleNamespace(name="web", argv=command.split())])
        for command in ("python src/offbeat/gunicorn.py", ".venv/bin/gunicorn config.wsgi")
    )

    assert list(checks.gunicorn_starts(ours)) == []
    assert len(list(checks.gunicorn_starts(theirs))) == refused
