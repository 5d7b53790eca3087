"""For tools that look at Celery from outside, like Flower: how the broker is reached, and nothing else of the settings."""

import os

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

broker_url = settings.CELERY_BROKER_URL
broker_use_ssl = settings.REDIS.tls or None
broker_transport_options = {
    name: settings.CELERY_BROKER_TRANSPORT_OPTIONS[name] for name in ("global_keyprefix", "priority_steps")
} | settings.REDIS.transport
