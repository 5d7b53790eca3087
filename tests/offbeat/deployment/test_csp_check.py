"""Whoever sends the Content-Security-Policy, Django or django-csp: what a project writes into it holds, or is reported."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import django
import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.module_loading import import_string

from offbeat import retired_settings
from offbeat.deployment.csp_check import HAS_POLICY, SENDER, check_policy
from tests.offbeat.support.running import CHECKOUT

WRITES = "CONTENT_SECURITY_POLICY" if HAS_POLICY else "SECURE_CSP"  # the one that nobody reads


def sent():
    """Return the policy of an answer."""
    answer = import_string(SENDER)(lambda _: HttpResponse())(RequestFactory().get("/"))
    return dict(each.strip().split(" ", 1) for each in answer["Content-Security-Policy"].split(";"))


@pytest.fixture
def policy(settings):
    """The shipped policy, which both settings share, to be changed as a fork's settings do."""
    kept = copy.deepcopy(settings.SECURE_CSP)
    yield settings.SECURE_CSP
    settings.SECURE_CSP.clear()
    settings.SECURE_CSP.update(kept)


def test_the_shipped_policy(settings):
    """It is sent, and nothing is reported."""
    assert sent()["default-src"] == "'none'"
    assert SENDER in settings.MIDDLEWARE
    assert check_policy() == []


@pytest.mark.parametrize("name", ["SECURE_CSP", "CONTENT_SECURITY_POLICY"])
def test_a_change_in_either_setting_holds(settings, policy, name):
    """Forks of before wrote into django-csp's setting, those of today write into Django's."""
    found = getattr(settings, name)
    found = found.get("DIRECTIVES", found)
    found["img-src"].append("https://images.example.com")
    found["connect-src"] = ("'self'", "https://api.example.com")

    assert sent()["img-src"].split()[-1] == "https://images.example.com"
    assert sent()["connect-src"] == "'self' https://api.example.com"
    assert check_policy() == []


def test_a_replaced_policy_that_nobody_sends_is_reported(settings):
    """It would have no effect, and nobody would see why."""
    directives = {"default-src": ["'self'"]}
    setattr(settings, WRITES, {"DIRECTIVES": directives} if HAS_POLICY else directives)

    (message,) = check_policy()

    assert message.id == "offbeat.W005"
    assert message.msg.startswith(f"{WRITES} has no effect: this Django sends ")


def test_a_replaced_policy_that_is_sent_is_fine(settings):
    """A fork may write its own whole."""
    directives = {"default-src": ["'self'"]}
    if HAS_POLICY:
        settings.SECURE_CSP = directives
    else:
        settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": directives}

    assert sent() == {"default-src": "'self'"}
    assert check_policy() == []


@pytest.mark.skipif(not HAS_POLICY, reason="django-csp reads them")
def test_what_django_csp_could_do_is_reported(settings):
    """Exempted addresses, and a policy that only reports, are elsewhere in Django's own."""
    settings.CONTENT_SECURITY_POLICY = settings.CONTENT_SECURITY_POLICY | {"EXCLUDE_URL_PREFIXES": ["/old/"]}
    settings.CONTENT_SECURITY_POLICY_REPORT_ONLY = {"DIRECTIVES": {"default-src": ["'self'"]}}

    assert [each.msg.partition(" has")[0] for each in check_policy()] == [
        "CONTENT_SECURITY_POLICY's EXCLUDE_URL_PREFIXES",
        "CONTENT_SECURITY_POLICY_REPORT_ONLY",
    ]


def test_a_sender_of_the_projects_own_is_not_judged(settings):
    """Where neither of the two is in MIDDLEWARE, the project knows what it does."""
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != SENDER]
    setattr(settings, WRITES, {"DIRECTIVES": {}})

    assert check_policy() == []


@pytest.mark.parametrize(
    ("name", "entry", "hint"),
    [
        ("INSTALLED_APPS", "csp", "remove it: Django 6.0 and newer contain this."),
        ("MIDDLEWARE", "csp.middleware.CSPMiddleware", 'write "django.middleware.csp.ContentSecurityPolicyMiddleware"'),
    ],
)  # fmt: skip
def test_django_csp_where_it_is_not_installed(monkeypatch, name, entry, hint):
    """A fork's own entry of it would end in an import that fails."""
    monkeypatch.setattr(retired_settings, "find_spec", lambda _: None)

    (problem,) = retired_settings.retired({name: ["django.contrib.auth", entry]})

    assert problem.startswith(f'{name} has "{entry}", and django-csp is not installed. Hint: ')
    assert hint in problem


def test_django_csp_where_a_project_has_installed_it(monkeypatch):
    """Its entries are as good as they were."""
    monkeypatch.setattr(retired_settings, "find_spec", lambda name: name)

    assert list(retired_settings.retired({"MIDDLEWARE": ["csp.middleware.CSPMiddleware"]})) == []


@pytest.mark.skipif(django.VERSION < (6, 0), reason="django-csp is installed")
def test_a_fork_with_django_csp_gets_no_traceback(tmp_path):
    """It starts not, with a line that says what to write."""
    (tmp_path / "fork_settings.py").write_text(
        'from tests.offbeat.settings import *\nINSTALLED_APPS += ["csp"]\n'
    )
    path = os.pathsep.join([str(tmp_path), str(CHECKOUT / "src"), str(CHECKOUT)])

    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "fork_settings", "PYTHONPATH": path},
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == os.EX_CONFIG
    assert done.stderr.startswith('Error: INSTALLED_APPS has "csp", and django-csp is not installed.')
