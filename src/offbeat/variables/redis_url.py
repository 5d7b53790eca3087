"""REDIS_URL, read once for both libraries that connect to Redis: kombu and redis-py read a query differently.

So what they get has none: an address that both read alike, and its TLS options as values.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from offbeat.variables.redis_forms import MASTER, first_of, form, hosts_of
from offbeat.variables.values import ESCAPED, is_unescaped, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

__all__ = ["Address", "form", "read"]

PATHS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
KNOWN = ("ssl_cert_reqs", *PATHS, "ssl_check_hostname", "db")
OF_SENTINEL = ("master_name", "sentinel_username", "sentinel_password")
OF_SOCKET = ("db", "virtual_host")  # redis-py's word, and kombu's
SECURE = {"rediss", "sentinels"}
SCHEMES = {"sentinels": "sentinel"}  # kombu has none of its own for TLS to sentinels
SENTINELS = {"sentinel", "sentinels"}
# Seconds. One that is down is asked first again and again, by each new connection: it must cost little.
SENTINEL_PATIENCE = {"socket_connect_timeout": 0.5, "socket_timeout": 1.0, "socket_keepalive": True}
# As Celery spells them, and as redis-py does.
LEVELS = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
BOOLEANS = {"true": True, "false": False}
# From Python 3.13 on an authority must also have the form that RFC 5280 asks for, which one of `openssl req -x509` does not have.
# Who has signed, and for which name, is verified as ever.
FORM = [ssl.VERIFY_X509_STRICT]


@dataclass(frozen=True)
class Address:
    """Where Redis is: `url` as kombu reads it.

    `tls` has the names that redis-py and kombu's `broker_use_ssl` share; it is empty without TLS. `transport` is what kombu's
    transport options need besides: the name of the primary behind sentinels. `places` are what a person knows it by.
    """

    url: str = field(default="", repr=False)
    tls: dict[str, Any] = field(default_factory=dict)
    transport: dict[str, Any] = field(default_factory=dict, repr=False)
    places: tuple[str, ...] = ()

    @property
    def is_verified(self) -> bool:
        """Whether the certificate is verified, and is one for the host."""
        return (
            self.tls.get("ssl_cert_reqs", ssl.CERT_NONE) != ssl.CERT_NONE and self.tls["ssl_check_hostname"]
        )

    @property
    def is_of_one_host(self) -> bool:
        """Whether redis-py reads `url` as kombu does."""
        return self.url.startswith(("redis:", "rediss:"))

    def __str__(self) -> str:
        """Return where it is, without any secret."""
        name = self.transport.get("master_name")
        return f"{name} of the sentinels {', '.join(self.places)}" if name else ", ".join(self.places)

    def connect(self, **options: Any) -> Redis:
        """Return a client with the options of redis-py: one that retries nothing, and asks nobody yet."""
        # Settings are read by processes that connect to no Redis, too.
        from kombu.connection import Connection  # noqa: PLC0415

        from offbeat.variables import redis_client  # noqa: PLC0415

        at = Connection(self.url, ssl=self.tls or False, transport_options=self.transport)
        return redis_client.connect(at, **options)


def read(url: str, *, verify: bool | None, tell: Callable[[str], None], authority: str = "") -> Address:
    """Read an address; tells each problem, without any secret in it.

    `verify` is REDIS_TLS_VERIFY, None where it is not set; `authority` is the file of REDIS_CA, "" where it is not set.
    """
    if not url:
        return Address()
    parts = urlsplit(first_of(url))
    if found := list(_problems(parts, verify, authority)):
        for problem in found:
            tell(f"REDIS_URL: {problem}")
        return Address()
    options = _options(parts)
    tls = _tls(options, verify, authority) if parts.scheme in SECURE else {}
    database = int(next(_databases(parts, options), 0))
    if parts.scheme == "unix":
        return Address(_socket_url(parts, database), places=(unquote(parts.path),))
    places = tuple(f"{_host(host)}:{port}" for host, port in hosts_of(url))
    urls = [
        f"{SCHEMES.get(parts.scheme, parts.scheme)}://{_credentials(parts)}{place}/{database}"
        for place in places
    ]
    transport = _of_sentinels(options, tls) if parts.scheme in SENTINELS else {}
    # An address for each sentinel, as kombu reads them: each has all, for kombu goes on with the next one where one is down.
    return Address(";".join(urls), tls, transport, places)


def _socket_url(parts: SplitResult, database: int) -> str:
    return f"redis+socket://{_credentials(parts)}{quote(unquote(parts.path))}?virtual_host={database}"


def _of_sentinels(options: dict[str, str], tls: dict[str, Any]) -> dict[str, Any]:
    """Return what kombu's transport has to know besides the addresses: sentinels have credentials of their own, or none."""
    own = {
        name: options[f"sentinel_{name}"]
        for name in ("username", "password")
        if options.get(f"sentinel_{name}")
    }
    secure = {"ssl": True, **tls} if tls else {}
    return {
        "master_name": options.get("master_name") or MASTER,
        "sentinel_kwargs": own | secure | SENTINEL_PATIENCE,
    }


def _problems(parts: SplitResult, verify: bool | None, authority: str) -> Iterator[str]:
    if is_unescaped(f"{parts.netloc}{parts.path}?{parts.query}{parts.fragment and '#'}"):
        yield f"{ESCAPED}."
        return
    options = _options(parts)
    yield from _wrong_options(parts, options)
    yield from _wrong_database(parts, options)
    if parts.scheme in SECURE:
        yield from _wrong_values(options, verify)
    yield from _wrong_files(options)
    yield from _wrong_authority(parts.scheme, options, verify, authority)


def _wrong_options(parts: SplitResult, options: dict[str, str]) -> Iterator[str]:
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    known = OF_SOCKET if parts.scheme == "unix" else KNOWN + OF_SENTINEL * (parts.scheme in SENTINELS)
    for name in sorted(options):
        if name not in known and name not in KNOWN:
            yield f"knows no {name} after the question mark; it knows {', '.join(known)}."
        elif names.count(name) > 1:
            yield f"{name} appears after the question mark twice: remove one."
        if name.startswith("ssl_") and parts.scheme not in SECURE:
            yield f"{name} is for rediss://…, which is TLS; {parts.scheme}://… is not."


def _wrong_database(parts: SplitResult, options: dict[str, str]) -> Iterator[str]:
    found = list(_databases(parts, options))
    for database in found:
        if not (database.isascii() and database.isdigit() and len(database) < 6):
            name = database.partition("/")[0]
            right = f"write ?master_name={name}" if parts.scheme in SENTINELS else "use 0, or remove it"
            yield f'"{database}" is not the number of a database: {right}.'
    if len(set(found)) > 1:
        yield f"names two databases, {' and '.join(found)}: remove one."


def _databases(parts: SplitResult, options: dict[str, str]) -> Iterator[str]:
    """Yield what stands where the number of a database may."""
    path = "" if parts.scheme == "unix" else parts.path.strip("/")
    yield from filter(None, (path, *(options.get(name) for name in OF_SOCKET)))


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
    if authority and scheme not in SECURE:
        right = " Write sentinels://…." if scheme in SENTINELS else ""
        yield f"REDIS_CA is for rediss://…, which is TLS; {scheme}://… is not.{right}"
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


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
