"""REDIS_URL, read once for both libraries that connect to Redis: kombu and redis-py read a query differently.

So what they get has none: an address that both read alike, and its TLS options as values.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from offbeat.variables.values import ESCAPED, is_unescaped, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATHS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
KNOWN = ("ssl_cert_reqs", *PATHS, "ssl_check_hostname", "db")
# As Celery spells them, and as redis-py does.
LEVELS = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
BOOLEANS = {"true": True, "false": False}
# From Python 3.13 on an authority must also have the form that RFC 5280 asks for, which one of `openssl req -x509` does not have.
# Who has signed, and for which name, is verified as ever.
FORM = [ssl.VERIFY_X509_STRICT]


@dataclass(frozen=True)
class Address:
    """Where Redis is. `tls` has the names that redis-py and kombu's `broker_use_ssl` share; it is empty without TLS."""

    url: str = ""
    tls: dict[str, Any] = field(default_factory=dict)

    @property
    def is_verified(self) -> bool:
        """Whether the certificate is verified, and is one for the host."""
        return (
            self.tls.get("ssl_cert_reqs", ssl.CERT_NONE) != ssl.CERT_NONE and self.tls["ssl_check_hostname"]
        )


def read(url: str, *, verify: bool | None, tell: Callable[[str], None], authority: str = "") -> Address:
    """Read an address; tells each problem, without any secret in it.

    `verify` is REDIS_TLS_VERIFY, None where it is not set; `authority` is the file of REDIS_CA, "" where it is not set.
    """
    if not url:
        return Address()
    parts = urlsplit(url)
    if found := list(_problems(parts, verify, authority)):
        for problem in found:
            tell(f"REDIS_URL: {problem}")
        return Address()
    options = _options(parts)
    database = options.pop("db", "") or parts.path.strip("/") or "0"
    return Address(
        f"{parts.scheme}://{_credentials(parts)}{_host(parts)}:{parts.port or 6379}/{int(database)}",
        _tls(options, verify, authority) if parts.scheme == "rediss" else {},
    )


def _problems(parts: SplitResult, verify: bool | None, authority: str) -> Iterator[str]:
    if is_unescaped(f"{parts.netloc}{parts.path}?{parts.query}{parts.fragment and '#'}"):
        yield f"{ESCAPED}."
        return
    options = _options(parts)
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    for name in sorted(options):
        if name not in KNOWN:
            yield f"knows no {name} after the question mark; it knows {', '.join(KNOWN)}."
        elif names.count(name) > 1:
            yield f"{name} appears after the question mark twice: remove one."
        if name.startswith("ssl_") and parts.scheme != "rediss":
            yield f"{name} is for rediss://…, which is TLS; redis://… is not."
    path = parts.path.strip("/")
    for database in filter(None, (path, options.get("db"))):
        if not (database.isascii() and database.isdigit() and len(database) < 6):
            yield f'"{database}" is not the number of a database: use 0, or remove it.'
    if path and (options.get("db") or path) != path:
        yield f"names two databases, {path} and {options['db']}: remove one."
    if parts.scheme == "rediss":
        yield from _wrong_values(options, verify)
    yield from _wrong_files(options)
    yield from _wrong_authority(parts.scheme, options, verify, authority)


def _wrong_files(options: dict[str, str]) -> Iterator[str]:
    for name in PATHS:
        if options.get(name) and not Path(options[name]).is_file():
            yield f"{name}={shown(options[name])}: there is no such file."


def _wrong_values(options: dict[str, str], verify: bool | None) -> Iterator[str]:
    """Find what switches verification off: only the variable may do so, for all to see."""
    if "ssl_cert_reqs" in options:
        level = _level(options)
        if level is None:
            yield f"ssl_cert_reqs={options['ssl_cert_reqs']}: use CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE."
        elif (verify is not False) == (level == ssl.CERT_NONE):
            variable = (
                f"REDIS_TLS_VERIFY={str(verify is not False).lower()}{' (its default)' * (verify is None)}"
            )
            yield (
                f"ssl_cert_reqs={options['ssl_cert_reqs']} contradicts {variable}: "
                "remove it from the address, or set the variable to the same."
            )
    check = options.get("ssl_check_hostname", "true").lower()
    if check not in BOOLEANS:
        yield f'ssl_check_hostname={options["ssl_check_hostname"]}: use "true" or "false".'
    elif verify is True and not BOOLEANS[check]:
        yield (
            "ssl_check_hostname=false contradicts REDIS_TLS_VERIFY=true: remove it from the address, or unset the variable."
        )


def _wrong_authority(
    scheme: str, options: dict[str, str], verify: bool | None, authority: str
) -> Iterator[str]:
    if authority and scheme != "rediss":
        yield "REDIS_CA is for rediss://…, which is TLS; redis://… is not."
    if authority and verify is False:
        yield "REDIS_CA contradicts REDIS_TLS_VERIFY=false: remove one."
    if authority and options.get("ssl_ca_certs"):
        yield "ssl_ca_certs and REDIS_CA both name an authority: remove one."
    is_public = not (authority or options.get("ssl_ca_certs") or verify is False)
    if is_public and options.get("ssl_check_hostname", "").lower() == "false":
        yield (
            "ssl_check_hostname=false accepts every certificate that any public authority has signed: "
            "remove it from the address, or set REDIS_CA to the server's own authority."
        )


def _options(parts: SplitResult) -> dict[str, str]:
    return dict(parse_qsl(parts.query, keep_blank_values=True))


def _level(options: dict[str, str]) -> ssl.VerifyMode | None:
    return LEVELS.get(options["ssl_cert_reqs"].lower().removeprefix("cert_"))


def _tls(options: dict[str, str], verify: bool | None, authority: str) -> dict[str, Any]:
    """Return what both libraries are told in words of their own; neither is left to its default, for these differ."""
    level = _level(options) if "ssl_cert_reqs" in options else None
    if level is None:
        level = ssl.CERT_NONE if verify is False else ssl.CERT_REQUIRED
    checks = BOOLEANS[options.get("ssl_check_hostname", "true").lower()] and level != ssl.CERT_NONE
    paths = {name: options[name] for name in PATHS if options.get(name)}
    if authority:
        paths["ssl_ca_certs"] = authority
    own = {"ssl_exclude_verify_flags": FORM} if "ssl_ca_certs" in paths else {}
    return {"ssl_cert_reqs": level, "ssl_check_hostname": checks, **paths, **own}


def _credentials(parts: SplitResult) -> str:
    """Return user and password, with everything escaped that one of the two libraries takes for something else."""
    user, password = (quote(unquote(each or ""), safe="") for each in (parts.username, parts.password))
    if not (user or password):
        return ""
    return f"{user}:{password}@" if password else f"{user}@"


def _host(parts: SplitResult) -> str:
    host = parts.hostname or "127.0.0.1"
    return f"[{host}]" if ":" in host else host
