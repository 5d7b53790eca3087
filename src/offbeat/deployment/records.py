"""Reads frozen dataclasses from mappings: unknown keys are refused, and every error is collected."""

from __future__ import annotations

from collections import Counter
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from offbeat.deployment.kinds import INVALID, Place, Scalar, ValueKind, found, nearest, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Key:
    """What a key of the file is: its kind, and its documentation."""

    kind: ValueKind
    doc: str


def entry(kind: ValueKind, doc: str, default: Any = MISSING) -> Any:
    """Declare a key of a record; without a default it must be in the file."""
    return field(default=default, metadata={"entry": Key(kind, doc)})


@cache
def entries(cls: type) -> tuple[tuple[Field[Any], Key], ...]:
    """Give the keys that a record takes from its mapping (a name that is itself a key is not one of them)."""
    return tuple((each, each.metadata["entry"]) for each in fields(cls) if "entry" in each.metadata)


def one_of(known: Iterable[str]) -> str:
    return f": should be one of {', '.join(known)}"


@dataclass(frozen=True)
class Record:
    """A mapping with known keys, read as a dataclass; `short` reads a single value in its place.

    A dataclass may have a method `problems()` that says what its single values cannot.
    """

    cls: type
    short: tuple[Scalar, Callable[[Any], Any]] | None = None

    def read(self, value: object, place: Place, **given: str) -> Any:
        if self.short and not isinstance(value, dict):
            short, build = self.short
            scalar = short.read(value, place)
            return INVALID if scalar is INVALID else build(scalar)
        if not isinstance(value, dict):
            place.refuse(f"should be a mapping, got {found(value)}")
            return INVALID
        return self._build(self._read_keys(value, place) | given, place)

    def _read_keys(self, mapping: dict[Any, object], place: Place) -> dict[str, Any]:
        known = {each.name: (each, entry) for each, entry in entries(self.cls)}
        read: dict[str, Any] = {}
        for key, value in mapping.items():
            if key in known:
                read[key] = known[key][1].kind.read(value, place.at(str(key)))
            else:
                place.at(str(key)).refuse(f"unknown key{nearest(str(key), list(known)) or one_of(known)}")
        for name, (each, _) in known.items():
            if name not in mapping and each.default is MISSING:
                place.at(name).refuse("is missing")
                read[name] = INVALID
        return read

    def _build(self, read: dict[str, Any], place: Place) -> Any:
        if any(value is INVALID for value in read.values()):
            return INVALID
        record = self.cls(**read)
        problems = list(record.problems()) if hasattr(record, "problems") else []
        for key, sentence in problems:
            (place.at(key) if key else place).refuse(sentence)
        return INVALID if problems else record

    def schema(self) -> dict[str, Any]:
        keys = list(entries(self.cls))
        properties = {each.name: {"description": entry.doc, **entry.kind.schema()} for each, entry in keys}
        for each, _ in keys:
            if isinstance(each.default, (str, int, float, bool)):
                properties[each.name]["default"] = each.default
        required = [each.name for each, _ in keys if each.default is MISSING]
        mapping = {"type": "object", "additionalProperties": False, "properties": properties}
        if required:
            mapping["required"] = required
        return {"anyOf": [self.short[0].schema(), mapping]} if self.short else mapping


@dataclass(frozen=True)
class NamedList:
    """A list of records, each with a `name` of its own; errors give the name rather than the position."""

    record: Record

    def read(self, value: object, place: Place) -> Any:
        if not isinstance(value, list):
            place.refuse(f"should be a list of mappings, each with a name, got {found(value)}")
            return INVALID
        names = [self._name(each, index) for index, each in enumerate(value)]
        for name in sorted(name for name, times in Counter(names).items() if times > 1):
            place.at(name).refuse("should have a unique name, but the name appears twice")
        return whole(
            [self.record.read(each, place.at(name)) for each, name in zip(value, names, strict=True)]
        )

    @staticmethod
    def _name(value: object, index: int) -> str:
        name = value.get("name") if isinstance(value, dict) else None
        return name if isinstance(name, str) and name else str(index)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.record.schema()}


@dataclass(frozen=True)
class ByName:
    """A mapping from a name, which the record keeps as its `name`, to the rest of the record."""

    name: Scalar
    record: Record

    def read(self, value: object, place: Place) -> Any:
        if not isinstance(value, dict):
            place.refuse(f"should be a mapping, got {found(value)}")
            return INVALID
        return whole([self._read_one(key, each, place.at(str(key))) for key, each in value.items()])

    def _read_one(self, key: object, value: object, place: Place) -> Any:
        name = self.name.read(key, place)
        record = self.record.read({} if value is None else value, place, name=str(key))
        return INVALID if name is INVALID else record

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "propertyNames": self.name.schema(),
            "additionalProperties": {"anyOf": [{"type": "null"}, self.record.schema()]},
        }
