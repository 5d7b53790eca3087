"""Platforms' own host names, taken from the variables that they set."""

import base64
import json
import os
import subprocess
import sys

import pytest

from offbeat.variables.platform_hosts import platform_hosts, platform_origins

ROUTES = {
    "https://www.example.com/": {"type": "redirect", "to": "https://example.com/"},
    "https://spare.upsun.app/": {"type": "upstream", "primary": False},
    "https://example.com/": {"type": "upstream", "primary": True},
}


def test_nowhere_in_particular_has_no_names():
    """On a machine of one's own, nothing is allowed that nobody typed."""
    assert platform_hosts({"PATH": "/bin", "RENDER_EXTERNAL_HOSTNAME": ""}) == []
    assert platform_origins({}) == []


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({"RENDER_EXTERNAL_HOSTNAME": "offbeat.onrender.com"}, "offbeat.onrender.com"),
        ({"RAILWAY_PUBLIC_DOMAIN": "offbeat.up.railway.app"}, "offbeat.up.railway.app"),
        ({"HEROKU_APP_DEFAULT_DOMAIN_NAME": "offbeat-1f2e.herokuapp.com"}, "offbeat-1f2e.herokuapp.com"),
        ({"FLY_APP_NAME": "offbeat"}, "offbeat.fly.dev"),
    ],
)
def test_a_platforms_own_name_is_allowed_and_trusted(environ, host):
    """The first page after a deploy opens without a host name typed anywhere."""
    assert platform_hosts(environ) == [host]
    assert platform_origins(environ) == [f"https://{host}"]


def test_railways_health_checks_are_answered_but_not_trusted_as_an_origin():
    """Railway probes with a Host of its own; no form is ever sent from there."""
    environ = {"RAILWAY_PUBLIC_DOMAIN": "o.up.railway.app", "RAILWAY_PRIVATE_DOMAIN": "web.railway.internal"}

    assert platform_hosts(environ) == ["o.up.railway.app", "web.railway.internal", "healthcheck.railway.app"]
    assert platform_origins(environ) == ["https://o.up.railway.app"]


def test_upsuns_routes_give_their_names_with_the_primary_first():
    """Redirecting routes are answered by Upsun and never reach the app."""
    environ = {"PLATFORM_ROUTES": base64.b64encode(json.dumps(ROUTES).encode()).decode()}

    assert platform_hosts(environ) == ["example.com", "spare.upsun.app"]


def test_routes_that_cannot_be_read_allow_nothing():
    """A variable of that name that is not Upsun's does no harm."""
    assert platform_hosts({"PLATFORM_ROUTES": "not base64 of JSON"}) == []


def test_a_platform_names_the_service():
    """The settings answer to the platform's name beside those that somebody typed; mails link to the typed one."""
    hosts = settings_with(RENDER_EXTERNAL_HOSTNAME="app.onrender.com", ALLOWED_HOSTS="www.example.com")

    assert hosts == "www.example.com app.onrender.com https://www.example.com"


def test_a_platform_names_the_service_alone():
    """On a platform that gives a name nothing need be typed."""
    hosts = settings_with(RENDER_EXTERNAL_HOSTNAME="app.onrender.com", ALLOWED_HOSTS="")

    assert hosts == "app.onrender.com https://app.onrender.com"


def settings_with(**variables):
    code = "from tests.offbeat import settings as s; print(*s.ALLOWED_HOSTS, s.BASE_URL)"
    environment = os.environ | {"BASE_URL": ""} | variables
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
