"""Typed readers for environment variables that collect every problem before complaining, once, about all of them.

What a value may look like is in variables/values.py: each reader says where, what was found and what would be right.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from offbeat.variables import files, values, weak_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Value = TypeVar("Value")

OURS = "OFFBEAT_"  # whoever types this means us: what begins with it and is not known is a mistake
# Kubernetes and Docker name the services beside a container in its variables, and one of them may be called offbeat.
LINKED = re.compile(
    r"OFFBEAT_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
# EMAIL_PORT of a service that is called email: nobody has set it.
LINK = re.compile(r"(tcp|udp|sctp)://\S+:\d+")
ANYTHING = ("anything", r"(?s:.*)")
CENTURY = {"days": 36_500, "hours": 876_000}  # for ever: calendars of Python and PostgreSQL end somewhere
BUILD = ["collectstatic"]  # it serves nobody: an image is built with values that stand for secrets


class Environment:
    """Reads variables; a missing or malformed one yields a harmless value and is remembered for `complain()`.

    An empty variable counts as one that is not set: dashboards and compose files leave empty strings behind. Spaces,
    invisible characters and quotes around a value are not part of it. NAME_FILE names a file that has the value.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.known: set[str] = set()
        self.problems: list[str] = []

    def parsed(
        self,
        name: str,
        form: Callable[[str], Value],
        default: Value,
        *,
        hint: str = "",
        is_required: bool = False,
        is_secret: bool = False,
    ) -> Value:
        """Return what `form` makes of the variable, the default where it is not set or wrong; a secret is in no message."""
        value = self._given(name)
        if value:
            try:
                return form(value)
            except ValueError as error:
                found = values.hidden(value) if is_secret else values.shown(value)
                self.problem(f"Unexpected value {name}={found}: {error}.", hint)
        elif value is not None and is_required:
            self.problem(f"{name} is not set.", hint)
        return default

    def text(
        self, name: str, default: str | None = None, *, hint: str = "", form: tuple[str, str] = ANYTHING
    ) -> str:
        """Return the variable; without a default it is required. `form` is what it must be, in words and as a pattern."""
        parse = values.matching(form)
        return self.parsed(name, parse, default or "", hint=hint, is_required=default is None)

    def secret(
        self,
        name: str,
        default: str | None = None,
        *,
        hint: str = "",
        shortest: int = weak_secrets.SHORTEST_TOKEN,
    ) -> str:
        """Return a secret of one line; without DEBUG one that can be guessed is refused."""
        hint = hint or f"make one with: {weak_secrets.RECIPE}"
        form = values.secret
        value = self.parsed(name, form, default or "", hint=hint, is_required=default is None, is_secret=True)
        if value and not self.is_lax and (weakness := weak_secrets.weakness(name, value, shortest)):
            self.problem(f"{name} is too easy to guess: {weakness}.", hint)
        return value

    def secrets(self, name: str, *, shortest: int = weak_secrets.SHORTEST_TOKEN) -> list[str]:
        """Return a list of secrets, separated by commas; without DEBUG none of them may be one that can be guessed."""
        nothing: list[str] = []
        given = self.parsed(name, values.secrets, nothing, is_secret=True)
        for weakness in (weak_secrets.weakness(name, value, shortest) for value in given):
            if weakness and not self.is_lax:
                self.problem(f"{name}: one is too easy to guess: {weakness}.", "remove it.")
        return given

    @property
    def is_lax(self) -> bool:
        """Whether secrets may be weak: on a developer's machine, and while an image is built."""
        return sys.argv[1:2] == BUILD or self.boolean("DEBUG", default=False)

    def boolean(self, name: str, *, default: bool) -> bool:
        return self.parsed(name, values.boolean, default)

    def integer(
        self, name: str, default: int, *, minimum: int = 0, maximum: int | None = None, hint: str = ""
    ) -> int:
        """Return a whole number. An address that Kubernetes gives a variable of this name is none that somebody has set."""
        if name.endswith("_PORT") and LINK.fullmatch(self.variables.get(name, "")):
            return default
        return self.parsed(name, values.whole_number(minimum, maximum), default, hint=hint)

    def items(self, name: str, default: str | None = None, *, hint: str = "") -> list[str]:
        """Return a list: with commas between, or as JSON."""
        given = values.listed(default or "")
        return self.parsed(name, values.listed, given, hint=hint, is_required=default is None)

    def numbers(self, prefix: str, conf: type) -> dict[str, float]:
        """Return the variables that are set of those that begin with `prefix` and go on like a number of the dataclass `conf`."""
        found: dict[str, float] = {}
        for field in fields(conf):
            name = f"{prefix}{field.name.upper()}"
            form = form_of(field.name, str(field.type))
            if form and self.is_set(name):
                found[field.name] = self.parsed(name, form, 0.0)
            elif form:
                self.known.add(name)
        return found

    def url(self, name: str, schemes: Sequence[str], *, hint: str = "", default: str | None = None) -> str:
        """Return a URL with one of `schemes`; nothing behind its scheme is ever part of a message."""
        form = values.address(schemes)
        return self.parsed(name, form, default or "", hint=hint, is_required=default is None, is_secret=True)

    def is_set(self, name: str) -> bool:
        """Whether the variable, or its file, is there and not empty."""
        return any(values.cleaned(self.variables.get(each, "")) for each in (name, name + files.SUFFIX))

    def complain(self) -> None:
        """Raise ImproperlyConfigured with every problem, one a line; a variable of ours that nobody reads is one."""
        for name in sorted(self.variables.keys() - self.known):
            if name.startswith(OURS) and self.variables[name].strip() and not LINKED.fullmatch(name):
                self.problem(f"Nothing reads {name}.", self._nearest(name))
        if self.problems:
            from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415  platform.yaml is read without Django

            raise ImproperlyConfigured("\n".join(self.problems))

    def problem(self, message: str, hint: str = "") -> None:
        """Remember a problem for `complain()`; a variable that two settings read has it once."""
        sentence = f"{message} Hint: {hint}" if hint else message
        if sentence not in self.problems:
            self.problems.append(sentence)

    def _given(self, name: str) -> str | None:
        """Return the variable as it was meant, "" where it is not set, None where that is no value at all."""
        self.known |= {name} | ({name + files.SUFFIX} & self.variables.keys())
        try:
            value = values.cleaned(files.value_of(self.variables, name))
        except ValueError as error:
            self.problem(str(error))
            return None
        if mistake := values.misplaced(name, value):
            self.problem(f"Unexpected value of {name}: {mistake}.")
            return None
        return value

    def _nearest(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.known, n=1)
        return f"did you mean {near[0]}?" if near else "remove it."


def form_of(name: str, kind: str) -> Callable[[str], float] | None:
    """Return the form of a number of the name and type, None where it is no number."""
    most = CENTURY.get(name.rpartition("_")[2])
    return {"int": values.whole_number(0, most), "float": values.number(most)}.get(kind)


def redacted(url: str) -> str:
    """Return the URL without its user and password, and without its query, which may hold a password too."""
    scheme = url.partition("://")[0] + "://" if "://" in url else ""
    return f"{scheme}{url.removeprefix(scheme).rpartition('@')[2].partition('?')[0]}"


env = Environment(os.environ)  # the one that all parts of the settings read, and the project's
