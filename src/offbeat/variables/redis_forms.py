"""The spellings of REDIS_URL that people paste: of redis-py, of kombu, of Valkey and of Sentinel's clients, made one a kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from offbeat.variables.values import address

if TYPE_CHECKING:
    from collections.abc import Sequence

SPELLINGS = {
    "redis": ("redis", "valkey"),
    "rediss": ("rediss", "valkeys"),
    "unix": ("unix", "socket", "redis+socket", "redis+unix", "unix+redis"),
    "sentinel": ("sentinel", "redis+sentinel", "redis-sentinel", "valkey+sentinel", "valkey-sentinel"),
    "sentinels": ("sentinels", "rediss+sentinel", "rediss-sentinel", "redis+sentinels", "valkeys+sentinel"),
}
SENTINEL_PORT = 26379
MASTER = "mymaster"  # the name in the sentinel.conf that Redis comes with
MEANT = {spelling: kind for kind, spellings in SPELLINGS.items() for spelling in spellings}
CLUSTER = re.compile(r"(redis|valkey)s?[+-]cluster|cluster")
NO_CLUSTER = (
    "Redis Cluster spreads keys over several servers, and Celery needs a queue and its records on one: "
    "use one server without cluster mode, or Sentinel"
)
RIGHT = "should be redis://… or rediss://… (TLS), unix:///… or sentinel://…"
SOCKET = "should be unix:///path/to/redis.sock: three slashes, and the path of the socket"
# Between two sentinels, as kombu writes them: an address for each.
NEXT = re.compile(r";\s*(?=[\w+-]+://)")


class _Parts(NamedTuple):
    """A piece of an address, from its credentials on."""

    credentials: str
    hosts: str
    tail: str


def form(value: str) -> str:
    """Return an address with one scheme for each kind of place; raises ValueError without any part of it."""
    scheme = value.partition("://")[0].lower()
    if CLUSTER.fullmatch(scheme):
        raise ValueError(NO_CLUSTER)
    kind = MEANT.get(scheme) if "://" in value else None
    if kind is None:
        raise ValueError(RIGHT)
    if kind == "unix":
        return _socket(_parts(value))
    if kind.startswith("sentinel"):
        return _sentinel(kind, NEXT.split(value))
    given = f"{kind}://{value.partition('://')[2]}"
    parts = _parts(given)
    if re.search("[,;]", parts.hosts) and "@" not in parts.tail:
        raise ValueError(
            f"should be {kind}://… with the name of one host; several are sentinels: sentinel://host,host2/0"
        )
    return address([kind])(given)


def _parts(url: str) -> _Parts:
    authority, slash, tail = _behind(url)
    credentials, at, hosts = authority.rpartition("@")
    return _Parts(credentials + at, hosts, slash + tail)


def _behind(url: str) -> tuple[str, str, str]:
    found = re.fullmatch(r"([^/?#]*)([/?#]?)(.*)", url.partition("://")[2], re.DOTALL)
    return (found[1], found[2], found[3]) if found else ("", "", "")


def _socket(parts: _Parts) -> str:
    address(["redis"])(f"redis://{parts.credentials}localhost{parts.tail}")
    if parts.hosts or not re.match(r"/[^/?]", parts.tail):
        raise ValueError(SOCKET)
    return f"unix://{parts.credentials}{parts.tail}"


def _sentinel(kind: str, urls: Sequence[str]) -> str:
    """Return one address for all sentinels, with commas between; what stands in several must be the same."""
    if {MEANT.get(url.partition("://")[0].lower()) for url in urls} != {kind}:
        raise ValueError("all sentinels should have one scheme, sentinel:// or sentinels:// (TLS)")
    found = [_parts(url) for url in urls]
    credentials = _single((each.credentials for each in found), "user and password")
    tail = _single((each.tail.strip("/") and each.tail for each in found), "database and options")
    hosts = [host.strip() for each in found for host in re.split("[,;]", each.hosts) if host.strip()]
    if not hosts:
        raise ValueError("should be sentinel://host:26379,host2:26379/0?master_name=mymaster")
    for host in hosts:
        # As of one server, whose port and name have a form; the scheme in its message would be another one.
        try:
            address(["redis"])(f"redis://{credentials}{host}{tail}")
        except ValueError as error:
            raise ValueError(
                str(error).replace("redis://…", f"{kind}://…").replace("one host", "each host")
            ) from None
    return f"{kind}://{credentials}{','.join(hosts)}{tail}"


def _single(values: object, what: str) -> str:
    found = {each for each in values if each}  # type: ignore[attr-defined]
    if len(found) > 1:
        raise ValueError(
            f"the sentinels' addresses have different {what}: those of the servers behind, once or the same in each"
        )
    return str(next(iter(found), ""))


def hosts_of(url: str) -> list[tuple[str, int]]:
    """Return host and port of each server in an address that `form` has returned."""
    usual = SENTINEL_PORT if url.startswith("sentinel") else 6379
    parts = [urlsplit(f"//{each}") for each in _parts(url).hosts.split(",")]
    return [(each.hostname or "127.0.0.1", each.port or usual) for each in parts]


def first_of(url: str) -> str:
    """Return the address of the first server: urlsplit() knows no other."""
    parts = _parts(url)
    return f"{url.partition('://')[0]}://{parts.credentials}{parts.hosts.partition(',')[0]}{parts.tail}"
