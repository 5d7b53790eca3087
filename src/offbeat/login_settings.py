"""Where people log in, and what stands before their passwords."""

from __future__ import annotations

from typing import Any

from offbeat.env import env

DJANGOS_BACKEND = "django.contrib.auth.backends.ModelBackend"
SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._~-]*"
TAKEN = {
    "ops",
    "cron",
    "local",
    "static",
    "healthz",
    "readyz",
    "metrics",
}  # first parts of paths that are the core's


class Backends(list[str]):
    """The backends of this project. Django's own counts as one of them: sessions name it, and calls of `login(backend=…)`.

    Its second entry would be the alternative: then `login(request, user)` would have to say which.
    """

    def __contains__(self, name: Any) -> bool:
        return name == DJANGOS_BACKEND or super().__contains__(name)


def read_admin_path() -> str:
    """Return ADMIN_PATH as `path()` takes it: without a slash in front, and with one behind."""
    words = "a path of letters, digits and hyphens that no other page has, like staff-entrance/"
    given = env.text("ADMIN_PATH", "admin/", form=(words, rf"/?{SEGMENT}(/{SEGMENT})*/?")).strip("/")
    if given.partition("/")[0] in TAKEN:
        env.problem(f"Unexpected value ADMIN_PATH={given}: use {words}.")
    return f"{given}/"


ADMIN_PATH = read_admin_path()
AUTHENTICATION_BACKENDS = Backends(["offbeat.ops.logins.backend.LoginBackend"])
