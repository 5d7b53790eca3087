"""What browsers and routers are told, who is believed, and how people log in."""

from __future__ import annotations

import os

from offbeat.env import env
from offbeat.variables.host_names import origins
from offbeat.variables.platform_hosts import platform_origins

DEBUG = env.boolean("DEBUG", default=False)

# How many routers stand in front of the web service, each of which adds an address to X-Forwarded-For: client_address.py
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0 if DEBUG else 1)
# Every platform ends TLS at its router and says so in this header, which it overwrites. Without a router, a client writes it.
PROXY_TLS = TRUSTED_PROXIES > 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXY_TLS else None
SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", default=not DEBUG)
MONTH = 30 * 24 * 3600  # seconds: enough to protect, short enough to regret
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 0 if DEBUG else MONTH)
# Both are for those who have decided it for every name below theirs: browsers that carry the list keep it for months.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.boolean("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.boolean("SECURE_HSTS_PRELOAD", default=False)
YEAR = 365 * 24 * 3600  # the least that hstspreload.org takes
if SECURE_HSTS_PRELOAD and not (SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE_HSTS_SECONDS >= YEAR):
    env.problem(
        "Unexpected value SECURE_HSTS_PRELOAD=true: browsers' lists need all subdomains, and a year.",
        f"set SECURE_HSTS_INCLUDE_SUBDOMAINS=true and SECURE_HSTS_SECONDS={YEAR}, or remove it.",
    )
SILENCED_SYSTEM_CHECKS = [
    "security.W005", "security.W021",  # they ask for both
    "security.W009",  # it wants a key of 50 characters, and Render makes 44: weak_secrets.py refuses what can be guessed
]  # fmt: skip
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
CSRF_TRUSTED_ORIGINS = env.parsed("CSRF_TRUSTED_ORIGINS", origins, platform_origins(os.environ))
X_FRAME_OPTIONS = "DENY"
CROSS_ORIGIN_RESOURCE_POLICY = (
    "same-origin"  # other sites show none of our pages and answers; static files are for everybody
)
# What no page here uses, no script that gets in may use either: {"geolocation": ["self"]} allows it again.
PERMISSIONS_POLICY: dict[str, list[str]] = {
    feature: []
    for feature in (
        "accelerometer",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "screen-wake-lock",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
}
SECURE_CSP = {
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
}
CONTENT_SECURITY_POLICY = {"DIRECTIVES": SECURE_CSP}  # what django-csp reads, on Django 5.2
LOGIN_URL = "admin:login"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
