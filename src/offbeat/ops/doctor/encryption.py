"""TLS to both servers, as it is in force on a connection: whatever an address, a variable or a project's settings say."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from django.db import connection
from redis import RedisError

from offbeat.jobs import broker
from offbeat.ops.doctor.findings import Finding, green, yellow

if TYPE_CHECKING:
    from collections.abc import Iterator


def redis_tls() -> Iterator[Finding]:
    """Look at the socket of a connection that is like all others to the broker, and to each cache in Redis."""
    yield _of_redis("Redis TLS", broker.client())
    for alias in caches.settings:
        if isinstance(caches[alias], RedisCache):
            # That one is down is said by the check of caches.
            with contextlib.suppress(RedisError):
                yield _of_redis(f"cache {alias} TLS", caches[alias]._cache.get_client())  # type: ignore[attr-defined]  # noqa: SLF001


def _of_redis(name: str, client: Any) -> Finding:
    pool = client.connection_pool
    one = pool.get_connection()
    try:
        one.connect()
        return _redis_finding(name, one._sock)  # noqa: SLF001  redis-py tells of it nowhere else
    finally:
        pool.release(one)


def _redis_finding(name: str, sock: Any) -> Finding:
    if not isinstance(sock, ssl.SSLSocket):
        advice = f"rediss:// in {'REDIS_URL' if name == 'Redis TLS' else 'CACHE_URL'}: anyone on the network path can read it"
        peer = sock.getpeername()
        return unencrypted(name, str(peer[0]) if isinstance(peer, tuple) else "", advice)
    if sock.context.verify_mode == ssl.CERT_NONE:
        advice = "REDIS_TLS_VERIFY=true, and REDIS_CA where the platform signs its own certificates"
        return yellow(name, f"{sock.version()}, its certificate is not verified", advice)
    if not sock.context.check_hostname:
        advice = "remove ssl_check_hostname=false: any certificate of that authority is accepted"
        return yellow(name, f"{sock.version()}, its certificate is verified, its name is not", advice)
    return green(name, f"{sock.version()}, verified")


def postgres_tls() -> Iterator[Finding]:
    """Ask the driver: a server that offers no TLS is spoken to without, unless sslmode says otherwise."""
    name = "PostgreSQL TLS"
    connection.ensure_connection()
    driver = connection.connection
    mode, root = _in_force(driver)
    if not driver.pgconn.ssl_in_use:
        advice = "sslmode=require in DATABASE_URL, or DATABASE_CA: anyone on the network path can read data and passwords"
        yield unencrypted(name, driver.info.hostaddr, advice)
    elif mode == "verify-full":
        yield green(name, "verified")
    elif mode == "verify-ca" or (mode == "require" and Path(root).is_file()):  # libpq verifies then, too
        yield yellow(
            name, "its certificate is verified, its name is not", "sslmode=verify-full in DATABASE_URL"
        )
    else:
        advice = "DATABASE_CA=<the platform's certificate authority>; without it an attacker in between can read everything"
        yield yellow(name, f"encrypted, its certificate is not verified (sslmode={mode})", advice)


def _in_force(driver: Any) -> tuple[str, str]:
    """Return sslmode and sslrootcert, wherever they came from: address, settings, PGSSLMODE, libpq's default."""
    options = {option.keyword.decode(): (option.val or b"").decode() for option in driver.pgconn.info}
    return options.get("sslmode", ""), options.get("sslrootcert") or str(
        Path("~/.postgresql/root.crt").expanduser()
    )


def unencrypted(name: str, address: str, advice: str) -> Finding:
    """Return the finding for a plain connection, which is fine on a network of one's own."""
    try:
        is_public = ipaddress.ip_address(address).is_global
    except ValueError:  # a Unix socket
        is_public = False
    if is_public:
        return yellow(name, f"none, to the public address {address}", advice)
    return green(name, "none: only for a private network")
