"""The secrets that this process has: values of its settings and of its environment, to be found again word for word in any text.

No pattern tells a password from a word. What we were given as a password is known, so it is hidden wherever it turns up.
"""

from __future__ import annotations

import json
import os
import re
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from django.conf import settings
from django.core.signals import setting_changed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Names of settings, of keys in them and of variables that hold a secret: ours, Django's, a fork's, and most libraries'.
NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|(^|_)PASS|_KEY)(S|_FALLBACKS)?$", re.IGNORECASE)
# Of these addresses the path is the key: those of chat programs' webhooks, and of watchers' pings.
KEYED = re.compile(r"(HOOK|PING)\w*URL$|^PING_URL$", re.IGNORECASE)
SHORTEST = 7  # characters; a shorter one is part of too many words
DEEPEST = 4  # settings in settings: CACHES/default/OPTIONS/password
# Passwords that are no secret: hiding them would hide the server's name in every line of a developer's machine.
PUBLIC = {"password", "postgres", "postgresql", "default", "localhost", "offbeat", "changeme", "local-only"}
PERCENT = re.compile(r"%[0-9A-F]{2}")
NAMES = ("NAME", "USER", "HOST")


_known: tuple[str, ...] | None = None


def known() -> tuple[str, ...]:
    """Return all spellings of the secrets that are known now, the longest first."""
    return _read() if _known is None else _known


def _read() -> tuple[str, ...]:
    global _known  # noqa: PLW0603  asked for with each line that is logged
    # While the settings are being read they cannot be asked, and what is in the environment has to do.
    is_configured = settings.configured
    given = (
        {name: getattr(settings, name) for name in dir(settings) if name.isupper()} if is_configured else {}
    )
    public = PUBLIC | set(_names(given))
    found = {each for values in (given, os.environ) for each in _values(values) if each.lower() not in public}
    spelt = {spelling for each in found if len(each) >= SHORTEST for spelling in _spellings(each)}
    secrets = tuple(sorted(spelt, key=len, reverse=True))
    _known = secrets if is_configured else None
    return secrets


def _names(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield what things are called: a password that says the same is no secret, and the name is in many lines."""
    for database in given.get("DATABASES", {}).values():
        yield from (str(database.get(name)).lower() for name in NAMES)
    yield from (str(given.get(name)).lower() for name in ("PROJECT_NAME", "REDIS_PREFIX"))


def _values(values: Mapping[Any, Any], depth: int = 0) -> Iterator[str]:
    for name, value in values.items():
        yield from _secrets(str(name), value, depth)


def _secrets(name: str, value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield from _of_text(name, value)
    elif isinstance(value, dict) and depth < DEEPEST:
        yield from _values(value, depth + 1)
    elif isinstance(value, list | tuple) and depth < DEEPEST:
        for each in value:
            yield from _secrets(name, each, depth + 1)


def _of_text(name: str, value: str) -> Iterator[str]:
    value = value.strip()
    if "://" in value:
        yield from _of_address(name, value)
    elif NAME.search(name):
        yield value


def _of_address(name: str, value: str) -> Iterator[str]:
    for each in re.split(r";(?=[\w+-]+://)", value):  # kombu's address of several servers
        yield from _of_server(name, each)


def _of_server(name: str, value: str) -> Iterator[str]:
    try:
        parts = urlsplit(value)
    except ValueError:
        return
    yield from (given for key, given in parse_qsl(parts.query) if NAME.search(key))
    # A user without a password is a token on the web: of Sentry, of GitHub.
    yield parts.password or (parts.username if parts.scheme in {"http", "https"} else None) or ""
    if KEYED.search(name):
        yield parts.path.partition("{")[0].strip("/")


def _spellings(secret: str) -> set[str]:
    """Return how a secret is written in addresses, in Python's texts, in JSON and in HTML."""
    plain = unquote(secret)
    quoted = quote(plain, safe="")
    return {
        secret,
        plain,
        *(quoted, quote(plain), quote_plus(plain), PERCENT.sub(lambda found: found[0].lower(), quoted)),
        *(repr(plain)[1:-1], repr(plain.encode("utf-8", "surrogateescape"))[2:-1]),
        *(json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1]),
        escape(plain),
    }


def _forget(**_: Any) -> None:
    global _known  # noqa: PLW0603  as above
    _known = None


setting_changed.connect(_forget)
