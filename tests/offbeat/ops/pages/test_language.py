"""The ops pages stay English, wholly, in whatever language the project is."""

import re

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from offbeat.jobs.models import Batch, Job
from offbeat.ops import urls

pytestmark = pytest.mark.django_db
CHANGING = re.compile(
    r'<time.*?</time>|name="csrfmiddlewaretoken" value="[^"]*"|data-clock="[^"]*"|[\d.]+ (?:d|h|min|s|ms|MB)\b|\d+:\d+:\d+[.\d]*Z?'
)


@pytest.fixture
def german(settings):
    """Switch to a German project, whose visitors choose their language, with a time zone and long numbers of its own."""

    def switch():
        settings.LANGUAGE_CODE, settings.TIME_ZONE = "de", "Europe/Berlin"
        settings.USE_I18N = settings.USE_THOUSAND_SEPARATOR = True
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]

    yield switch
    translation.activate("en")


@pytest.fixture
def scene(cronjobs, worker, digest):
    """Something of everything that the pages show."""
    batch = Batch.objects.create(name="digest", total=1234)
    job = Job.objects.create(
        task="shop.tasks.send", queue="default", state="dead", attempt=3, max_attempts=3, batch_id=batch.pk, due_at=timezone.now(),
        finished_at=timezone.now(),
    )  # fmt: skip
    return {"name": "weekly-digest", "job_id": job.pk, "batch_id": batch.pk}


def text_of(alice, path, data=None):
    browser = Client(headers={"Accept-Language": "de"})
    browser.force_login(alice)
    answer = browser.get(path) if data is None else browser.post(path, data)
    return answer, CHANGING.sub("", answer.getvalue().decode())


@pytest.mark.parametrize("pattern", urls.urlpatterns, ids=lambda pattern: pattern.name)
def test_a_page_is_the_same_in_a_german_project(alice, scene, german, pattern):
    """No word, date or number of a page follows the language of the project or of the browser."""
    if not pattern.pattern.converters.keys() <= scene.keys():
        pytest.skip("about a message put aside, which needs no words of its own")
    path = reverse(
        f"offbeat_ops:{pattern.name}", kwargs={key: scene[key] for key in pattern.pattern.converters}
    )
    before, english = text_of(alice, path)

    german()
    after, text = text_of(alice, path)

    assert after.status_code == before.status_code
    assert text.splitlines() == english.splitlines()
    assert after.status_code == 405 or after["Content-Language"] == "en"


def test_a_date_is_english(alice, scene, german):
    """Days and months are those that Django would translate."""
    german()

    _, text = text_of(alice, reverse("offbeat_ops:cronjob", args=["weekly-digest"]) + "?day=2026-03-05")

    assert '<th scope="col">Thu</th>' in text
    assert "Slots of 5 March 2026" in text


def test_a_forms_complaint_is_english(alice, scene, german):
    """Django's own words about a field that is missing are English, too."""
    german()

    _, text = text_of(alice, reverse("offbeat_ops:backfill", args=["weekly-digest"]), {"since": ""})

    assert "This field is required." in text


def test_the_projects_own_pages_are_german(alice, german):
    """What is not the core's follows the project: the admin, for one."""
    german()

    answer = Client(headers={"Accept-Language": "de"}).get("/admin/login/")

    assert "Anmelden" in answer.content.decode()


@pytest.mark.parametrize(
    "command", [["cronjobs"], ["jobs", "list"], ["jobs", "stats"], ["check_platform"]], ids=" ".join
)
def test_a_command_answers_in_english(scene, german, capsys, command):
    """A terminal, and what a log keeps of it, does not follow the project's language."""
    call_command(*command)
    english = capsys.readouterr().out

    german()
    with translation.override("de"):
        call_command(*command)

    assert CHANGING.sub("", capsys.readouterr().out) == CHANGING.sub("", english)
