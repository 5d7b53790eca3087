"""Takes secrets out of texts that are kept, shown or sent, and bounds their length: for logs, the ledger, alerts and Sentry alike.

A long text is cut before it is looked at. Where an exception becomes text that is stored, it goes through here once; what is
shown or sent later is what was stored.
"""

from __future__ import annotations

import traceback
from functools import lru_cache
from typing import TYPE_CHECKING

from offbeat.redaction import known_secrets

if TYPE_CHECKING:
    import re
    from types import ModuleType, TracebackType

HIDDEN = "***"
LONGEST = 8_000  # characters of one value: platforms cut a line at 16 KB, most of them
LONGEST_TRACEBACK = 24_000  # some two hundred frames
# Characters looked at beyond a cut and then thrown away: half a secret is not recognised as one.
MARGIN = 4_096  # a key in PEM


@lru_cache(maxsize=1)
def load_patterns() -> ModuleType:
    """Return the module of patterns: to compile them costs a wake-up that logs nothing some 5 ms."""
    from offbeat.redaction import patterns  # noqa: PLC0415  see above

    return patterns


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
    known = load_patterns()
    for secret in known_secrets.known():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if "://" in text:
        text = known.CREDENTIALS.sub(f"://{HIDDEN}@", text)
    if "%" in text or "\\/" in text:
        text = known.ENCODED_CREDENTIALS.sub(rf"\1{HIDDEN}@", text)
    for start in known.MAYBE_ISSUED:
        if start in text:
            text = known.ISSUED.sub(HIDDEN, text)
            break
    lower = text.lower()
    for word in known.WORDS:
        if word in lower:
            text = _hide_named(text)
            break
    return known.SIGNED.sub(HIDDEN, text) if known.MAYBE_SIGNED.search(text) else text


def _hide_named(text: str) -> str:
    known = load_patterns()
    for pattern in known.NAMED_ONES:
        text = pattern.sub(keep_name, text)
    return text


def keep_name(found: re.Match[str]) -> str:
    """Hide what is behind the groups of a pattern: the name of a secret, and what is between them."""
    end = max(found.end(group) for group in range(1, found.re.groups + 1))
    return f"{found.string[found.start() : end]}{HIDDEN}"


def hide_tokens(path: str) -> str:
    """Return a path, or a text with one, without the long random parts that links are made of."""
    return load_patterns().UNSIGNED.sub(HIDDEN, load_patterns().SIGNED.sub(HIDDEN, path))


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
