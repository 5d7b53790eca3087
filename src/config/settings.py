"""What you decide about this project; everything else comes from offbeat/settings.py, each number with its reason.

What is set here wins. `env` reads environment variables; all that are wrong are reported at once, at the end.
"""

from offbeat.settings import *  # noqa: F403
from offbeat.settings import OFFBEAT_APPS, PROJECT_NAME, PROJECT_TITLE, env

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

INSTALLED_APPS = [
    "accounts",
    "newsletter",  # example
    *OFFBEAT_APPS,
]
AUTH_USER_MODEL = "accounts.User"  # yours from the first migration on: Django cannot change it later

# Languages. The ops pages and the alerts stay in English and in UTC, whatever is set here.

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"  # of your pages; the database, the logs and Celery are in UTC anyway

# Mail

DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"{PROJECT_TITLE} <{PROJECT_NAME}@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Queues

CELERY_TASK_ROUTES: dict[str, dict[str, str]] = {
    # A queue belongs to the task; each is consumed by a service of platform.yaml.
    # example begins
    # Mail has a queue of its own: a mail server that is slow must hold up nothing else.
    "newsletter.tasks.send_confirmation": {"queue": "mail"},
    "newsletter.tasks.send_reminder": {"queue": "mail"},
    "newsletter.tasks.send_chunk": {"queue": "mail"},
    "newsletter.tasks.send_signup_report": {"queue": "mail"},
    # example ends
}

# Your own variables. As in: set SHOP_API_URL to env.url("SHOP_API_URL", ["https"]), and name it under env in
# platform.yaml; if it is required, give developers and tests a value in pyproject.toml, [tool.offbeat.variables].

env.complain()
