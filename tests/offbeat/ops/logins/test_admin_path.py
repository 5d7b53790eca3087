"""Where the admin is: a variable, which the project's urls have to read."""

import json
import os
import subprocess
import sys

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.urls import path

from offbeat.ops.logins.checks import check_admin_path
from tests.offbeat.support.running import CHECKOUT

NONSENSE = (
    "a b",
    "admin?x",
    "admin>",
    "//",
    "/",
    "a//b",
    "../admin",
    "ops",
    "/ops/",
    "healthz",
    "static/x",
    "é",
)


def nothing(_):
    return HttpResponse()


urlpatterns = [path("", nothing)]  # a project without an admin


class OldProject:
    """Whose urls.py was written before there was the variable."""

    urlpatterns = [path("admin/", admin.site.urls)]


class Moved:
    """Who has it at an address of their own."""

    urlpatterns = [path("backoffice/", admin.site.urls)]


def read(**variables):
    """Give ADMIN_PATH as the settings read it in a process of their own, and what they complain about."""
    code = (
        "import json\nfrom offbeat.login_settings import ADMIN_PATH\nfrom offbeat.env import env\n"
        "print(json.dumps([ADMIN_PATH, env.problems]))"
    )
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "src")} | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("given", "path_of_admin"),
    [("", "admin/"), ("secret", "secret/"), ("/secret/", "secret/"), ("a/b-c.d", "a/b-c.d/"), (" x/ ", "x/")],
)
def test_a_path_is_taken_as_people_write_it(given, path_of_admin):
    """With and without slashes."""
    assert read(ADMIN_PATH=given) == [path_of_admin, []]


@pytest.mark.parametrize("given", NONSENSE)
def test_nonsense_is_refused(given):
    """Also what would hide an address of the core."""
    _, problems = read(ADMIN_PATH=given)

    assert len(problems) == 1
    assert (
        problems[0].startswith(f"Unexpected value ADMIN_PATH={given.strip('/') or given}")
        or given in problems[0]
    )
    assert "use a path of letters, digits and hyphens" in problems[0]


def test_a_project_that_does_not_read_it_is_told(settings):
    """An old urls.py has the admin where it always was, which is not where somebody believes it to be."""
    settings.ADMIN_PATH, settings.ROOT_URLCONF = "secret/", OldProject

    (error,) = check_admin_path()

    assert error.id == "offbeat_ops.E002"
    assert error.msg == 'ADMIN_PATH is "secret/", and the admin answers at "admin/".'
    assert "path(settings.ADMIN_PATH, admin.site.urls)" in error.hint


@pytest.mark.parametrize(
    ("wanted", "urls"),
    [("admin/", OldProject), ("admin/", Moved), ("backoffice/", Moved), ("secret/", __name__)],
)
def test_others_are_left_alone(settings, wanted, urls):
    """Whoever sets no variable, has another address, or no admin."""
    settings.ADMIN_PATH, settings.ROOT_URLCONF = wanted, urls

    assert list(check_admin_path()) == []


def test_the_site_answers_there(stack):
    """A process with the variable: the login has moved, and the ops pages lead to it."""
    web = stack.web(ADMIN_PATH="staff-entrance")

    assert web.browser.get("/admin/login/").status == 404
    assert web.browser.get("/ops/").url.endswith("/staff-entrance/login/?next=/ops/")
