"""A Django project with nothing but django-tasks-db and the tables of its tasks."""

import os
from urllib.parse import urlsplit

where = urlsplit(os.environ["DATABASE_URL"])
SECRET_KEY = "bench"  # noqa: S105  it signs nothing
INSTALLED_APPS = ["django_tasks_db"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": where.hostname,
        "PORT": where.port,
        "USER": where.username,
        "PASSWORD": where.password,
        "NAME": where.path[1:],
        "CONN_MAX_AGE": None,  # as everywhere in this benchmark: a connection stays
    }
}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
USE_TZ = True
