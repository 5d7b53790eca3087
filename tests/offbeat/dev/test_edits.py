"""What is edited while `./run up` runs takes effect, or is reported: one running copy of the checkout, from its start on."""

from __future__ import annotations

import shutil
import urllib.error
from pathlib import Path

import pytest

from offbeat.dev.debug_hold import DebugHold
from tests.offbeat.dev.checkout import Checkout
from tests.offbeat.dev.conftest import make_folder
from tests.offbeat.dev.editable import URLS, copy_checkout, make_shop
from tests.offbeat.support.polling import wait_until

MIGRATION = """\
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL("SELECT no_such_column FROM accounts_user")]
"""


class Edited(Checkout):
    """What is printed since the last edit, and the pages of the running site."""

    def __init__(self, folder):
        super().__init__(folder, copy_checkout(folder / "a project"))
        self.environment["GREETING"] = "good-day"
        self.environment["WORKER_CONCURRENCY"] = "1"  # each start of a worker costs as many more
        self.settings = self.root / "src/config/settings.py"
        self.platform = self.root / "platform.yaml"
        self.app = make_shop(self.root)
        self.before = 0
        self.process = None

    def said(self):
        return self.process.output[self.before :]

    def edit(self, path, text):
        self.before = len(self.process.output)
        path.write_text(text)

    def wait_for(self, *texts):
        """Return what was printed since the last edit, as soon as all of it is there."""
        wait_until(
            lambda: not self.process.is_running or all(text in self.said() for text in texts), seconds=60
        )
        assert self.process.is_running
        assert [text for text in texts if text not in self.said()] == []
        return self.said()

    def page(self):
        try:
            return self.browser.get("/shop/").text
        except urllib.error.URLError as error:  # it restarts
            return str(error)


@pytest.fixture(scope="module")
def edited():
    edited = Edited(make_folder())
    yield edited
    edited.end()


def test_a_syntax_error_is_the_error(edited):
    """Code that Python cannot read ends the start with its place, its line and nothing else; nothing is left running."""
    urls = edited.root / "src/config/urls.py"
    text = urls.read_text()
    urls.write_text(f"{text}def x(:\n")

    refused = edited.run("up")
    urls.write_text(text)

    assert refused.returncode == 70
    line = text.count("\n") + 1
    assert (
        f"Error: src/config/urls.py, line {line}: invalid syntax\n    def x(:\n          ^\n"
        in refused.stderr
    )
    assert "Traceback" not in refused.stderr
    assert edited.processes() == []


def test_a_failed_migration_is_named(edited):
    """Its app, its name, its file and the database's words, in a few lines."""
    migration = edited.root / "src/accounts/migrations/0002_broken.py"
    migration.write_text(MIGRATION)

    refused = edited.run("up")
    migration.unlink()

    assert refused.returncode == 1
    assert (
        "The migration accounts.0002_broken failed (src/accounts/migrations/0002_broken.py): "
        in refused.stderr
    )
    assert 'column "no_such_column" does not exist' in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.long
def test_what_is_edited_takes_effect(edited):
    """One edit after the other, in one running copy: each step goes on from the one before."""
    start(edited)
    move_half_an_app_in(edited)
    save_the_other_half(edited)
    pause_the_worker(edited)
    change_the_requirements(edited)
    change_platform_yaml(edited)


def start(edited):
    """They come last, when the worker takes messages too; no banner, no warning, one time a line, and no static file."""
    edited.process = edited.up()

    edited.browser.get("/static/offbeat/ops/ops.css")
    edited.browser.get("/shop/")
    edited.wait_for("GET /shop/ 404")

    output = edited.process.output
    assert output.index("worker | [info     ] celery@") < output.index("http://localhost:")
    assert "--- *****" not in output
    assert "SecurityWarning" not in output
    assert "ops.css" not in output
    assert "[gunicorn.access]" in output
    assert "T" not in output.split("GET /shop/")[0].splitlines()[-1].split("|")[1]


def move_half_an_app_in(edited):
    """An app from elsewhere, its line in settings.py, a setting, an address: a file that cannot be read holds all of it back."""
    views = edited.app / "views.py"
    edited.views = views.read_text()
    views.write_text(edited.views.replace("HttpResponse(f", "HttpResponse(f("))
    edited.app.rename(edited.root / "src/shop")
    text = edited.settings.read_text()
    urls = edited.root / "src/config/urls.py"
    urls.write_text(urls.read_text() + URLS)
    edited.edit(
        edited.settings, text.replace("INSTALLED_APPS = [", 'SIGN = "one"\nINSTALLED_APPS = [\n    "shop",')
    )

    edited.wait_for("src/shop/views.py, line 8: ", "Nothing was restarted; the next save is tried again.")
    assert edited.browser.get("/shop/").status == 404


def save_the_other_half(edited):
    """The next save takes effect, with all that waited: here one by renaming, as editors do."""
    shop = edited.root / "src/shop"
    edited.before = len(edited.process.output)
    (shop / "new").write_text(edited.views.replace("HttpResponse(f", "HttpResponse('two ' + f"))
    (shop / "new").replace(shop / "views.py")

    wait_until(lambda: edited.page() == "two good-day one None", seconds=60)
    said = edited.wait_for("Ready: web, worker.")

    assert "Models have changed without a migration: shop. Hint: ./run manage makemigrations shop\n" in said


def pause_the_worker(edited):
    """While `./run worker --debug` runs, which has a lock, there is no other worker, whatever changes; then there is one again."""
    edited.before = len(edited.process.output)
    with DebugHold(Path(edited.environment["LOCAL_DIR"])) as hold:
        assert hold.take()
        edited.wait_for("./run worker --debug takes the jobs", "worker_stopping")
        wait_until(lambda: not workers(edited))
        write_an_env_file(edited)
        assert not workers(edited)

    edited.wait_for("Ready: worker.")
    assert workers(edited)


def write_an_env_file(edited):
    """What can, does at once; what the servers stand on is reported in a line."""
    text = "FAREWELL='see you'\nGREETING=typed-wins\nDATABASE_URL=postgres://x@127.0.0.1:1/x\n"
    edited.edit(edited.root / ".env", text)

    said = edited.wait_for(
        "DATABASE_URL needs a new start. Hint: Ctrl-C, then ./run up again.", "Ready: web."
    )

    assert edited.page() == "two good-day one see you"
    assert "Traceback" not in said


def workers(edited):
    return [each for each in edited.processes() if "worker" in (each.info["cmdline"] or [])]


def change_the_requirements(edited):
    """They are installed by the next start, and it is said that this is what it takes."""
    locked = edited.root / "requirements-dev.txt"
    text = locked.read_text()
    edited.edit(locked, f"{text}# changed\n")

    edited.wait_for(
        "requirements-dev.txt has changed. Hint: Ctrl-C, then ./run up again installs what is new."
    )
    locked.write_text(text)


def change_platform_yaml(edited):
    """A mistake in platform.yaml is reported and changes nothing; then a command of it changes, and an app and its lines go."""
    text = edited.platform.read_text()
    edited.edit(edited.platform, text.replace("  - name: worker", "  - nam: worker"))
    edited.wait_for("services/1/nam: unknown key (did you mean name?)", "Nothing was restarted")

    shutil.rmtree(edited.root / "src/shop")
    settings = edited.settings.read_text()
    urls = edited.root / "src/config/urls.py"
    urls.write_text(urls.read_text().replace(URLS, ""))
    edited.settings.write_text(settings.replace('    "shop",', ""))
    edited.edit(
        edited.platform, text.replace("--queues default,mail", "--queues default,mail --loglevel INFO")
    )
    edited.wait_for("Ready: web, worker.")

    commands = [" ".join(process.info["cmdline"] or []) for process in edited.processes()]
    assert any("manage.py worker" in each and "--loglevel INFO" in each for each in commands)
    assert edited.browser.get("/shop/").status == 404
    assert edited.process.stop() == 143
    assert edited.processes() == []
    (edited.root / ".env").unlink()  # the other tests of this copy start without
