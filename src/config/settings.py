"""All settings, in the order of Django's reference; what differs between places is an environment variable.

Production is the default: with nothing but the variables that a platform injects, nothing here is lax.
Every number has its reason beside it, and the bound that it must keep.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dj_database_url

from offbeat import redis_url
from offbeat.container import MIB, processes
from offbeat.env import Environment
from offbeat.hosts import platform_hosts, platform_origins
from offbeat.identity import PREFIX, platform_name

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = Environment(os.environ)

# Core

DEBUG = env.boolean("DEBUG", default=False)
LOCAL_KEY = "local-development-only-never-in-production-0123456789abcdef"
SECRET_KEY = env.text(
    "SECRET_KEY",
    LOCAL_KEY if DEBUG else None,
    hint="generate one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
)
PLATFORM_HOSTS = platform_hosts(os.environ)  # what the platform calls this service; nobody need type it
ALLOWED_HOSTS = [
    *env.items(
        "ALLOWED_HOSTS",
        "*" if DEBUG else "" if PLATFORM_HOSTS else None,
        hint="the names that people type, separated by commas: www.example.com,example.com",
    ),
    *PLATFORM_HOSTS,
]
# The address in the links of mails, which no request is there to tell.
FIRST_HOST = next(iter(ALLOWED_HOSTS), "localhost").lstrip(".")
LIKELY_URL = "http://localhost:8000" if DEBUG else f"https://{FIRST_HOST}"
BASE_URL = env.url("BASE_URL", ["https", "http"], default=LIKELY_URL).rstrip("/")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "offbeat.ops",
    "offbeat.ops.alerts",
    "offbeat.ops.metrics",
    "newsletter",  # example
    "offbeat.cronjobs",
    "offbeat.jobs",
    "offbeat.deployment",
    "offbeat.dev",
    "csp",
    "django.contrib.admin.apps.SimpleAdminConfig",  # config.urls finds the models' pages
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "offbeat.ops.health.HealthMiddleware",  # first: a probe knows no host name and no HTTPS
    "offbeat.ops.metrics.request_metrics.RequestsMiddleware",
    "offbeat.ops.logs_context.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database

DATABASE_URL = env.url(
    "DATABASE_URL",
    ["postgres", "postgresql"],
    hint="PostgreSQL only: the ledger of jobs needs its row locks. ./run up starts one where DATABASE_URL is not set.",
)
DATABASES = {
    "default": dj_database_url.parse(
        DATABASE_URL or "postgres://",
        # A new connection costs 5 to 30 ms, an idle one a slot: a minute keeps a busy process connected.
        conn_max_age=60,
        conn_health_checks=True,  # a database that restarted costs a reconnect, not an error
    ),
}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    connect_timeout=5,  # an unreachable server is told of in seconds; a container's network needs one at most
    # A peer that vanished is noticed after 20 + 3 * 5 s instead of the kernel's two hours.
    keepalives_idle=20,
    keepalives_interval=5,
    keepalives_count=3,
    tcp_user_timeout=20_000,  # ms until sent data must be acknowledged
)
# Whoever holds a lock that others wait for is named by it: "manage.py release", "celery", "gunicorn".
PROCESS_NAME = " ".join(
    [Path(sys.argv[0]).name, *(sys.argv[1:2] if sys.argv[0].endswith("manage.py") else [])]
)
DATABASES["default"]["OPTIONS"].setdefault("application_name", PROCESS_NAME)
# A cursor of .iterator() belongs to a session, and behind a pooler in transaction mode the next batch is another's to fetch.
# Not said: without them where a pooler is seen.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = (
    env.boolean("DISABLE_SERVER_SIDE_CURSORS", default=False)
    if env.text("DISABLE_SERVER_SIDE_CURSORS", "")
    else None  # type: ignore[typeddict-item]
)

# Email

EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.integer("EMAIL_PORT", 587 if not DEBUG else 1025, minimum=1)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.boolean("EMAIL_USE_TLS", default=not DEBUG)
EMAIL_TIMEOUT = 20  # seconds; below every task's time limit, so that a silent server becomes a retry
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Offbeat <offbeat@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
ADMINS = [(address.partition("@")[0], address) for address in env.items("ADMINS", "")]

# Internationalisation: slots, logs and the ledger are in UTC; a cronjob names its own time zone.

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

# Security

PROXY_TLS = not DEBUG  # every platform ends TLS at its router and says so in this header, which it overwrites
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXY_TLS else None
SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", default=not DEBUG)
MONTH = 30 * 24 * 3600  # seconds: enough to protect, short enough to regret
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 0 if DEBUG else MONTH)
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_HSTS_PRELOAD = not DEBUG
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS", ",".join(platform_origins(os.environ)))
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}
LOGIN_URL = "admin:login"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Static files: hashed names, collected when the image is built, served by the web service itself

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage",
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# Web: see gunicorn.py for what these mean

PORT = env.integer("PORT", 8000, minimum=1)
WEB_CONCURRENCY = env.integer("WEB_CONCURRENCY", 0)  # processes; 0 = what fits the container
WEB_THREADS = env.integer("WEB_THREADS", 8, minimum=1)  # each may hold a database connection

# Celery

# False only where the platform's certificates are self-signed (Heroku).
REDIS_TLS_VERIFY = env.boolean("REDIS_TLS_VERIFY", default=True)
REDIS = redis_url.read(
    env.url(
        "REDIS_URL",
        ["redis", "rediss"],
        hint="set it on the platform, or run ./run up for an embedded Redis.",
    ),
    verify=REDIS_TLS_VERIFY if env.text("REDIS_TLS_VERIFY", "") else None,
    tell=env.problem,
)
REDIS_URL = REDIS.url

# What every key of this deployment begins with; two deployments on one Redis, staging beside production, need two.
REDIS_PREFIX = env.text("REDIS_PREFIX", platform_name(), form=PREFIX)

# Seconds between SIGTERM and SIGKILL, the same number as the worker's `grace` in platform.yaml.
WORKER_GRACE = env.integer("WORKER_GRACE", 60, minimum=10)
VISIBILITY_TIMEOUT = env.integer("VISIBILITY_TIMEOUT", 60, minimum=3)  # seconds; the same on every worker

CELERY_BROKER_URL = REDIS_URL
if REDIS.tls:  # kombu verifies no certificate unless it is told to
    CELERY_BROKER_USE_SSL = REDIS.tls

# A queue belongs to the task. Every queue is consumed by a service of platform.yaml.
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES: dict[str, dict[str, str]] = {}
# example begins
# Mail has a queue of its own: a mail server that is slow must hold up nothing else.
for mail in ("send_confirmation", "send_reminder", "send_chunk", "send_signup_report"):
    CELERY_TASK_ROUTES[f"newsletter.tasks.{mail}"] = {"queue": "mail"}
# example ends
CELERY_TASK_CREATE_MISSING_QUEUES = True

CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]  # pickle would make write access to Redis the right to run code
# A result costs two more Redis commands a publish, five a task; jobs keep their state in PostgreSQL.
CELERY_TASK_IGNORE_RESULT = True

CELERY_TASK_ACKS_LATE = True  # acknowledged early, a killed task is gone
# A killed child gives its message back; the delivery cap of jobs ends the loop.
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# A long task must not hold the messages of short ones; no cost in throughput.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 9 * 60  # raises SoftTimeLimitExceeded in the task, a minute before the kill
CELERY_TASK_TIME_LIMIT = 10 * 60  # a task that needs longer says so itself
# Else a dropped connection leaves two live copies.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
# Seconds to wait for a dead child's answer; the default of 10 is time in which nobody works on it.
CELERY_WORKER_LOST_WAIT = 0.5

# One more try, at once: whoever publishes waits for it.
PUBLISH_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}
# The lease that jobs renews makes a short timeout safe for tasks of any length; without it, it must exceed every time limit.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{REDIS_PREFIX}:",  # of queues, of messages in hand, and of the channels of remote control
    "visibility_timeout": VISIBILITY_TIMEOUT,  # seconds until a dead worker's message is delivered again; Celery's is an hour
    "unacked_restore_interval": 10,  # seconds between looks for such messages
    "unacked_restore_throttle": 1,
    # Seconds after which others look when a worker died while it looked; kombu's five minutes would keep all messages waiting.
    "unacked_mutex_expire": 10,
    "socket_connect_timeout": 2,  # seconds; without these two a publish to a silent server hangs for ever
    "socket_timeout": 3,  # above the one second for which BRPOP blocks
    "socket_keepalive": True,
    "health_check_interval": 5,  # seconds; a half-open socket is noticed within 20
    **PUBLISH_RETRY,
}
CELERY_BROKER_CONNECTION_TIMEOUT = 1  # seconds
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: the default gives up after 100
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # else the worker exits when Redis is full
# Connections that a process publishes through: small Redis plans allow about 20 in all.
CELERY_BROKER_POOL_LIMIT = 2
CELERY_TASK_PUBLISH_RETRY_POLICY = PUBLISH_RETRY

CELERY_WORKER_CONCURRENCY = env.integer("WORKER_CONCURRENCY", 0) or processes(each=110 * MIB, base=110 * MIB)
# A leak ends with its process; 100 would halve the throughput, 1000 is free.
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
# Celery closes the database connection before and after each task; kept, they save two thirds of a small job's time.
# jobs checks a connection before a plain task uses it, and reconnects by itself where it was lost.
CELERY_DB_REUSE_MAX = 500
# Events cost 40 % of the throughput, and the ledger knows it all: for Flower and its like.
CELERY_WORKER_SEND_TASK_EVENTS = env.boolean("WORKER_TASK_EVENTS", default=False)
# Redis would carry commands to the worker.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = env.boolean("WORKER_REMOTE_CONTROL", default=DEBUG)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # LOGGING below holds in the worker too

# Logging

LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
LOG_JSON = env.boolean("LOG_JSON", default=not DEBUG)  # a line of JSON each; else for people's eyes
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "offbeat.ops.logs.Formatter", "as_json": LOG_JSON}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "celery.utils.functional": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},  # "received": one line an outcome is enough
    },
}

# Jobs: every interval and bound of the ledger is in jobs/conf.py, with its reason; a variable JOBS_<NAME> overrides one.

OFFBEAT_JOBS = {"drain": max(1, WORKER_GRACE - 10), **env.numbers("OFFBEAT_JOBS_")}

# Alerts: mail to ADMINS, and JSON to a webhook (Slack, Mattermost, Teams and others show its "text").

ALERT_WEBHOOK_URL = env.url("ALERT_WEBHOOK_URL", ["https", "http"], default="")
OFFBEAT_ALERTS = env.numbers("OFFBEAT_ALERTS_")  # when people are told: ops/alerts/conf.py
OFFBEAT_CRONJOBS = {
    "ping_url": env.text("CRON_PING_URL", ""),  # it holds {name}, so it is no URL yet
    **env.numbers("OFFBEAT_CRONJOBS_"),  # any other of cronjobs/conf.py
}

# Offbeat

CRON_SECRET = env.text("CRON_SECRET", "")  # switches HTTP wake-ups on
METRICS_TOKEN = env.text("METRICS_TOKEN", "")
SENTRY_DSN = env.text("SENTRY_DSN", "")
OTEL_EXPORTER_OTLP_ENDPOINT = env.text("OTEL_EXPORTER_OTLP_ENDPOINT", "")  # its name by OpenTelemetry
MAIL_SINK_DIR = Path(env.text("MAIL_SINK_DIR", str(BASE_DIR / ".local" / "mail")))  # development only

env.complain()
