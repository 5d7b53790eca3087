"""Mail addresses as people write them: alone, with a name, several with commas or semicolons between."""

from __future__ import annotations

import re

import django

from offbeat.variables.values import listed

# Bounded, so that a value of any length is read in no time.
ADDRESS = r"[\w.!#$%&'*+=?^{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}"
PERSON = re.compile(
    rf"""(?:"(?P<quoted>[^"]{{0,200}})"|(?P<name>[^",;<>@]{{0,200}}))<\s?(?P<at>{ADDRESS})\s?>|(?P<bare>{ADDRESS})"""
)
EXAMPLES = "ops@example.com or Ops <ops@example.com>"


def recipients(value: str) -> list[str] | list[tuple[str, str]]:
    """Read ADMINS: addresses. Django before 6.0 takes nothing but pairs of a name and an address."""
    found = _people(",".join(listed(value)) if value.startswith("[") else value)
    if not found or not value.isprintable():
        raise ValueError(f"use mail addresses like {EXAMPLES}, separated by commas")
    if django.VERSION >= (6, 0):
        return [address for _, address in found]
    return [(name or address.partition("@")[0], address) for name, address in found]


def sender(value: str) -> str:
    """Read the sender of mails: one address, with a name or without."""
    if len(_people(value)) != 1 or not value.isprintable():
        raise ValueError(f'use one mail address like {EXAMPLES}; put a name with a comma in quotes: "…" <…>')
    return value


def _people(value: str) -> list[tuple[str, str]]:
    """Return names and addresses, none where anything else is between them."""
    text = re.sub(r'"\s*<', '"<', value)
    rest = PERSON.sub("\n", text)  # a line for each, and what is between them
    if rest.strip(" ,;\n") or not all(each.strip() for each in rest.split("\n")[1:-1]):
        return []
    return [
        (each["quoted"] or (each["name"] or "").strip(), each["at"] or each["bare"])
        for each in PERSON.finditer(text)
    ]
