"""A client of the Redis that kombu connects to, wherever that is: at a host and a port, at a socket, or behind sentinels.

Kombu has read the address, for both: redis-py reads a query, and the certificate's requirements, in another way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import redis
from kombu.utils.url import parse_url, url_to_parts
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterCrossSlotError, ClusterDownError, MovedError, RedisError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from offbeat.variables.redis_forms import MASTER, NO_CLUSTER, SENTINEL_PORT

if TYPE_CHECKING:
    from kombu.connection import Connection

OF_CLUSTER = (MovedError, AskError, ClusterCrossSlotError, ClusterDownError)
SLOTS = ["offbeat:slot-1", "offbeat:slot-2"]  # two keys that nobody writes


class PrimaryFinder(Sentinel):
    """Finds the primary, or says what each sentinel said: redis-py prints its own objects, and leaves out which names there are."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        said = []
        for number, each in enumerate(self.sentinels):
            try:
                primaries = cast("dict[str, dict[str, Any]]", each.sentinel_masters())
            except RedisError as error:  # down, or it refuses: the next one may know
                said.append(f"{_place_of(each)} says: {str(error).rstrip('.') or type(error).__name__}")
                continue
            state = primaries.get(service_name)
            if state and self.check_master_state(state, service_name):
                # It is asked first from now on, and one that is down no more.
                self.sentinels[0], self.sentinels[number] = each, self.sentinels[0]
                return state["ip"], state["port"]
            known = ", ".join(sorted(primaries)) or "none"
            said.append(
                f"{_place_of(each)} " + ("says that it is down" if state else f"knows master_name={known}")
            )
        raise MasterNotFoundError(f"no sentinel has a primary {service_name}: {'; '.join(said)}")


def _place_of(sentinel: redis.Redis) -> str:
    given = sentinel.connection_pool.connection_kwargs
    return f"{given.get('host')}:{given.get('port')}"


def connect(at: Connection, **options: Any) -> redis.Redis:
    """Return a client with the options of redis-py; it asks nobody yet, and retries nothing unless `retry` says so."""
    tls: dict[str, Any] = at.ssl if isinstance(at.ssl, dict) else {}
    options = {"retry": Retry(NoBackoff(), 0)} | options
    if at.transport_cls == "sentinel":
        return _behind_sentinels(at, tls, options)
    if (at.hostname or "").startswith("socket://"):
        return _at_socket(str(at.hostname), options)
    return redis.Redis(
        host=at.hostname or "127.0.0.1",
        port=at.port or 6379,
        db=database_of(at.virtual_host),
        username=at.userid,
        password=at.password,
        ssl=bool(at.ssl),
        **options,
        **tls,
    )


def _at_socket(url: str, options: dict[str, Any]) -> redis.Redis:
    found = url_to_parts(url)
    return redis.Redis(
        unix_socket_path=f"/{found.path}",
        db=database_of(found.query.get("virtual_host")),
        username=found.username,
        password=found.password,
        **options,
    )


def _behind_sentinels(at: Connection, tls: dict[str, Any], options: dict[str, Any]) -> redis.Redis:
    """Return a client of whichever server the sentinels call the primary when it connects."""
    given: dict[str, Any] = at.transport_options or {}
    found = [parse_url(url) for url in at.alt] or [{"hostname": at.hostname, "port": at.port}]
    hosts = [(each["hostname"], each["port"] or SENTINEL_PORT) for each in found]
    manager = PrimaryFinder(
        hosts,
        min_other_sentinels=given.get("min_other_sentinels", 0),
        sentinel_kwargs={**(given.get("sentinel_kwargs") or {}), **options},
    )
    return manager.master_for(
        given.get("master_name", MASTER),
        db=database_of(at.virtual_host),
        username=at.userid,
        password=at.password,
        ssl=bool(at.ssl),
        **options,
        **tls,
    )


def cluster_problem(client: redis.Redis) -> str:
    """Return in one line why this Redis cannot be the broker, "" where it can, or where it does not say. Raises no error."""
    # A proxy before a cluster does not call itself one, and has no answer for two keys of different slots either.
    for ask in (
        lambda: client.info("cluster").get("cluster_enabled"),
        lambda: client.sunion(SLOTS) and False,
    ):
        try:
            is_cluster = bool(ask())
        except OF_CLUSTER:
            is_cluster = True
        except (
            RedisError,
            OSError,
            AttributeError,
        ):  # down, or a command that a platform does not allow
            is_cluster = False
        if is_cluster:
            return NO_CLUSTER
    return ""


def explained(error: Exception) -> str:
    """Return an error in words: those by which a cluster answers name no more than a number."""
    return NO_CLUSTER if isinstance(error, OF_CLUSTER) else f"{type(error).__name__}: {error}"


def database_of(virtual_host: str | None) -> int:
    return int((virtual_host or "").strip("/") or 0)
