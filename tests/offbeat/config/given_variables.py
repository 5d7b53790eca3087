"""Variables that a test gives to the settings, with what each needs beside it, and what the settings become."""

from __future__ import annotations

from tests.offbeat.support.fresh_settings import NEEDED, load

SECRET = "kT9w-2LqxZr7pYb4mVh8sNc1dFg6jQaX3eRu5"
# What a variable needs beside it.
BESIDE = {
    "REDIS_CA": {"REDIS_URL": NEEDED["REDIS_URL"].replace("redis:", "rediss:")},
    "BROKER_CA": {"BROKER_URL": f"amqps://app:{SECRET}@mq.shop.example/shop"},
    "MEDIA_ENDPOINT_URL": {"MEDIA_BUCKET": "shop-uploads"},
    "SECURE_HSTS_PRELOAD": {"SECURE_HSTS_INCLUDE_SUBDOMAINS": "true", "SECURE_HSTS_SECONDS": "31536000"},
}


def given(name, value):
    return load(**BESIDE.get(name, {}), **{name: value})


def meaning(settings):
    """Give all settings of plain values, to compare."""
    return {name: repr(value) for name, value in vars(settings).items() if name.isupper()}
