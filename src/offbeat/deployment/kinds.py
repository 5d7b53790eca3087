"""The kinds of value that platform.yaml holds: each reads one, and describes itself as JSON Schema."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INVALID: Final = object()
"""What a kind gives in place of a value that it has refused: the error is already noted."""


@dataclass(frozen=True)
class Place:
    """A place in the file, by its keys and names, and the list that its errors go to."""

    path: tuple[str, ...]
    errors: list[str]

    def at(self, key: str) -> Place:
        return Place((*self.path, key), self.errors)

    def refuse(self, sentence: str) -> None:
        where = "/".join(self.path)
        self.errors.append(f"{where}: {sentence}" if where else sentence)


class ValueKind(Protocol):
    """Anything that can read a value of the file."""

    def read(self, value: object, place: Place) -> Any:
        """Give the value in our terms, or note what is wrong at its place and give INVALID."""

    def schema(self) -> dict[str, Any]:
        """Describe the values that are read, as JSON Schema (draft 7)."""


@dataclass(frozen=True)
class Scalar:
    """A single value: `convert` raises ValueError with what would be right and what was found."""

    convert: Callable[[object], object]
    described: Mapping[str, Any]

    def read(self, value: object, place: Place) -> Any:
        try:
            return self.convert(value)
        except ValueError as error:
            place.refuse(str(error))
            return INVALID

    def schema(self) -> dict[str, Any]:
        return dict(self.described)


@dataclass(frozen=True)
class Listing:
    """A list of single values, none of them twice."""

    item: Scalar

    def read(self, value: object, place: Place) -> Any:
        if not isinstance(value, list):
            place.refuse(f"should be a list, got {found(value)}")
            return INVALID
        items = [self.item.read(each, place.at(str(index))) for index, each in enumerate(value)]
        for index, each in enumerate(items):
            if each in items[:index]:
                place.refuse(f"should name {found(each)} once, got it twice")
        return whole(items)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(), "uniqueItems": True}


def whole(items: list[Any]) -> Any:
    """Give the items as a tuple, or INVALID when one of them is."""
    return INVALID if any(each is INVALID for each in items) else tuple(items)


def found(value: object) -> str:
    """Show a value of the file as a person wrote it, in a few words."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown.encode("utf-8", "backslashreplace").decode()


def text(expected: str, pattern: str) -> Scalar:
    """Read text that matches a regular expression as a whole; `expected` completes "should be ..."."""

    def convert(value: object) -> str:
        # Of ASCII: JSON Schema's \w and \d know no other letters either, nor do the platforms.
        if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII):
            return value
        raise ValueError(f"should be {expected}, got {found(value)}")

    return Scalar(convert, {"type": "string", "pattern": f"^(?:{pattern})$"})


def number(low: float, high: float, unit: str, *, integer: bool = True) -> Scalar:
    """Read a number between two bounds, both allowed."""
    expected = f"a {'whole ' if integer else ''}number of {unit} from {low} to {high}"

    def convert(value: object) -> float:
        fits = isinstance(value, int if integer else (int, float)) and not isinstance(value, bool)
        if fits and low <= value <= high:  # type: ignore[operator]
            return value  # type: ignore[return-value]
        raise ValueError(f"should be {expected}, got {found(value)}")

    return Scalar(convert, {"type": "integer" if integer else "number", "minimum": low, "maximum": high})


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"should be true or false, got {found(value)}")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    written = f'"{value}"'.lower() if isinstance(value, (bool, int, float)) else '"..."'
    raise ValueError(f"should be text, got {found(value)}: put it in quotes ({written})")


def _value(value: object) -> str:
    text = _text(value)
    if unwritable := UNWRITABLE.search(text):
        raise ValueError(
            f"should be text that a process can receive, got {found(text)}: {_code(unwritable)} cannot be"
        )
    return text


def _code(match: re.Match[str]) -> str:
    return f"U+{ord(match.group()[0]):04X}"


def _help(value: object) -> str:
    """Give a help text as one line: it stands in tables, comments and shell scripts."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", " ", str(_text(value))).split())


def _version(value: object) -> str:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", str(value)) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f'should be a version like "17" or "7.2", got {found(value)}')


UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""What no variable can hold, and no UTF-8 file."""
UNPRINTABLE = "[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
"""What no argument may have: cron's lines, tables and dashboards have no way to write it."""
# Patterns as text: a wake-up, whose commands are plain, compiles none of them.
PLAIN = re.compile(r"[\w@%+:,./-][\w@%+=:,./ -]*", re.ASCII)
QUOTED = r"(?s:'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.)"
SHELL = (
    r"&&|\|\||[;|<>&()`*?\[\]^]"  # operators and patterns
    r"|\$(?:[({A-Za-z_]|.?)"  # variables, even those named by a digit or a sign
    r"|(?:(?<=\s)|^)[#~!](?=\S*)|(?<=[=:])~"  # comments, homes, negation
    r"|\{(?=\s|$)|(?:(?<=\s)|^)\}|\{[^\s{}]*(?:,|\.\.)[^\s{}]*\}"  # groups, and lists that bash expands
)
"""What a shell would not take as it stands: where it is quoted, it is text."""
OPERATORS = {"&&", "||", "|", ";", "<", ">", "&"}


def split_words(command: str) -> list[str]:
    """Give the words of a command as a shell has them; raises ValueError. Those of a plain one, at a tenth of what shlex takes."""
    return command.split() if PLAIN.fullmatch(command) else shlex.split(command)


def _command(value: object) -> str:
    """Read a command, and give it as every shell and every parser of words reads it alike: in single quotes."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"should be one program and its arguments, got {found(value)}")
    if not PLAIN.fullmatch(value.strip()):
        _refuse_special(value)
    words = split_words(value)
    if "=" in words[0] or not words[0]:
        raise ValueError(f'should begin with a program, got {found(value)}: put variables under "env"')
    return shlex.join(words)


def _refuse_special(command: str) -> None:
    """Raise ValueError where a shell would read a command in another way than we, or nothing could hold it."""
    # What is quoted becomes one letter: it is part of a word, and nothing else.
    if special := re.search(SHELL, re.sub(QUOTED, "q", command.strip())):
        cure = "" if special.group() in OPERATORS else "; to pass it as text, put it in quotes"
        raise ValueError(
            f"should be one program and its arguments, got {found(command)}: "
            f'"{special.group()}" needs a shell, which not every platform starts{cure}'
        )
    try:
        words = shlex.split(command)
    except ValueError:
        raise ValueError(f"should close its quotes, got {found(command)}") from None
    for word in words:
        if unprintable := re.search(UNPRINTABLE, word):
            raise ValueError(
                f"should be of printable characters, got {found(command)}: {_code(unprintable)} is none"
            )


def _zone(value: object) -> str:
    try:
        ZoneInfo(value)  # type: ignore[arg-type]
    except (ValueError, OSError, TypeError, AttributeError, LookupError):
        raise ValueError(
            f"should be a time zone like Europe/Berlin, got {found(value)}{_alike(value)}"
        ) from None
    return str(value)


def _alike(zone: object) -> str:
    from zoneinfo import available_timezones  # noqa: PLC0415 - reads hundreds of files: on the way to an error only

    return nearest(str(zone), sorted(available_timezones()))


def nearest(word: str, known: list[str]) -> str:
    """Complete an error with the known word that is most like the one found, if any is."""
    from difflib import get_close_matches  # noqa: PLC0415 - wake-ups read this module and meet no error

    close = get_close_matches(word, known, 1, 0.6) or get_close_matches(word, known, 1, 0.45)
    return f" (did you mean {close[0]}?)" if close else ""


FLAG = Scalar(_flag, {"type": "boolean"})
VALUE = Scalar(_value, {"type": "string"})
HELP = Scalar(_help, {"type": "string"})
VERSION = Scalar(_version, {"type": ["string", "number"]})
COMMAND = Scalar(_command, {"type": "string", "minLength": 1})
ZONE = Scalar(_zone, {"type": "string"})
