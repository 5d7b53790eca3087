"""REDIS_URL, read once for both libraries that connect to Redis: kombu and redis-py read a query differently.

So what they get has none: an address that both read alike, and its TLS options as values.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATHS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
KNOWN = ("ssl_cert_reqs", *PATHS, "ssl_check_hostname", "db")
# As Celery spells them, and as redis-py does.
LEVELS = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Address:
    """Where Redis is. `tls` has the names that redis-py and kombu's `broker_use_ssl` share; it is empty without TLS."""

    url: str = ""
    tls: dict[str, Any] = field(default_factory=dict)

    @property
    def is_verified(self) -> bool:
        return self.tls.get("ssl_cert_reqs", ssl.CERT_NONE) != ssl.CERT_NONE


def read(url: str, *, verify: bool | None, tell: Callable[[str], None]) -> Address:
    """Read an address; `verify` is REDIS_TLS_VERIFY, None where it is not set. Tells each problem, without any secret in it."""
    if not url:
        return Address()
    parts = urlsplit(url)
    if found := list(_problems(parts, verify)):
        for problem in found:
            tell(f"REDIS_URL: {problem}")
        return Address()
    options = _options(parts)
    database = options.pop("db", "") or parts.path.strip("/") or "0"
    return Address(
        f"{parts.scheme}://{_credentials(parts)}{_host(parts)}:{parts.port or 6379}/{int(database)}",
        _tls(options, verify) if parts.scheme == "rediss" else {},
    )


def _problems(parts: SplitResult, verify: bool | None) -> Iterator[str]:
    behind = f"{parts.path}?{parts.query}#{parts.fragment}"
    if parts.fragment or "@" in behind:
        yield "in a user or a password, write / as %2F, ? as %3F, # as %23 and @ as %40."
        return
    options = _options(parts)
    for name in sorted(options.keys() - set(KNOWN)):
        yield f"knows no {name} behind the question mark; it knows {', '.join(KNOWN)}."
    for name in sorted(options):
        if name.startswith("ssl_") and parts.scheme != "rediss":
            yield f"{name} is for rediss://…, which is TLS; redis://… is not."
    path = parts.path.strip("/")
    for database in filter(None, (path, options.get("db"))):
        if not (database.isascii() and database.isdigit()):
            yield f'"{database}" is no number of a database: use 0, or leave it out.'
    if path and (options.get("db") or path) != path:
        yield f"names two databases, {path} and {options['db']}: leave one out."
    yield from _wrong_values(options, verify)


def _wrong_values(options: dict[str, str], verify: bool | None) -> Iterator[str]:
    if "ssl_cert_reqs" in options:
        level = _level(options)
        if level is None:
            yield f"ssl_cert_reqs={options['ssl_cert_reqs']}: use CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE."
        elif verify is not None and verify == (level == ssl.CERT_NONE):
            yield (
                f"ssl_cert_reqs={options['ssl_cert_reqs']} contradicts REDIS_TLS_VERIFY={str(verify).lower()}: "
                "take it off the address, or set the variable to the same."
            )
    if options.get("ssl_check_hostname", "true").lower() not in BOOLEANS:
        yield f'ssl_check_hostname={options["ssl_check_hostname"]}: use "true" or "false".'


def _options(parts: SplitResult) -> dict[str, str]:
    return dict(parse_qsl(parts.query, keep_blank_values=True))


def _level(options: dict[str, str]) -> ssl.VerifyMode | None:
    return LEVELS.get(options["ssl_cert_reqs"].lower().removeprefix("cert_"))


def _tls(options: dict[str, str], verify: bool | None) -> dict[str, Any]:
    """Return what both libraries are told in words of their own; neither is left to its default, for these differ."""
    level = _level(options) if "ssl_cert_reqs" in options else None
    if level is None:
        level = ssl.CERT_NONE if verify is False else ssl.CERT_REQUIRED
    checks = BOOLEANS[options.get("ssl_check_hostname", "true").lower()] and level != ssl.CERT_NONE
    paths = {name: options[name] for name in PATHS if options.get(name)}
    return {"ssl_cert_reqs": level, "ssl_check_hostname": checks, **paths}


def _credentials(parts: SplitResult) -> str:
    """Return user and password, with everything escaped that one of the two libraries takes for something else."""
    user, password = (quote(unquote(each or ""), safe="") for each in (parts.username, parts.password))
    if not (user or password):
        return ""
    return f"{user}:{password}@" if password else f"{user}@"


def _host(parts: SplitResult) -> str:
    host = parts.hostname or "127.0.0.1"
    return f"[{host}]" if ":" in host else host
