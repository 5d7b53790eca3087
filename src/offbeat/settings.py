"""The safe part of a project's settings, in the order of Django's reference: `from offbeat.settings import *`, then your own.

What differs between places is an environment variable. Production is the default: with nothing but the variables that a
platform injects, nothing here is lax. Every number has its reason beside it, and the bound that it must keep.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import django

from offbeat import container
from offbeat.api.conf import ApiConf
from offbeat.cronjobs.conf import CronjobsConf
from offbeat.env import env as env  # noqa: PLC0414  a project reads its own variables by it, too
from offbeat.identity import platform_name, platform_title
from offbeat.ops.alerts.conf import AlertsConf
from offbeat.ops.logins.conf import LoginsConf
from offbeat.ops.logs_requests import REQUEST_LOGGERS
from offbeat.project import ROOT
from offbeat.variables import values, weak_secrets
from offbeat.variables.host_names import host_names, site
from offbeat.variables.logs_address import logs_address
from offbeat.variables.platform_hosts import platform_hosts

BASE_DIR = ROOT
env.parsed("OFFBEAT_ROOT", values.folder, "")  # which has been read: project.py
PROJECT_NAME = platform_name()  # `name` of platform.yaml, the one place that says it
PROJECT_TITLE = platform_title()

# Core

DEBUG = env.boolean("DEBUG", default=False)
LOCAL_KEY = weak_secrets.LOCAL_KEY
SECRET_KEY = env.secret("SECRET_KEY", LOCAL_KEY if DEBUG else None, shortest=weak_secrets.SHORTEST_KEY)
# Former keys: what they signed stays good until they are removed. Nothing new is signed with them.
SECRET_KEY_FALLBACKS = env.secrets("SECRET_KEY_FALLBACKS", shortest=weak_secrets.SHORTEST_OLD_KEY)
PLATFORM_HOSTS = platform_hosts(os.environ)  # what the platform calls this service; nobody need type it
ALLOWED_HOSTS = env.parsed(
    "ALLOWED_HOSTS",
    host_names(is_lax=DEBUG),
    ["*"] if DEBUG else [],
    is_required=not (DEBUG or PLATFORM_HOSTS),
    hint="the host names of the site, separated by commas: www.example.com,example.com",
)
ALLOWED_HOSTS = [*ALLOWED_HOSTS, *PLATFORM_HOSTS]
# The address in the links of mails, which no request is there to tell. A name that begins with a dot is many.
FIRST_HOST = min(ALLOWED_HOSTS or ["localhost"], key=lambda name: name.startswith(".")).lstrip(".")
LIKELY_URL = "http://localhost:8000" if DEBUG else f"https://{FIRST_HOST}"
BASE_URL = env.parsed("BASE_URL", site, LIKELY_URL)
# The site is closed and workers take no job, until it is false again: ops/maintenance_mode.py
MAINTENANCE = env.boolean("MAINTENANCE", default=False)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

OFFBEAT_APPS = [
    "offbeat.ops",
    "offbeat.ops.alerts",
    "offbeat.ops.metrics",
    "offbeat.api",
    "offbeat.cronjobs",
    "offbeat.jobs",
    "offbeat.deployment",
    *(["offbeat.dev"] if DEBUG and find_spec("offbeat.dev") else []),  # no image for production holds it
    *([] if django.VERSION >= (6, 0) else ["django_tasks"]),  # what Django has itself from 6.0 on
    "django.contrib.admin.apps.SimpleAdminConfig",  # the project's urls find the models' pages
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "offbeat.web.headers.HeadersMiddleware",  # outermost: whoever answers, its headers are there
    "offbeat.web.body_limit.BodyLimitMiddleware",  # before anybody reads a body: CSRF's reads forms
    "offbeat.ops.health.HealthMiddleware",  # before the others: a probe knows no host name and no HTTPS
    "offbeat.ops.metrics.request_metrics.RequestsMiddleware",
    "offbeat.ops.logs_context.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware"
    if django.VERSION >= (6, 0)
    else "csp.middleware.CSPMiddleware",
    "offbeat.web.static_files.StaticFilesMiddleware",
    "offbeat.ops.maintenance_mode.MaintenanceMiddleware",  # before whatever asks the database
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "offbeat.ops.logins.refusal.LoginRefusalMiddleware",  # last: it replaces what a form made of a refused login
]

# What people type without it is linked as https:// by `urlize`, as Django does by itself from 2028 on.
URLIZE_ASSUME_HTTPS = True
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

from offbeat.database_settings import *  # noqa: E402, F403  here, so that problems are told in this order

# Email
from offbeat.mail_settings import *  # noqa: E402, F403

# Internationalisation: slots, logs, the ledger and its pages are in UTC; a cronjob names its own time zone.

TIME_ZONE = "UTC"
USE_TZ = True

# Logins

from offbeat.login_settings import *  # noqa: E402, F403

OFFBEAT_LOGINS = env.numbers(
    "OFFBEAT_LOGINS_", LoginsConf
)  # how often a password may be tried: ops/logins/conf.py

# Security, and files that people upload

from offbeat.media_settings import *  # noqa: E402, F403
from offbeat.media_settings import MEDIA_STORAGE  # noqa: E402
from offbeat.security_settings import *  # noqa: E402, F403

# Static files: hashed names, collected when the image is built, served by the web service itself

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": MEDIA_STORAGE,
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage",
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# Web: see gunicorn.py for what these mean

PORT = env.integer("PORT", 8000, minimum=1, maximum=65535)
# Processes; 0 = what fits the container.
WEB_CONCURRENCY = env.integer("WEB_CONCURRENCY", 0, maximum=container.MOST, hint=container.HINT)
WEB_THREADS = env.integer("WEB_THREADS", container.WEB_THREADS, minimum=1, maximum=container.MOST)
# Routers connect over IPv4 or, in Railway's private network, over IPv6; 127.0.0.1 where a proxy runs on the same machine.
BIND = env.parsed("BIND", values.listening, "0.0.0.0")  # noqa: S104  a container is reached from outside
# Where a worker answers over HTTP whether it is well, as the platform asks every container; 0 = nowhere.
HEALTH_PORT = env.integer("HEALTH_PORT", 0, maximum=65535)
# Seconds for a request to arrive, head and body, and for its answer to be taken; more for large ones: web/client_socket.py.
# Below the 30 s after which routers give up, so that it is us who say why.
WEB_REQUEST_SECONDS = env.integer("WEB_REQUEST_SECONDS", 20, minimum=1)
# Bytes of a request's body: forms and JSON need kilobytes. The largest that is gathered without a thread: web/frame.py.
WEB_MAX_BODY = env.integer("WEB_MAX_BODY", 1024 * 1024, minimum=1)
DATA_UPLOAD_MAX_MEMORY_SIZE = WEB_MAX_BODY  # of what is not a file; Django's own limit, behind the first
DATA_UPLOAD_MAX_NUMBER_FIELDS = (
    1000  # the admin's largest forms have hundreds; a field costs microseconds, a million seconds
)
DATA_UPLOAD_MAX_NUMBER_FILES = 20  # of one request, where files are taken at all
# Paths that take files, each with the bytes that a request may have: {"/photos/": 5 * 1024 * 1024}. None, so no file is taken.
OFFBEAT_UPLOADS: dict[str, int] = {}
FILE_UPLOAD_HANDLERS = ["offbeat.web.upload_refusal.UploadRefusal"]  # everywhere else

# Cache, Celery

from offbeat.cache_settings import *  # noqa: E402, F403
from offbeat.celery_settings import *  # noqa: E402, F403

# Tasks: what Django's @task makes is a job. No QUEUES means any; check_platform reports one that no worker consumes.

TASKS = {"default": {"BACKEND": "offbeat.jobs.tasks_backend.LedgerBackend", "QUEUES": []}}

# Logging

LOG_LEVEL = env.parsed("LOG_LEVEL", values.choice(values.LOG_LEVELS, values.LOG_SYNONYMS), "INFO")
LOG_JSON = env.boolean("LOG_JSON", default=not DEBUG)  # a line of JSON each; else for people's eyes
LOGS_URL = env.parsed("LOGS_URL", logs_address, "")  # where a job's page leads to its lines
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"visitors": {"()": "offbeat.ops.logs_requests.VisitorFilter"}},
    "formatters": {"line": {"()": "offbeat.ops.logs.Formatter", "as_json": LOG_JSON}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        **{name: {"filters": ["visitors"]} for name in REQUEST_LOGGERS},  # a visitor's fault is a warning
        "celery.utils.functional": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},  # "received": one line an outcome is enough
        # Of what becomes of a task Django's logger tells what the worker's does.
        "django.tasks" if django.VERSION >= (6, 0) else "django_tasks": {"level": "CRITICAL"},
    },
}

# Alerts: mail to ADMINS, and JSON to a webhook (Slack, Mattermost, Teams and others show its "text").

ALERT_WEBHOOK_URL = env.url("ALERT_WEBHOOK_URL", ["https", "http"], default="")
OFFBEAT_ALERTS = env.numbers("OFFBEAT_ALERTS_", AlertsConf)  # when people are told: ops/alerts/conf.py
OFFBEAT_CRONJOBS = {
    "ping_url": env.parsed("CRON_PING_URL", values.ping_address, "", is_secret=True),
    **env.numbers("OFFBEAT_CRONJOBS_", CronjobsConf),  # any other of cronjobs/conf.py
}

# HTTP API: off until a token exists, which manage.py api_tokens makes.

OFFBEAT_API = env.numbers("OFFBEAT_API_", ApiConf)  # how much a token may ask: api/conf.py
OFFBEAT_API_TASKS: list[str] = []  # tasks that it may enqueue, beside those that say api=True

# Offbeat

CRON_SECRET = env.secret("CRON_SECRET", "")  # switches HTTP wake-ups on
METRICS_TOKEN = env.secret("METRICS_TOKEN", "")
VERSION = env.text("VERSION", "", form=values.LINE)  # what is deployed
SENTRY_DSN = env.parsed("SENTRY_DSN", values.matching(values.DSN), "", is_secret=True)
# Its name by OpenTelemetry.
OTEL_EXPORTER_OTLP_ENDPOINT = env.url("OTEL_EXPORTER_OTLP_ENDPOINT", ["http", "https"], default="")
MAIL_SINK_DIR = Path(
    env.text("MAIL_SINK_DIR", str(BASE_DIR / ".local" / "mail"), form=values.LINE)
)  # development only
