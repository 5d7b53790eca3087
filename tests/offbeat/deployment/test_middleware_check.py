"""A project that writes its own MIDDLEWARE is told what of the core's is missing in it (offbeat.W004)."""

import pytest

from offbeat.deployment.middleware_check import MISSED, check_middleware
from offbeat.web.body_limit import BodyLimitMiddleware


class Stricter(BodyLimitMiddleware):
    """A project's own, built on the core's."""


def plain(get_response):
    """Make a middleware that is no class."""
    return get_response


def test_the_shipped_list():
    """Nothing is missing in it."""
    assert check_middleware() == []


@pytest.mark.parametrize("name", MISSED)
def test_one_that_is_missing(settings, name):
    """It is named, with what does not work."""
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != name]

    assert [(each.id, each.msg) for each in check_middleware()] == [
        ("offbeat.W004", f'"{name}" is not in MIDDLEWARE: {MISSED[name]}.')
    ]


def test_what_is_built_on_the_cores_counts(settings):
    """A class that is derived; functions, and what cannot be imported, are others' to judge."""
    ours = [each for each in settings.MIDDLEWARE if "BodyLimit" not in each]
    settings.MIDDLEWARE = [f"{__name__}.Stricter", f"{__name__}.plain", "no.such.Middleware", *ours]

    assert check_middleware() == []
