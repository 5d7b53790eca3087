"""BROKER_URL: a broker that is not Redis, read once for kombu and for our own connections."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from offbeat.variables.values import ESCAPED, is_unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from urllib.parse import SplitResult

SCHEMES = ["amqp", "amqps"]


@dataclass(frozen=True)
class BrokerAddress:
    """Where RabbitMQ is. `tls` has the names of `broker_use_ssl`; it is empty without TLS."""

    url: str = ""
    tls: dict[str, Any] = field(default_factory=dict)


def read(url: str, *, authority: str, verify: bool, tell: Callable[[str], None]) -> BrokerAddress:
    """Read an address; tells each problem, without any secret in it. `authority` is the file of BROKER_CA, "" for none."""
    if not url:
        return BrokerAddress()
    parts = urlsplit(url)
    if found := list(_problems(parts, authority)):
        for problem in found:
            tell(f"BROKER_URL: {problem}")
        return BrokerAddress()
    tls = {}
    if parts.scheme == "amqps":
        tls = {
            "cert_reqs": ssl.CERT_REQUIRED if verify else ssl.CERT_NONE,
            "server_hostname": parts.hostname,
        } | ({"ca_certs": authority} if authority else {})
    return BrokerAddress(url, tls)


def _problems(parts: SplitResult, authority: str) -> Iterator[str]:
    if is_unescaped(f"{parts.netloc}{parts.path}?{parts.query}{parts.fragment and '#'}"):
        yield f"{ESCAPED}."
        return
    if not parts.hostname:
        yield "names no host: use amqps://user:password@host/vhost."
    if "," in parts.netloc or ";" in parts.netloc:
        yield "names several servers: use the one address of the cluster."
    if parts.query:
        yield "knows nothing after a question mark: remove it; BROKER_CA names an authority."
    if "/" in parts.path[1:]:
        yield f'"{parts.path[1:]}" has a slash, which a vhost in an address writes as %2F.'
    if authority and parts.scheme != "amqps":
        yield "BROKER_CA is for amqps://…, which is TLS; amqp://… is not."


def vhost(url: str) -> str:
    """Return the vhost of an address, "/" where it names none."""
    return unquote(urlsplit(url).path[1:]) or "/"
