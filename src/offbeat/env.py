"""Typed readers for environment variables that collect every problem before complaining, once, about all of them."""

from __future__ import annotations

import difflib
import math
import os
import re
from dataclasses import fields
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOOLEANS = {"true": True, "false": False}
OURS = "OFFBEAT_"  # whoever types this means us: what begins with it and is not known is a mistake
# Kubernetes and Docker name the services beside a container in its variables, and one of them may be called offbeat.
LINKED = re.compile(
    r"OFFBEAT_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
ANYTHING = ("anything", r"(?s:.*)")


class Environment:
    """Reads variables; a missing or malformed one yields a harmless value and is remembered for `complain()`.

    An empty variable counts as one that is not set: dashboards and compose files leave empty strings behind.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.known: set[str] = set()
        self.problems: list[str] = []

    def text(
        self, name: str, default: str | None = None, *, hint: str = "", form: tuple[str, str] = ANYTHING
    ) -> str:
        """Return the variable; without a default it is required. `form` is what it must be, in words and as a pattern."""
        self.known.add(name)
        value = self.variables.get(name, "").strip()
        if value and not re.fullmatch(form[1], value):
            self.problem(f"Unexpected value {name}={value}: use {form[0]}.", hint)
            return default or ""
        if value:
            return value
        if default is None:
            self.problem(f"{name} is not set.", hint)
        return default or ""

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self.text(name, str(default).lower())
        if value not in BOOLEANS:
            self.problem(f'Unexpected value {name}={value}: use "true" or "false".')
        return BOOLEANS.get(value, default)

    def integer(self, name: str, default: int, *, minimum: int = 0) -> int:
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or int(value) < minimum:
            self.problem(f"Unexpected value {name}={value}: use a whole number of at least {minimum}.")
            return default
        return int(value)

    def items(self, name: str, default: str | None = None, *, hint: str = "") -> list[str]:
        """Return a comma-separated variable as a list."""
        value = self.text(name, default, hint=hint)
        return [item.strip() for item in value.split(",") if item.strip()]

    def numbers(self, prefix: str, conf: type) -> dict[str, float]:
        """Return the variables that are set of those that begin with `prefix` and go on like a number of the dataclass `conf`."""
        names = {
            f"{prefix}{field.name.upper()}": field.name
            for field in fields(conf)
            if field.type in {"int", "float"}
        }
        self.known |= names.keys()
        given = {name: self.variables.get(name, "").strip() for name in names}
        return {names[name]: self._number(name, value) for name, value in given.items() if value}

    def url(self, name: str, schemes: Sequence[str], *, hint: str = "", default: str | None = None) -> str:
        """Return a URL with one of `schemes`; its password is never part of a message."""
        value = self.text(name, default, hint=hint)
        if value and not self._is_url(value, schemes):
            wanted = " or ".join(f"{scheme}://…" for scheme in schemes)
            self.problem(f"Unexpected value {name}={redacted(value)}: should be {wanted}.", hint)
            return ""
        return value

    def complain(self) -> None:
        """Raise ImproperlyConfigured with every problem, one a line; a variable of ours that nobody reads is one."""
        for name in sorted(self.variables.keys() - self.known):
            if name.startswith(OURS) and self.variables[name].strip() and not LINKED.fullmatch(name):
                self.problem(f"Nothing reads {name}.", self._nearest(name))
        if self.problems:
            raise ImproperlyConfigured("\n".join(self.problems))

    def _number(self, name: str, value: str) -> float:
        try:
            number = int(value) if value.isdigit() else float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            self.problem(f"Unexpected value {name}={value}: use a number of at least 0.")
            return 0
        return number

    def _nearest(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.known, n=1)
        return f"did you mean {near[0]}?" if near else "remove it."

    @staticmethod
    def _is_url(value: str, schemes: Sequence[str]) -> bool:
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018  a property that raises on a port that is no number
        except ValueError:
            return False
        return parts.scheme in schemes and bool(parts.netloc or parts.query)

    def problem(self, message: str, hint: str = "") -> None:
        """Remember a problem for `complain()`; a variable that two settings read has it once."""
        sentence = f"{message} Hint: {hint}" if hint else message
        if sentence not in self.problems:
            self.problems.append(sentence)


def redacted(url: str) -> str:
    """Return the URL without its user and password, and without its query, which may hold a password too."""
    scheme = url.partition("://")[0] + "://" if "://" in url else ""
    return f"{scheme}{url.removeprefix(scheme).rpartition('@')[2].partition('?')[0]}"


env = Environment(os.environ)  # the one that all parts of the settings read, and the project's
