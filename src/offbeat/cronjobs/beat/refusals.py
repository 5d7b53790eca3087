"""Why an entry of Beat's is not taken over: the message of each says it, and what to do instead."""

from __future__ import annotations


class NotExpressibleError(Exception):
    """There is no cronjob that does what this entry does."""


class IdleError(NotExpressibleError):
    """There is nothing to take over: Beat does not run this entry either, or nobody needs it here."""


def shown(value: object, longest: int = 80) -> str:
    """Return a value for a message, whatever its `repr` does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  a project's own class
        text = f"a {type(value).__name__}"
    return text if len(text) <= longest else f"{text[:longest]}…"


def one_line(text: object) -> str:
    """Return a text for a line of its own: a line break in it would end the comment that it is in."""
    words = " ".join(str(text).split())
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "replace").decode() for each in words
    )


def described(error: BaseException) -> str:
    """Return what an error says, in one line, with its kind where that tells more."""
    if isinstance(error, NotExpressibleError):
        return one_line(error)
    return one_line(f"{type(error).__name__}: {error}")
