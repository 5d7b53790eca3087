"""What Beat has in its process, `import_beat` has in its own: tried in one, because tasks and applications stay for good."""

import os
import subprocess
import sys

import yaml

from tests.offbeat.support.running import CHECKOUT

FILES = {
    "there/__init__.py": "",
    "there/settings.py": """
        from celery.schedules import crontab
        from tests.offbeat.settings import *
        INSTALLED_APPS = ["early", "shop", "broken", "leaving", *INSTALLED_APPS]
        CELERY_BEAT_SCHEDULE = {
            "count": {"task": "shop.tasks.count", "schedule": crontab(minute=5)},
            "lost": {"task": "broken.tasks.lose", "schedule": 3600},
            "elsewhere": {"task": "shop.jobs.sweep", "schedule": 3600},
            "nowhere": {"task": "shop.nowhere", "schedule": 3600},
        }
        CELERY_TIMEZONE = "Europe/Lisbon"
        CELERY_IMPORTS = ("shop.jobs",)
        CELERY_BEAT_SCHEDULER = "redbeat.RedBeatScheduler"
    """,
    "shop/__init__.py": "",
    "shop/tasks.py": """
        from celery import current_app, shared_task

        @shared_task
        def count(things="all"):
            pass

        @current_app.on_after_finalize.connect
        def set_up(sender, **kwargs):
            sender.add_periodic_task(600, count.s("new"), name="before the error")
            raise LookupError("no shop is open")

        @current_app.on_after_configure.connect
        def set_up_early(sender, **kwargs):
            sender.add_periodic_task(600, count.s("old"), name="connected late")
    """,
    "early/__init__.py": "",
    "early/celery.py": """
        from celery import current_app

        @current_app.on_after_finalize.connect
        def set_up_late(sender, **kwargs):
            from early.tasks import pack
            sender.add_periodic_task(600, pack.s(), name="of a class's neighbour")
    """,
    "early/tasks.py": """
        from celery import Task, current_app, shared_task
        import early.celery

        class Wrap(Task):
            name = "wrap"

            def run(self):
                pass

        current_app.register_task(Wrap())

        @shared_task
        def pack():
            pass
    """,
    "shop/jobs.py": """
        from celery import shared_task

        @shared_task
        def sweep():
            pass
    """,
    "broken/__init__.py": "",
    "broken/tasks.py": "import nowhere_at_all\n",
    "leaving/__init__.py": "",
    "leaving/tasks.py": "raise SystemExit('not like this')\n",
    "old/__init__.py": "",
    "old/celery.py": """
        from celery import Celery

        app = Celery("old")
        app.conf.beat_schedule = {"of the old": {"task": "shop.tasks.count", "schedule": 3600, "args": ["old"]}}

        @app.task
        def plain():
            pass

        app.add_periodic_task(3600, plain.s(), name="plain")
    """,
}


def test_everything_that_beat_imports(tmp_path):
    """Tasks of all apps, handlers wherever they are, a second application; what fails is a line, and never a traceback."""
    for name, text in FILES.items():
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unindented(text))
    (tmp_path / "platform.yaml").write_text(
        (CHECKOUT / "tests/offbeat/sample_project/platform.yaml").read_text()
    )
    path = os.pathsep.join(map(str, (tmp_path / "src", CHECKOUT / "src", CHECKOUT)))
    variables = {
        "PYTHONPATH": path,
        "OFFBEAT_ROOT": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "there.settings",
    }
    unreachable = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}

    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "django", "import_beat", "--write"],
        env=os.environ | variables | unreachable,
        capture_output=True,
        text=True,
        check=False,
    )

    told = ended.stdout + ended.stderr
    cronjobs = {each["name"]: each for each in yaml.safe_load(ended.stdout)["cronjobs"]}
    assert ended.returncode == os.EX_DATAERR
    assert "Traceback" not in told
    assert ended.stdout.count("# not read: ") == 5, told
    assert cronjobs.keys() == {
        "count",
        "elsewhere",
        "before-the-error",
        "connected-late",
        "of-a-class-s-neighbour",
        "of-the-old",
    }, told
    assert cronjobs.pop("of-the-old")["timezone"] == "UTC"
    assert {each["timezone"] for each in cronjobs.values()} == {"Europe/Lisbon"}
    for line in (
        "# not taken over: lost: no task broken.tasks.lose is registered here",
        "# not taken over: nowhere: no task shop.nowhere is registered here",
        "# not taken over: plain: its task old.celery.plain cannot be enqueued, because it is of Celery's own class",
        "# not read: broken.tasks: it cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'",
        "# not read: leaving.tasks: it cannot be imported: SystemExit: not like this",
        "# not read: shop.tasks.set_up: it raised LookupError: no shop is open; what it adds after that is missing",
        "# not read: what redbeat.RedBeatScheduler keeps elsewhere",
        "# not read: the tables of django-celery-beat: ",
    ):
        assert line in told, told
    commands = tmp_path / "src/shop/management/commands"
    assert '{"things": "new"}' in (commands / "enqueue_before_the_error.py").read_text()


def unindented(text):
    return "\n".join(line.removeprefix(" " * 8) for line in text.splitlines())
