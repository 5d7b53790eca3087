"""BROKER_URL=amqp://…, amqps://…: the address of RabbitMQ, and the options of its TLS."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from offbeat.variables.values import ESCAPED, is_unescaped

if TYPE_CHECKING:
    from urllib.parse import SplitResult

PORTS = {"amqp": 5672, "amqps": 5671}
EXAMPLE = "amqps://user:password@host/vhost"


def form(value: str) -> str:
    """Return an address with its port. Raises ValueError, without a secret in it."""
    try:
        parts = urlsplit(value)
        port = parts.port or PORTS[parts.scheme]
    except ValueError as error:
        raise ValueError(f"its port is none: use {EXAMPLE}") from error
    if problem := _problem(parts):
        raise ValueError(problem)
    credentials, at, _ = parts.netloc.rpartition("@")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{credentials}{at}{host}:{port}{parts.path or '/'}"


def _problem(parts: SplitResult) -> str:
    if is_unescaped(f"{parts.netloc}{parts.path}?{parts.query}{parts.fragment and '#'}"):
        return ESCAPED
    if "," in parts.netloc or ";" in parts.netloc:
        return "it names several servers: use the one address of the cluster"
    if not parts.hostname:
        return f"it names no host: use {EXAMPLE}"
    if parts.query:
        return "it goes on after a question mark: remove that; BROKER_CA names an authority"
    if "/" in parts.path[1:]:
        return "its vhost has a slash, which is written as %2F"
    return ""


def tls(url: str, authority: str, *, verify: bool) -> dict[str, Any]:
    """Return `broker_use_ssl`, empty without TLS; `authority` is the file of BROKER_CA, "" for the public ones."""
    if not url.startswith("amqps:"):
        return {}
    if not verify:  # with a name, py-amqp would verify it
        return {"cert_reqs": ssl.CERT_NONE}
    given = {"ca_certs": authority} if authority else {}
    return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": urlsplit(url).hostname, **given}
