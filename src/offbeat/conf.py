"""What the settings of the parts have in common: each part's conf.py lists its fields, with defaults and reasons.

Nothing here asks Django for a setting before `conf()` is called: settings modules may import it, for the names.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, TypeVar

from django.conf import settings
from django.core.checks import Error
from django.core.signals import setting_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True)
class Conf:
    """Settings of a part of the core: subclasses say which of Django's settings, a dictionary, overrides their fields."""

    setting: ClassVar[str]

    @classmethod
    def names(cls) -> frozenset[str]:
        return frozenset(field.name for field in fields(cls))

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Return the environment's variables that override fields, each with its field: OFFBEAT_JOBS_DRAIN, "drain"."""
        return {f"{cls.setting}_{name.upper()}": name for name in sorted(cls.names())}

    @classmethod
    def find_errors(cls, check_id: str) -> Iterator[Error]:
        """Find what the project's settings say that is no field, for a system check."""
        for name in getattr(settings, cls.setting, {}):
            if name not in cls.names():
                message = f"{cls.setting} has no setting {name!r}."
                yield Error(message, hint=suggest(name, cls.names()), id=check_id)


Kind = TypeVar("Kind", bound=Conf)


def reader(kind: type[Kind]) -> Callable[[], Kind]:
    """Return a function that returns the settings in force. Names that are no field are left to the part's system check."""

    @lru_cache(maxsize=1)
    def conf() -> Kind:
        given = getattr(settings, kind.setting, {})
        return kind(**{name: value for name, value in given.items() if name in kind.names()})

    def forget(*, setting: str, **_: object) -> None:
        if setting == kind.setting:
            conf.cache_clear()

    setting_changed.connect(forget, weak=False)
    return conf


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint for a name that is not known: the nearest one, or to remove it."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {close[0]}?" if close else "Remove it."
