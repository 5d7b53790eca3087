"""Takes secrets out of texts that are kept, shown or sent, and bounds their length: for logs, the ledger, alerts and Sentry alike.

Texts come from outside: exceptions, names of hosts, paths. So no pattern here looks at a character more often than a bounded
number of times, however the text is made: repeats are possessive, begin behind a literal, and stop where the next one could begin.
"""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING

from offbeat import known_secrets

if TYPE_CHECKING:
    from types import TracebackType

HIDDEN = "***"
LONGEST = 8_000  # characters of one value: platforms cut a line at 16 KB, most of them
LONGEST_TRACEBACK = 24_000  # some two hundred frames
# Characters looked at beyond a cut and then thrown away: half a secret is not recognised as one.
MARGIN = 1_024

# scheme://user:password@ and scheme://token@. A password may hold an unescaped / or @; on the web, digits are a port.
USER, PASSWORD = r"""[^\s/:@?#"'<>,;]""", r"(?:(?!://)\S)*@"
CREDENTIALS = re.compile(
    rf"://(?:(?<!http://|ttps://){USER}*+:{PASSWORD}|{USER}*+:(?!\d{{1,5}}(?:[^\w@]|\Z)){PASSWORD}|{USER}++@)"
)
# password=… of libpq, of a query, of a call; "password": … of JSON and of Python's dictionaries.
WORDS = (
    "passw",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "api",
    "access",
    "private",
    "authorization",
    "cookie",
    "bearer",
    "basic ",
)
VALUE = r"""(?:'(?:[^'\\]|\\.){0,2000}+'?|"(?:[^"\\]|\\.){0,2000}+"?|[^\s"]++)"""
NAMED = re.compile(
    r"""((?:passw(?:or)?d|pwd|passphrase|secret|token(?!s)|(?:api|access|private)[_-]?key)[\w-]{0,30}+"""
    rf"""(?:\s{{0,3}}+=\s{{0,3}}+|\\?["']\s{{0,3}}+[:=]\s{{0,3}}+b?(?=["'])))({VALUE})""",
    re.IGNORECASE | re.DOTALL,
)
HEADER = re.compile(
    r"""((?:authorization|(?:x-)?api-key|x-auth-token)\\?["']?\s{0,3}+[:=]\s{0,3}+b?\\?["']?(?:\w{1,20}+\s{1,3}+(?=\S))?+)[^\s"',;]++"""
    r"""|((?:set-)?cookie\\?["']?\s{0,3}+[:=]\s{0,3}+b?\\?["']?)[^\n"']++""",
    re.IGNORECASE,
)
# Elsewhere a word of letters behind them is a word.
SCHEME = re.compile(r"(\b(?i:bearer|basic)\s{1,3}+)(?![A-Za-z]?[a-z]*+(?![\w.~+/=-]))[\w.~+/=-]{6,}+")
# What a mail's link is signed with, by Django: value:time:signature, and time-signature for a forgotten password.
COLON = r"(?::|%3A)"
SIGNED = re.compile(
    rf"(?<![\w-])[\w-]++{COLON}[A-Za-z0-9_-]{{5,16}}+{COLON}[A-Za-z0-9_-]{{20,}}+|(?<![\w-])[0-9a-z]{{5,13}}-[0-9a-f]{{32,}}+(?![\w-])",
    re.IGNORECASE,
)
MAYBE_SIGNED = re.compile(
    r"[:Aa][A-Za-z0-9_-]{20}|-[0-9A-Fa-f]{32}"
)  # asked first: it looks at few characters of a usual line
UNSIGNED = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{40,}+")  # of a path: nothing else there is as long


def redact(text: str, longest: int = LONGEST) -> str:
    """Return the text without the secrets in it; of a long one the beginning and, more of it, the end."""
    if len(text) <= longest:
        return hide(text)
    head, tail = longest // 4, longest - longest // 4
    return (
        f"{hide(text[: head + MARGIN])[:-MARGIN][:head]}… {len(text) - longest} characters cut …"
        f"{hide(text[-tail - MARGIN :])[MARGIN:][-tail:]}"
    )


def hide(text: str) -> str:
    """Return the whole text without secrets; the caller has bounded it. Of most texts a few searches say that there are none."""
    for secret in known_secrets.known():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if "://" in text:
        text = CREDENTIALS.sub(f"://{HIDDEN}@", text)
    lower = text.lower()
    for word in WORDS:
        if word in lower:
            text = _hide_named(text)
            break
    return SIGNED.sub(HIDDEN, text) if MAYBE_SIGNED.search(text) else text


def _hide_named(text: str) -> str:
    for pattern, kept in ((HEADER, r"\1\2"), (NAMED, r"\1"), (SCHEME, r"\1")):
        text = pattern.sub(kept + HIDDEN, text)
    return text


def hide_tokens(path: str) -> str:
    """Return a path, or a text with one, without the long random parts that links are made of."""
    return UNSIGNED.sub(HIDDEN, SIGNED.sub(HIDDEN, path))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or what kind of error it is; for messages of commands."""
    return redact((str(error)[:LONGEST].strip().splitlines() or [type(error).__name__])[0])


def format_traceback(error: BaseException, frames: TracebackType | None = None) -> str:
    """Return an exception as Python prints it, redacted; of a long one the end is kept, for the error is in its last line."""
    frames = frames or error.__traceback__
    try:
        parts = traceback.format_exception(type(error), error, frames)
    except BaseException:  # noqa: BLE001  code of the error's own
        parts = traceback.format_tb(frames)
    bounded = (part if len(part) <= LONGEST else redact(part) for part in parts)
    return redact("".join(bounded), LONGEST_TRACEBACK)
