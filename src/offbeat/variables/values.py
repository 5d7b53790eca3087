"""What people paste into a dashboard, and what it means: the forms that the value of a variable may have.

A form is a function that returns what a value means; it raises ValueError with what would be right.
"""

from __future__ import annotations

import json
import os
import re
import string
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# What str.strip() leaves at the ends: soft hyphens, joiners, marks of direction and of byte order.
INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
EDGES = (
    string.whitespace + "\x00\x1c\x1d\x1e\x1f\x85\u00a0\u2002\u2003\u2009\u202f\u2028\u2029\u3000" + INVISIBLE
)
QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "‘": "’", "«": "»"}  # noqa: RUF001  typographic ones are what mail and chat programs make of them
# ${{Postgres.DATABASE_URL}}, ${DATABASE_URL}, {{ vars.X }}, $(X): what some platform would have replaced.
REFERENCE = re.compile(r"\$?\{\{[^{}]*\}\}|\$\{[^{}]*\}|\$\([^()]*\)")
NOTHING = r"(?i:null|undefined|none|nil)"  # how a script spells that it had no value
LINE = (
    "one line of text without invisible characters, or leave it empty",
    rf"(?!{NOTHING}\Z)[^\x00-\x1f\x7f-\xa0\u2028\u2029\u202f\u3000{INVISIBLE}]+",
)
NAME = (
    "a name of a-z, A-Z, 0-9 and . _ - between them",
    rf"(?!{NOTHING}\Z)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
)
SERVER = (
    "the name or the address of a server, without scheme and port",
    rf"(?!{NOTHING}\Z)[A-Za-z0-9_.-]+|[0-9a-fA-F:.]+",
)
DSN = (
    "the DSN of the project's settings in Sentry: https://<key>@<host>/<number>",
    r"https?://\w[\w:.-]*@[\w.-]+(:\d+)?/([\w.-]+/)*\d+",
)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_SYNONYMS = {"WARN": "WARNING", "FATAL": "CRITICAL"}
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
LARGEST = 2**31 - 1  # no count, size or time of ours is larger, and PostgreSQL's integers end there
WEB = frozenset({"http", "https"})
ESCAPED = "in a user or a password, write / as %2F, ? as %3F, # as %23, @ as %40, [ as %5B, ] as %5D, % as %25 and a space as %20"

UNPRINTED = (
    "it has a space, a line break or another character that an address cannot have: remove it, "
    "or percent-encode it (%20 is a space)"
)


def cleaned(value: str) -> str:
    """Return the value without what a clipboard or `docker run --env-file` adds around it: spaces, invisible characters, quotes."""
    text = value.strip(EDGES)
    inside = text[1:-1]
    if len(text) > 1 and QUOTES.get(text[0]) == text[-1] and not {text[0], text[-1]} & set(inside):
        return inside.strip(EDGES)
    return text


def misplaced(name: str, value: str) -> str:
    """Return what is wrong with a value whatever its form, "" for nothing."""
    if re.match(rf"(export\s+|set\s+)?{name}\s*(=|:\s)", value):
        return "it begins with its own name: write only the part after it"
    if REFERENCE.fullmatch(value) or re.fullmatch(r"<[^<>@]+>", value):
        return f"{shown(value)} is a placeholder that nobody has replaced: write the value, or correct the name in it"
    return ""


def hidden(value: str) -> str:
    """Return what a message may show of a secret: the scheme of an address."""
    scheme, separator, _ = value.partition("://")
    return f"{scheme}://…" if separator and re.fullmatch(r"[A-Za-z][\w+.-]{0,29}", scheme) else "…"


def shown(value: str, most: int = 80) -> str:
    """Return a value as a message may show it: on one line, not endless, and nothing of an address with a password."""
    if "://" in value or re.search(r":.*@", value):
        return hidden(value)
    text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in value)
    return f"{text[:most]}…" if len(text) > most else text


def matching(form: tuple[str, str]) -> Callable[[str], str]:
    words, pattern = form

    def parse(value: str) -> str:
        if re.fullmatch(pattern, value):
            return value
        raise ValueError(f"use {words}")

    return parse


def secret(value: str) -> str:
    """Return a secret as it is sent: on one line, and without what stands before it in a header."""
    if re.match(r"(authorization:|bearer\s)", value, re.IGNORECASE):
        raise ValueError('write it without "Bearer": the client adds that word')
    return matching(LINE)(value)


def secrets(value: str) -> list[str]:
    """Return a list of secrets. One of several lines, or that begins as a list of JSON does, is several that nobody has parted."""
    found = [secret(each) for each in listed(value)]
    if any(each.startswith(('["', "['")) for each in found):
        raise ValueError("separate them by commas, or write a JSON list")
    return found


def boolean(value: str) -> bool:
    if value.lower() in BOOLEANS:
        return BOOLEANS[value.lower()]
    raise ValueError('use "true" or "false"')


def whole_number(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    words = f"from {minimum} to {maximum}" if maximum else f"of at least {minimum}"

    def parse(value: str) -> int:
        is_number = value.isascii() and value.isdigit() and len(value) < 15
        if is_number and minimum <= int(value) <= (maximum or LARGEST):
            return int(value)
        raise ValueError(f"use a whole number {words}")

    return parse


def number(maximum: int | None = None) -> Callable[[str], float]:
    """Return a form: a number that is not negative, whole where it is written so."""
    words = f"from 0 to {maximum}" if maximum else "of at least 0"

    def parse(value: str) -> float:
        try:
            found = int(value) if value.isascii() and value.isdigit() else float(value)
        except ValueError:
            found = -1
        if 0 <= found <= (maximum or LARGEST) and value.isascii():
            return found
        raise ValueError(f"use a number {words}")

    return parse


def listening(value: str) -> str:
    """Return what a server may listen on: an address of this machine, or a socket in its file system."""
    if re.fullmatch(r"unix:/.+", value):
        return value
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError(
            "use an address like 0.0.0.0, 127.0.0.1 or ::, or unix:/run/web.sock; PORT has the port"
        ) from None


def folder(value: str) -> str:
    if os.path.isdir(value):  # noqa: PTH112  pathlib raises where a name is too long
        return value
    raise ValueError("there is no such folder")


def choice(allowed: Sequence[str], synonyms: dict[str, str]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        word = synonyms.get(value.upper(), value.upper())
        if word in allowed:
            return word
        raise ValueError(f"use {', '.join(allowed[:-1])} or {allowed[-1]}")

    return parse


def listed(value: str) -> list[str]:
    """Return what has commas between, or stands in a list of JSON."""
    try:
        found = json.loads(value) if value.startswith("[") else None
    except ValueError:
        found = None
    parts = found if isinstance(found, list) else value.split(",")
    return [item for item in (cleaned(str(each)) for each in parts) if item]


def address(schemes: Sequence[str]) -> Callable[[str], str]:
    """Return a form: a URL with one of the schemes. What it raises has no part of the URL in it."""
    wanted = "should be " + " or ".join(f"{scheme}://…" for scheme in schemes)

    def parse(value: str) -> str:
        scheme, separator, behind = value.partition("://")
        if not separator or scheme.lower() not in schemes:
            raise ValueError(wanted)
        if not re.fullmatch(r"[!-~]+", value):
            raise ValueError(UNPRINTED)
        if REFERENCE.search(value) or re.search(r"<[^<>]*>", value):
            raise ValueError(
                "a part of it is a placeholder, like <password> or ${HOST}: replace it by the value"
            )
        if scheme.lower() not in WEB and is_unescaped(behind):
            raise ValueError(ESCAPED)
        if not is_url(value):
            raise ValueError(f"{wanted} with the name of one host, and only digits as its port")
        return value

    return parse


def ping_address(value: str) -> str:
    """Return an address in which {name} stands for a cronjob's, and nothing else for anything."""
    if re.search(r"[{}]", value.replace("{name}", "")):
        raise ValueError("{name} is the cronjob's name, and nothing else may be in braces")
    return address(["https", "http"])(value)


def is_unescaped(behind: str) -> bool:
    """Tell whether what follows the scheme of a server's address has a character that makes another address of it."""
    authority = re.split(r"[/?#]", behind, maxsplit=1)[0]
    tail = behind[len(authority) :]
    return (
        "#" in behind
        or "@" in tail
        or bool(set("[]") & set(authority.rpartition("@")[0]))
        or re.search(r"%(?![0-9A-Fa-f]{2})|\s", behind) is not None
    )


def is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return is_port and bool(parts.netloc or parts.query)
