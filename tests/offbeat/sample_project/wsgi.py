"""The WSGI entry point of the tests."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.offbeat.settings")

application = get_wsgi_application()
