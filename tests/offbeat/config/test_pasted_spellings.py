"""Another platform's spellings of variables: read with the one meaning that they have, or refused in clear words."""

from __future__ import annotations

import pytest

from offbeat.mailer import mailer_option
from tests.offbeat.config.given_variables import SECRET, given, meaning
from tests.offbeat.support.fresh_settings import load

pytestmark = pytest.mark.usefixtures("django_storages")
# Another platform's spelling, and what it means: (variable, value, setting, its value).
MEANT = [
    ("LOG_LEVEL", "info", "LOG_LEVEL", "INFO"),
    ("LOG_LEVEL", "Warn", "LOG_LEVEL", "WARNING"),
    ("LOG_JSON", "False", "LOG_JSON", False),
    ("DEBUG", "TRUE", "DEBUG", True),
    ("DEBUG", "0", "DEBUG", False),
    ("EMAIL_USE_TLS", "1", "mailer use_tls", True),
    ("ALLOWED_HOSTS", "https://shop.example", "ALLOWED_HOSTS", ["shop.example"]),
    ("ALLOWED_HOSTS", "https://shop.example/", "BASE_URL", "https://shop.example"),
    ("ALLOWED_HOSTS", "Shop.Example:8000", "ALLOWED_HOSTS", ["shop.example"]),
    ("ALLOWED_HOSTS", "shop.example.", "ALLOWED_HOSTS", ["shop.example"]),
    ("ALLOWED_HOSTS", "a.example;b.example c.example", "ALLOWED_HOSTS", ["a.example", "b.example", "c.example"]),
    ("ALLOWED_HOSTS", '["a.example", "b.example"]', "ALLOWED_HOSTS", ["a.example", "b.example"]),
    ("ALLOWED_HOSTS", "'a.example','b.example'", "ALLOWED_HOSTS", ["a.example", "b.example"]),
    ("ALLOWED_HOSTS", "*.shop.example", "ALLOWED_HOSTS", [".shop.example"]),
    ("ALLOWED_HOSTS", "*.shop.example", "BASE_URL", "https://shop.example"),
    ("ALLOWED_HOSTS", "*.shop.example,www.shop.example", "BASE_URL", "https://www.shop.example"),
    ("ALLOWED_HOSTS", "b\u00fccher.example", "ALLOWED_HOSTS", ["xn--bcher-kva.example"]),
    ("ALLOWED_HOSTS", "::1,[::2]:8000,10.0.0.1", "ALLOWED_HOSTS", ["[::1]", "[::2]", "10.0.0.1"]),
    ("BASE_URL", "https://Shop.Example/", "BASE_URL", "https://shop.example"),
    ("BASE_URL", "https://shop.example:443", "BASE_URL", "https://shop.example"),
    ("BASE_URL", "http://localhost:8000", "BASE_URL", "http://localhost:8000"),
    ("CSRF_TRUSTED_ORIGINS", '["https://a.example","https://b.example/"]', "CSRF_TRUSTED_ORIGINS",
     ["https://a.example", "https://b.example"]),
    ("CSRF_TRUSTED_ORIGINS", "https://*.shop.example https://shop.example:443", "CSRF_TRUSTED_ORIGINS",
     ["https://*.shop.example", "https://shop.example"]),
    ("ADMINS", "alice@shop.example; Bob <bob@shop.example>", "ADMINS",
     ["alice@shop.example", "bob@shop.example"]),
    ("ADMINS", '["alice@shop.example"]', "ADMINS", ["alice@shop.example"]),
    ("ADMINS", '"Acme, Inc." <ops@shop.example>,,', "ADMINS", ["ops@shop.example"]),
    ("DEFAULT_FROM_EMAIL", '"Acme, Inc." <news@shop.example>', "SERVER_EMAIL", '"Acme, Inc." <news@shop.example>'),
    ("EMAIL_PORT", "465", "mailer use_ssl", True),
    ("EMAIL_PORT", "465", "mailer use_tls", False),
    ("EMAIL_PORT", "587", "mailer use_ssl", False),
    ("EMAIL_USE_SSL", "true", "mailer use_tls", False),
    ("EMAIL_PORT", "tcp://10.96.0.7:587", "mailer port", 587),  # of a Kubernetes service called email
    ("REDIS_URL", "REDISS://:p@cache.example:6379/0", "REDIS_URL", "rediss://:p@cache.example:6379/0"),
    ("REDIS_URL", "rediss://:p@cache.example  ", "REDIS_URL", "rediss://:p@cache.example:6379/0"),
    ("REDIS_URL", "valkey://:p@cache.example", "REDIS_URL", "redis://:p@cache.example:6379/0"),
    ("REDIS_URL", "valkeys://:p@cache.example/1", "REDIS_URL", "rediss://:p@cache.example:6379/1"),
    ("REDIS_URL", "unix:///run/redis.sock?db=2", "REDIS_URL", "redis+socket:///run/redis.sock?virtual_host=2"),
    ("REDIS_URL", "redis+socket://:p@/run/redis.sock", "REDIS_URL", "redis+socket://:p@/run/redis.sock?virtual_host=0"),
    ("REDIS_URL", "redis+sentinel://:p@a,b:1/2", "REDIS_URL", "sentinel://:p@a:26379/2;sentinel://:p@b:1/2"),
    ("REDIS_URL", "sentinel://a:1;sentinel://:p@b:2/3", "REDIS_URL", "sentinel://:p@a:1/3;sentinel://:p@b:2/3"),
    ("MEDIA_ENDPOINT_URL", "https://a.r2.example/shop-uploads/", "MEDIA_ENDPOINT_URL", "https://a.r2.example"),
    ("MEDIA_ENDPOINT_URL", "https://shop-uploads.fra1.example", "MEDIA_ENDPOINT_URL", "https://fra1.example"),
    ("SENTRY_DSN", "https://0a1b@o1.ingest.de.sentry.io/42", "SENTRY_DSN", "https://0a1b@o1.ingest.de.sentry.io/42"),
]  # fmt: skip
# What has no meaning, and what the message says: (variable, value, a part of the message).
REFUSED = [
    ("LOG_LEVEL", "verbose", "LOG_LEVEL=verbose: use DEBUG, INFO, WARNING, ERROR or CRITICAL."),
    ("LOG_LEVEL", "20", "use DEBUG, INFO"),
    ("DEBUG", "on please", 'use "true" or "false"'),
    ("ALLOWED_HOSTS", "*", '"*" allows every host name'),
    ("ALLOWED_HOSTS", "shop.example,*", '"*" allows every host name'),
    ("ALLOWED_HOSTS", "https://shop.example/path", "is not a host name"),
    ("ALLOWED_HOSTS", "10.0.0.0/8", '"10.0.0.0/8" is not a host name'),
    ("ALLOWED_HOSTS", "null", '"null" is not a host name'),
    ("BASE_URL", "shop.example", "it should begin with https://"),
    ("BASE_URL", "https://*", "BASE_URL=https://…"),
    ("BASE_URL", "https://shop.example/shop?x=1", "nothing may follow the name"),
    ("CSRF_TRUSTED_ORIGINS", "shop.example", "it should begin with https://"),
    ("CSRF_TRUSTED_ORIGINS", "https://shop.example/login", "nothing may follow the name"),
    ("ADMINS", "alice", "use mail addresses like ops@example.com"),
    ("ADMINS", "Acme, Inc. <ops@shop.example>", "use mail addresses like"),
    ("DEFAULT_FROM_EMAIL", "Acme, Inc. <ops@shop.example>", "put a name with a comma in quotes"),
    ("DEFAULT_FROM_EMAIL", "Acme <news@shop.example", "use one mail address"),
    ("PORT", "tcp://10.0.0.1:80", "PORT=tcp://…: use a whole number from 1 to 65535."),
    ("PORT", "70000", "use a whole number from 1 to 65535."),
    ("EMAIL_PORT", "587/tcp", "EMAIL_PORT=587/tcp: use a whole number from 1 to 65535."),
    ("EMAIL_HOST", "smtp://mail.example:587", "EMAIL_HOST=smtp://…: use the name or the address of a server"),
    (
        "WEB_CONCURRENCY",
        "auto",
        "Hint: unset it: then the number follows from the container's CPU and memory.",
    ),
    ("WEB_CONCURRENCY", "2.0", "use a whole number"),
    ("WORKER_CONCURRENCY", "1_000", "use a whole number"),
    ("WORKER_GRACE", "60s", "WORKER_GRACE=60s: use a whole number of at least 10."),
    ("OFFBEAT_JOBS_DRAIN", "30 s", "use a number of at least 0."),
    ("OFFBEAT_JOBS_MAX_ATTEMPTS", "2.5", "use a whole number"),
    ("OFFBEAT_JOBS_RETENTION_DAYS", "1e300", "use a whole number"),
    ("OFFBEAT_ALERTS_QUEUE_AGE", "1e300", "use a number"),
    ("SENTRY_DSN", "sentry.io", "the DSN of the project's settings in Sentry: https://<key>@<host>/<number>"),
    (
        "ALERT_WEBHOOK_URL",
        "hooks.slack.com/services/" + SECRET,
        "ALERT_WEBHOOK_URL=…: should be https://… or http://….",
    ),
    ("LOGS_URL", "logs.example/?q={job}", "should be https://… or http://…."),
    ("LOGS_URL", "javascript:alert('{job}')", "should be https://… or http://…."),
    (
        "LOGS_URL",
        "https://logs.example/?q={job_id}",
        "{job_id} stands for nothing: use {job}, {task}, {from}, {to}",
    ),
    ("LOGS_URL", 'https://logs.example/?q={"a":"{job}"}', "write other braces as %7B and %7D."),
    ("LOGS_URL", "https://logs.example/{job", "{job stands for nothing"),
    ("LOGS_URL", "https://logs.example/search", "should have {job} in it, which stands for the job's id."),
    ("LOGS_URL", "https://{job}.logs.example/", "the host's name should be there"),
    ("LOGS_URL", f"https://bob:{SECRET}@logs.example/{{job}}", "remove user and password."),
    ("CRON_PING_URL", "https://hc-ping.com/<key>/{name}", "a part of it is a placeholder"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel:4317", "should be http://… or https://…."),
    ("DATABASE_URL", "${{Postgres.DATABASE_URL}}", "is a placeholder that nobody has replaced"),
    ("DATABASE_URL", "postgres://${USER}:${PASSWORD}@h/db", "a part of it is a placeholder"),
    (
        "SECRET_KEY",
        "SECRET_KEY=" + SECRET,
        "it begins with its own name: write only the part after it.",
    ),
    ("METRICS_TOKEN", SECRET[:20] + "\n" + SECRET[20:], "use one line of text without invisible characters"),
    ("REDIS_URL", "redis://h/jobs", '"jobs" is not the number of a database'),
    (
        "REDIS_URL",
        "unix://run/redis.sock",
        "REDIS_URL=unix://…: should be unix:///path/to/redis.sock: three slashes",
    ),
    (
        "REDIS_URL",
        "http://cache:6379",
        "REDIS_URL=http://…: should be redis://… or rediss://… (TLS), unix:///… or sentinel://….",
    ),
    (
        "REDIS_URL",
        "redis+cluster://a:6379,b:6379",
        "REDIS_URL=redis+cluster://…: Redis Cluster spreads keys over several servers",
    ),
    ("REDIS_URL", "redis://a:6379,b:6379", "with the name of one host; several are sentinels"),
    (
        "REDIS_URL",
        "sentinel://a:x,b",
        "should be sentinel://… with the name of each host, and only digits as its port",
    ),
    ("REDIS_URL", "sentinel://a;redis://b", "all sentinels should have one scheme"),
    (
        "REDIS_URL",
        "sentinel://:p@a;sentinel://:q@b",
        "the sentinels' addresses have different user and password",
    ),
    (
        "REDIS_URL",
        "redis+sentinel://a,b/main/0",
        '"main/0" is not the number of a database: write ?master_name=main.',
    ),
    ("REDIS_URL", "sentinel://a?sentinel=x", "knows no sentinel after the question mark"),
    (
        "REDIS_URL",
        "unix:///run/redis.sock?ssl_cert_reqs=required",
        "ssl_cert_reqs is for rediss://…, which is TLS; unix:",
    ),
    (
        "CACHE_URL",
        "memcached://cache:11211",
        "CACHE_URL=memcached://…: should be redis://… or rediss://… (TLS)",
    ),
    ("CACHE_URL", "redis://cache/jobs", 'CACHE_URL: "jobs" is not the number of a database'),
    ("MEDIA_BUCKET", "s3://shop", "use the name of a bucket, without an address"),
    ("AWS_REGION", "EU (Frankfurt)", "use a region, like eu-central-1"),
    (
        "REDIS_URL",
        "rediss://h?ssl_ca_certs=/nowhere.pem",
        "ssl_ca_certs=/nowhere.pem: there is no such file.",
    ),
    (
        "DATABASE_URL",
        "postgres://u:p@h/db?pool=true",
        "PostgreSQL knows no pool after the question mark: remove it",
    ),
    ("SECRET_KEY_FALLBACKS", f"{SECRET}\n{SECRET[::-1]}", "use one line of text"),
    ("SECRET_KEY_FALLBACKS", f'["{SECRET}"', "separate them by commas, or write a JSON list"),
    ("CRON_SECRET", f"Authorization: Bearer {SECRET}", 'write it without "Bearer"'),
    ("METRICS_TOKEN", f"bearer {SECRET}", 'write it without "Bearer"'),
    ("SECRET_KEY", f"SECRET_KEY: {SECRET}", "it begins with its own name"),
    ("ALLOWED_HOSTS", "*.com", '"*.com" allows every name of a top-level domain'),
    ("BASE_URL", "https://shop.example:99999", "a port up to 65535"),
    ("CSRF_TRUSTED_ORIGINS", "https://*", "use the name of one host"),
    ("BIND", "999.1.1.1", "use an address like 0.0.0.0"),
    ("BIND", "1.2.3", "use an address like 0.0.0.0"),
    ("BIND", ":::", "use an address like 0.0.0.0"),
    ("WEB_CONCURRENCY", "100000", "from 0 to 1000"),
    ("CRON_PING_URL", "https://hc-ping.com/key/{slug}", "{name} is the cronjob's name"),
    ("OFFBEAT_JOBS_RETENTION_DAYS", "2147483647", "from 0 to 36500"),
    ("OFFBEAT_LOGINS_STAFF_SESSION_HOURS", "99999999", "use a number from 0 to 876000"),
    ("OFFBEAT_ROOT", "/nowhere", "OFFBEAT_ROOT=/nowhere: there is no such folder."),
]


def value_of(settings, name):
    """Return a setting; what Django 5.2 and 6.1 have in different shapes, in one."""
    if name == "ADMINS":
        return [each if isinstance(each, str) else each[1] for each in settings.ADMINS]
    if name.startswith("mailer "):
        return mailer_option(name.removeprefix("mailer "), settings)
    return getattr(settings, name)


@pytest.mark.parametrize(("name", "value", "setting", "meant"), MEANT)
def test_another_spelling(name, value, setting, meant):
    """What can mean one thing only is read so."""
    settings, problems = given(name, value)

    assert problems == []
    assert value_of(settings, setting) == meant


@pytest.mark.parametrize(("name", "value", "said"), REFUSED)
def test_what_is_refused(name, value, said):
    """The message names the variable and says what would be right, once."""
    _, problems = given(name, value)

    assert len(problems) == 1
    assert problems[0].startswith(("Unexpected value ", f"{name}: "))
    assert name in problems[0].split(":")[0]
    assert said in problems[0]


def test_star_on_a_developers_machine():
    """With DEBUG any name may be answered."""
    settings, problems = load(DEBUG="true", ALLOWED_HOSTS="*")

    assert (problems, settings.ALLOWED_HOSTS) == ([], ["*"])


def test_a_service_of_kubernetes():
    """Variables that Kubernetes adds for services called jobs, email, redis, web or offbeat are nobody's mistake."""
    links = {}
    for service in (
        "JOBS",
        "EMAIL",
        "REDIS",
        "WEB",
        "WORKER",
        "OFFBEAT",
        "OFFBEAT_JOBS",
        "SECRET",
        "DATABASE",
        "SENTRY",
        "LOG",
    ):
        address = "tcp://10.96.0.7:80"
        links |= {f"{service}_PORT": address, f"{service}_SERVICE_HOST": "10.96.0.7", f"{service}_SERVICE_PORT": "80",
                  f"{service}_PORT_80_TCP": address, f"{service}_PORT_80_TCP_PROTO": "tcp"}  # fmt: skip

    linked, problems = load(**links)

    assert problems == []
    assert meaning(linked) == meaning(load()[0])
