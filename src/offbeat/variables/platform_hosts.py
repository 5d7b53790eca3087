"""The host names that a platform gives an app by itself, so that nobody need type them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

# Render and Railway set theirs always; Heroku only after `heroku labs:enable runtime-dyno-metadata`.
PUBLIC = ("RENDER_EXTERNAL_HOSTNAME", "RAILWAY_PUBLIC_DOMAIN", "HEROKU_APP_DEFAULT_DOMAIN_NAME")
RAILWAY_PROBE = "healthcheck.railway.app"  # the Host of Railway's health checks


def platform_hosts(environ: Mapping[str, str]) -> list[str]:
    """Give the names for ALLOWED_HOSTS that the platform we run on is known by: public ones first."""
    hosts = public_hosts(environ)
    if private := environ.get("RAILWAY_PRIVATE_DOMAIN"):
        hosts += [private, RAILWAY_PROBE]
    return list(dict.fromkeys(hosts))


def platform_origins(environ: Mapping[str, str]) -> list[str]:
    """Give the origins for CSRF_TRUSTED_ORIGINS; every platform serves its own names over HTTPS."""
    return [f"https://{host}" for host in dict.fromkeys(public_hosts(environ))]


def public_hosts(environ: Mapping[str, str]) -> list[str]:
    hosts = [environ[name] for name in PUBLIC if environ.get(name)]
    if app := environ.get("FLY_APP_NAME"):
        hosts.append(f"{app}.fly.dev")
    return hosts + upsun_hosts(environ.get("PLATFORM_ROUTES", ""))


def upsun_hosts(encoded: str) -> list[str]:
    """Read Upsun's routes: base64 of JSON, by address; those that only redirect are not ours to answer."""
    try:
        routes = json.loads(base64.b64decode(encoded)) if encoded else {}
    except ValueError:
        return []
    ours = [address for address, route in routes.items() if route.get("type") == "upstream"]
    primary_first = sorted(ours, key=lambda address: not routes[address].get("primary"))
    return [host for address in primary_first if (host := urlsplit(address).hostname)]
