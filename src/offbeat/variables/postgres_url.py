"""DATABASE_URL, held against what libpq and Django make of it: what either would misread, or not know, is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from offbeat.variables.values import ESCAPED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Of Django's own, and of dj-database-url.
DJANGOS = {
    "assume_role",
    "currentSchema",
    "isolation_level",
    "prepare_threshold",
    "server_side_binding",
}
MODES = (
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
)  # of sslmode, from the weakest on
BELIEVING = MODES[:3]  # which encrypt if the server likes to, and verify nobody
# What other programs put there.
ADVICE = {
    "pgbouncer": "remove it: Offbeat detects a pooler, see DISABLE_SERVER_SIDE_CURSORS",
    "pool": "remove it: connections are persistent, or the pooler manages them",
    "schema": "write options=-csearch_path%3D<schema> instead",
    "ssl": "write sslmode=require instead",
    "sslaccept": "write sslmode=require instead",
    "ssl_ca": "set DATABASE_CA instead",
}


def read(url: str, *, authority: str, tell: Callable[[str], None]) -> dict[str, str]:
    """Report what is wrong with an address, without any secret in it; return the options that verify its certificate.

    `authority` is the file of DATABASE_CA, "" where it is not set.
    """
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True)
    found = list(_problems(parts.netloc, given, authority)) if url else []
    for problem in found:
        tell(f"DATABASE_URL: {problem}")
    if found or not authority:
        return {}
    return {"sslrootcert": authority, "sslmode": dict(given).get("sslmode", "verify-full")}


def _problems(authority: str, given: list[tuple[str, str]], ca: str) -> Iterator[str]:
    if authority.count("@") > 1:
        yield f"psql and Django read two hosts in it: {ESCAPED}."
    names = [name for name, _ in given]
    known = _known() if names else DJANGOS
    for name in dict.fromkeys(names):
        if name not in known:
            yield f"PostgreSQL knows no {_word(name)} after the question mark: {ADVICE.get(name, 'remove it')}."
        elif names.count(name) > 1:
            yield f"{name} appears after the question mark twice: remove one."
    yield from _tls_problems(dict(given), ca)


def _known() -> set[str]:
    """Return the parameters that libpq knows, whichever it is, and Django's own."""
    from psycopg import pq  # noqa: PLC0415  settings are read by processes that open no connection, too

    return {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | DJANGOS


def _tls_problems(options: dict[str, str], ca: str) -> Iterator[str]:
    mode = options.get("sslmode")
    if mode is not None and mode not in MODES:
        yield f"sslmode={_word(mode)}: use {', '.join(MODES[:-1])} or {MODES[-1]}."
    elif ca and mode in BELIEVING:
        yield f"sslmode={mode} verifies nothing, and DATABASE_CA is set: use sslmode=verify-full, or remove one."
    if ca and "sslrootcert" in options:
        yield "sslrootcert and DATABASE_CA both name an authority: remove one."


def _word(text: str) -> str:
    """Return a name as it was found, unless it is none: then it may be a part of a password."""
    return text if len(text) < 40 and text.replace("_", "").replace("-", "").isalnum() else "such name"
