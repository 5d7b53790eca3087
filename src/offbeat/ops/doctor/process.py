"""The process: what it is made of, and how it is configured."""

from __future__ import annotations

import difflib
import os
import platform
import re
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.core.checks import ERROR, WARNING, run_checks

from offbeat.deployment.env_use import read_variables
from offbeat.env import env
from offbeat.jobs import broker
from offbeat.jobs.worker.transport import LedgerTransport
from offbeat.mailer import mailer_option
from offbeat.ops.doctor.findings import Finding, Level, graded, green, red, yellow
from offbeat.variables.weak_secrets import RECIPE, SHORTEST_KEY, SHORTEST_TOKEN, weakness

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = ("django", "celery", "kombu", "redis", "psycopg", "gunicorn")


def versions() -> Iterator[Finding]:
    found = installed()
    text = f"Python {platform.python_version()}, " + ", ".join(f"{name} {is_}" for name, is_ in found.items())
    if wrong := list(defects(found)):
        yield red("versions", text, "; ".join(wrong))
    else:
        yield green("versions", text)
    deployed = env.text("VERSION", "")
    yield green("deployed", deployed or "VERSION is not set: the workers' page cannot show which are old")


def installed() -> dict[str, str]:
    return {name: metadata.version(name) for name in SHOWN}


def defects(found: dict[str, str]) -> Iterator[str]:
    """Give what the versions at hand are known to break, and the cure."""
    cure = "install requirements.txt"
    if release(found["celery"]) < (5, 7):
        text = "forgets the time limits of running tasks at each reconnect"
        yield f"celery {found['celery']} {text}: {cure}"
    if release(found["celery"]) == (5, 7, 0) and not is_guarded():
        text = "exits when Redis dies under a task that is acknowledged late"
        yield f"celery 5.7.0 {text}: call offbeat.jobs.worker.install(app) where the Celery application is made"
    if release(found["kombu"]) < (5, 7):
        yield f"kombu {found['kombu']} never notices a half-open socket: {cure}"


def release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with: of ``5.7.0rc1`` these are 5, 7 and 0."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


def is_guarded() -> bool:
    """Tell whether the application's connections are ours, which outlive the loss of their Redis; others outlive it anyway."""
    if not broker.has_redis():
        return True
    transport = current_app.connection_for_read().get_transport_cls()
    return issubclass(transport, LedgerTransport)


def is_on_this_machine() -> bool:
    return urlsplit(settings.BASE_URL).hostname in {"localhost", "127.0.0.1", "::1"}


def debug() -> Iterator[Finding]:
    if not settings.DEBUG:
        yield green("DEBUG", "false")
    elif is_on_this_machine():
        yield yellow(
            "DEBUG",
            "true, on a developer's machine",
            "nothing on this machine; in production set DEBUG=false",
        )
    else:
        yield red(
            "DEBUG", f"true, for {settings.BASE_URL}", "set DEBUG=false: its pages show settings and source"
        )


def secrets() -> Iterator[Finding]:
    """Look whether somebody could guess them; production does not start with one of these, but a project may set its own."""
    yield secret("SECRET_KEY", settings.SECRET_KEY, SHORTEST_KEY)
    for old in getattr(settings, "SECRET_KEY_FALLBACKS", ()):
        if weak := weakness("SECRET_KEY_FALLBACKS", old, SHORTEST_KEY):
            yield yellow(
                "SECRET_KEY_FALLBACKS",
                f"one is too easy to guess: {weak}",
                "remove it soon: its signatures are valid",
            )
    for name in ("METRICS_TOKEN", "CRON_SECRET"):
        token = getattr(settings, name)
        yield secret(name, token, SHORTEST_TOKEN) if token else green(name, "not set: its feature is off")


def secret(name: str, value: str, shortest: int) -> Finding:
    weak = weakness(name, value, shortest)
    return graded(
        name,
        f"is too easy to guess: {weak}" if weak else f"{len(value)} characters",
        is_red=bool(weak) and not settings.DEBUG,
        is_yellow=bool(weak),
        advice=RECIPE,
    )


def variables() -> Iterator[Finding]:
    """Look for variables that are set and that nobody reads, though they look like ours."""
    known = {name for name in read_variables() if not name.endswith("_")}  # the others are prefixes
    dead = {
        name: difflib.get_close_matches(name, known, n=1, cutoff=0.85) for name in os.environ.keys() - known
    }
    likely = {name: near[0] for name, near in sorted(dead.items()) if near}
    for name, near in likely.items():
        yield yellow("environment", f"nobody reads {name}", f"did you mean {near}?")
    if not likely:
        yield green("environment", "no variable looks like a misspelt one of Offbeat")


def system_checks() -> Iterator[Finding]:
    """Run Django's own checks, with those of deployments: they hold settings, platform.yaml and time limits together."""
    messages = [
        each for each in run_checks(include_deployment_checks=not settings.DEBUG) if not each.is_silenced()
    ]
    serious = [each for each in messages if each.level >= WARNING]
    for each in serious:
        level = Level.RED if each.level >= ERROR else Level.YELLOW
        yield Finding(f"check {each.id}", level, str(each.msg).splitlines()[0], str(each.hint or ""))
    if not serious:
        yield green("checks", "manage.py check reports nothing")


def disk() -> Iterator[Finding]:
    for path in dict.fromkeys((str(settings.BASE_DIR), tempfile.gettempdir())):
        usage = shutil.disk_usage(path)
        free = usage.free / usage.total
        yield graded(
            f"disk {Path(path)}",
            f"{usage.free / 2**30:.1f} GiB free ({free:.0%})",
            is_red=usage.free < 50 * 2**20,
            is_yellow=free < 0.1,
            advice="free some space: the heartbeat and large uploads are files",
        )


def recipients() -> Iterator[Finding]:
    """Look whether anybody would hear of an incident."""
    ways = [f"mail to {len(settings.ADMINS)}"] if settings.ADMINS else []
    ways += ["a webhook"] if settings.ALERT_WEBHOOK_URL else []
    ways += ["Sentry"] if settings.SENTRY_DSN else []
    if ways:
        yield green("alerts", ", ".join(ways))
    else:
        yield yellow("alerts", "nobody gets alerts", "set ADMINS, ALERT_WEBHOOK_URL or SENTRY_DSN")
    if settings.ADMINS and not settings.DEBUG and mailer_option("host") == "localhost":
        yield yellow("mail", "EMAIL_HOST is localhost", "set EMAIL_HOST: containers have no mail server")
