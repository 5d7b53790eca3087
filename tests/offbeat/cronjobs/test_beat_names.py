"""What cronjobs are called that were entries of Beat's, and what a second run and a second setting make of them."""

import os

import yaml
from celery import schedules

from tests.offbeat.cronjobs.conftest import HOURLY, PLANTS
from tests.offbeat.cronjobs.test_import_beat import loaded
from tests.offbeat.sample_project import celery_app


def test_names_end_up_valid_and_unique(printed, tmp_path):
    """Of any text; one that a cronjob or a command of the project has is given to nobody else."""
    names = [
        "on",
        "x",
        "\u6bcf\u65e5",
        "Prune jobs",
        "a.b",
        "a-b",
        "a\nb: c",
        "class",
        "9 to 5",
        "null",
        "true",
    ]

    cronjobs, _, _ = printed(dict.fromkeys(names, HOURLY), "--write", folder=tmp_path)

    assert list(cronjobs) == [
        "on",
        "cron-x",
        "cron-2",  # `cron` is a word of platform.yaml
        "prune-jobs-2",
        "a-b",
        "a-b-2",
        "a-b-c",
        "class",
        "cron-9-to-5",
        "null",
        "true",
    ]
    assert all(
        loaded(tmp_path / f"enqueue_{name.replace('-', '_')}.py").task.name == PLANTS for name in cronjobs
    )


def test_a_second_run_changes_nothing(printed, run, tmp_path, monkeypatch):
    """It says so; what platform.yaml has is not printed again, and another schedule there is named."""
    from offbeat.cronjobs import entries as of_file  # noqa: PLC0415
    from offbeat.deployment.spec import CronJobSpec  # noqa: PLC0415

    entries = {"a": HOURLY | {"schedule": 600}, "Daily": HOURLY | {"schedule": schedules.crontab(0, 9)}}
    cronjobs, _, _ = printed(entries, "--write", folder=tmp_path)
    files = {path: (path.read_text(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    pasted = tuple(CronJobSpec(**each) for each in cronjobs.values())
    monkeypatch.setattr(of_file, "in_file", lambda: pasted)

    out, told = run("--write", "--folder", str(tmp_path))

    assert out == "cronjobs:\n  # cron-a: is in platform.yaml\n  # daily: is in platform.yaml\n"
    assert "Nothing is new: each cronjob is in platform.yaml, and each command has its file." in told
    assert files == {path: (path.read_text(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    celery_app.conf.beat_schedule["a"] = HOURLY | {"schedule": 1800}
    assert (
        'another schedule, "*/10 * * * *" Europe/Berlin; here it would be "*/30 * * * *" Europe/Berlin'
        in run("--folder", str(tmp_path))[0]
    )


def test_old_names_of_the_setting(beat, run, settings):
    """CELERYBEAT_SCHEDULE and one with a namespace of its own are read; an entry that is there twice is taken over once."""
    beat({"one": HOURLY})
    settings.CELERYBEAT_SCHEDULE = {"two": HOURLY, "one": HOURLY}
    settings.SHOP_BEAT_SCHEDULE = {"three": HOURLY, "one": HOURLY | {"schedule": 60}}
    settings.BEAT_SCHEDULE = ["no dict"]

    out, _ = run("--folder", "/nowhere", code=os.EX_DATAERR)

    assert [each["name"] for each in yaml.safe_load(out)["cronjobs"]] == ["two", "one", "three"]
    assert "# not taken over: one: CELERYBEAT_SCHEDULE has another entry of this name" in out
    assert "# not read: BEAT_SCHEDULE: it should be a dict of entries, got ['no dict']" in out


def test_a_setting_that_the_application_replaces(beat, run, settings):
    """Beat reads one of them, and the other is named."""
    settings.CELERY_BEAT_SCHEDULE = {"old": HOURLY}
    beat({"new": HOURLY})

    out, _ = run("--folder", "/nowhere")

    assert [each["name"] for each in yaml.safe_load(out)["cronjobs"]] == ["new"]
    assert (
        "# not taken over: old: the application's own beat_schedule is in place of CELERY_BEAT_SCHEDULE"
        in out
    )
