"""For tools that look at Celery from outside, like Flower: how the broker is reached, and nothing else of the settings."""

import os

from django.conf import settings

from offbeat.jobs.levels import LEVELS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

broker_url = settings.CELERY_BROKER_URL
broker_use_ssl = settings.REDIS.tls or None
broker_transport_options = {"global_keyprefix": f"{settings.REDIS_PREFIX}:", "priority_steps": list(LEVELS)}
