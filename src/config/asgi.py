"""The ASGI entry point, for servers that speak it: `uvicorn config.asgi:application`."""

import os

from offbeat.web.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_asgi_application()
