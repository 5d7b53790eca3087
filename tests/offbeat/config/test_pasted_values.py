"""Variables with what a clipboard adds to them, with nothing, or with no value of theirs: every one of the manual."""

from __future__ import annotations

import re

import pytest

from tests.offbeat.config.given_variables import SECRET, given, meaning
from tests.offbeat.support.running import CHECKOUT

pytestmark = pytest.mark.usefixtures("django_storages")
# Of each variable of the manual a value that is right, and is not its default. A SECRET is shown in no message.
RIGHT = {
    "SECRET_KEY": SECRET,
    "SECRET_KEY_FALLBACKS": SECRET,
    "ALLOWED_HOSTS": "shop.example,.shop.example",
    "DATABASE_URL": f"postgresql://app:{SECRET}@db.shop.example:5433/shop?sslmode=require",
    "DATABASE_CA": "/etc/ssl/certs/ca-certificates.crt",
    "DISABLE_SERVER_SIDE_CURSORS": "true",
    "REDIS_URL": f"rediss://:{SECRET}@cache.shop.example:6380/2",
    "REDIS_CA": "/etc/ssl/certs/ca-certificates.crt",
    "BROKER_URL": f"amqps://app:{SECRET}@mq.shop.example/shop",
    "BROKER_CA": "/etc/ssl/certs/ca-certificates.crt",
    "BROKER_TLS_VERIFY": "false",
    "BROKER_QUEUE_TYPE": "classic",
    "CACHE_URL": f"rediss://:{SECRET}@entries.shop.example:6380",
    "MEDIA_BUCKET": "shop-uploads",
    "MEDIA_ENDPOINT_URL": "https://account.r2.cloudflarestorage.com",
    "AWS_ACCESS_KEY_ID": SECRET,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_REGION": "eu-central-1",
    "MEDIA_ROOT": "/data/media",
    "BASE_URL": "https://shop.example",
    "DEBUG": "true",
    "MAINTENANCE": "true",
    "LOG_LEVEL": "WARNING",
    "LOG_JSON": "false",
    "LOGS_URL": "https://logs.example/?q={job}&from={from_ms}&to={to_ms}",
    "EMAIL_HOST": "smtp.shop.example",
    "EMAIL_PORT": "2525",
    "EMAIL_HOST_USER": SECRET,
    "EMAIL_HOST_PASSWORD": SECRET,
    "EMAIL_USE_TLS": "false",
    "EMAIL_USE_SSL": "true",
    "DEFAULT_FROM_EMAIL": "Shop <news@shop.example>",
    "ADMINS": "alice@shop.example, Bob <bob@shop.example>",
    "SECURE_SSL_REDIRECT": "false",
    "SECURE_HSTS_SECONDS": "60",
    "CSRF_TRUSTED_ORIGINS": "https://shop.example,https://*.shop.example",
    "TRUSTED_PROXIES": "2",
    "PORT": "8001",
    "PROCESS": "worker",
    "HEALTH_PORT": "8002",
    "WEB_CONCURRENCY": "3",
    "WEB_THREADS": "5",
    "WEB_MAX_BODY": "2048",
    "WEB_REQUEST_SECONDS": "20",
    "BIND": "127.0.0.1",
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": "true",
    "SECURE_HSTS_PRELOAD": "true",
    "WEB_STATEMENT_TIMEOUT": "20",
    "WEB_IDLE_TIMEOUT": "20",
    "ADMIN_PATH": "backstage/",
    "WORKER_CONCURRENCY": "7",
    "WORKER_GRACE": "45",
    "WORKER_REMOTE_CONTROL": "true",
    "WORKER_TASK_EVENTS": "true",
    "VISIBILITY_TIMEOUT": "90",
    "REDIS_PREFIX": "shop-staging",
    "REDIS_TLS_VERIFY": "false",
    "OFFBEAT_JOBS_DRAIN": "12.5",
    "OFFBEAT_JOBS_MAX_ATTEMPTS": "3",
    "OFFBEAT_JOBS_HEARTBEAT_FILE": "/run/beat",
    "VERSION": "2026.11",
    "OFFBEAT_ROOT": str(CHECKOUT),
    "MAIL_SINK_DIR": "/run/mails",
    "CRON_SECRET": SECRET,
    "METRICS_TOKEN": SECRET,
    "CRON_PING_URL": f"https://hc-ping.example/{SECRET}/{{name}}",
    "OFFBEAT_CRONJOBS_HEAL": "0",
    "ALERT_WEBHOOK_URL": f"https://hooks.example/{SECRET}",
    "OFFBEAT_ALERTS_QUEUE_AGE": "60",
    "OFFBEAT_API_RATE": "20",
    "SENTRY_DSN": f"https://{SECRET}@sentry.example/1",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel.example:4318",
}
# Around a value: what a clipboard, a .env file or Docker's --env-file adds, and nobody means.
AROUND = ["  {} ", "{}\n", "{}\r\n", '"{}"', "'{}'", "“{}”", "\u00a0{}", "{}\u200b", "\ufeff{}", '"{} "']
# What is left where nobody has given a value: the same as no variable.
NOTHING = [" ", '""', "''", "\n", "\u200b", '" "']
# What no value is: some are told apart from a right one, none ends in a traceback.
INSTEAD = [
    "{name}={}", "export {name}={}", '{name}="{}"', "${{{{Postgres.{name}}}}}", "${{{name}}}", "$({name})", "null", "undefined",
    "{half}\n{rest}", "{half}\u200b{rest}", "{half} {rest}", '["{}"]', '{{"value": "{}"}}', "<{name}>", "{};", "{}#{}", "{}@{}",
    "%", "[", "\u0661", "9" * 5000, "-1", "1e400", "NaN", "tcp://10.0.0.1:80", "http://[", "postgres://u:" + SECRET + "#p@h/db",
]  # fmt: skip


def documented():
    page = (CHECKOUT / "docs/offbeat/configuration.md").read_text()
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    return set(re.findall(r"`([A-Z_]+(?:_<NAME>)?)`", " ".join(cells)))


def test_every_variable_is_tried():
    """A new row of the manual's table gets a right value above."""
    prefixes = {name.removesuffix("<NAME>") for name in documented() if name.endswith("<NAME>")}

    assert {name for name in documented() - RIGHT.keys() if not name.endswith("<NAME>")} == set()
    assert {name for name in RIGHT.keys() - documented() if not name.startswith(tuple(prefixes))} == set()


@pytest.mark.parametrize("name", RIGHT)
def test_what_a_clipboard_adds(name):
    """Spaces, line feeds, invisible characters and quotes around a value are no part of it, for every variable."""
    settings, problems = given(name, RIGHT[name])
    assert problems == []
    wanted = meaning(settings)

    for damage in AROUND:
        found, problems = given(name, damage.format(RIGHT[name]))

        assert problems == [], damage
        assert meaning(found) == wanted, damage


@pytest.mark.parametrize("name", RIGHT)
def test_nothing(name):
    """An empty value counts as none, whatever stands around it."""
    settings, missing = given(name, "")
    wanted = meaning(settings)

    for nothing in NOTHING:
        found, problems = given(name, nothing)

        assert problems == missing, nothing
        assert meaning(found) == wanted, nothing


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_no_value(name):
    """It is read as what was meant, or refused by name; no message has a secret in it, or more than one line."""
    right = RIGHT[name]
    half, rest = right[: len(right) // 2], right[len(right) // 2 :]
    for damage in INSTEAD:
        value = damage if damage.isdigit() else damage.format(right, right, name=name, half=half, rest=rest)

        _, problems = given(name, value)

        assert all(name in problem for problem in problems), (damage, problems)
        assert SECRET[:8] not in "".join(problems), damage
        assert all(len(problem) < 600 and problem.isprintable() for problem in problems), damage
