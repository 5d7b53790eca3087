"""Mail addresses as people write them: alone, with a name, several with commas or semicolons between."""

from __future__ import annotations

import re

from offbeat.env_values import listed

ADDRESS = r"[\w.!#$%&'*+=?^{|}~-]+@[\w-]+(?:\.[\w-]+)*"
PERSON = re.compile(
    rf"""\s*(?:(?:"(?P<quoted>[^"]*)"|(?P<name>[^",;<>@]*?))\s*<\s*(?P<at>{ADDRESS})\s*>|(?P<bare>{ADDRESS}))\s*"""
)
BETWEEN = re.compile(r"[,;\s]*")
EXAMPLES = "ops@example.com or Ops <ops@example.com>"


def recipients(value: str) -> list[tuple[str, str]]:
    """Read ADMINS: a name and an address each."""
    found = _people(",".join(listed(value)) if value.startswith("[") else value)
    if not found or not value.isprintable():
        raise ValueError(f"use mail addresses like {EXAMPLES}, with commas between")
    return [(name or address.partition("@")[0], address) for name, address in found]


def sender(value: str) -> str:
    """Read the sender of mails: one address, with a name or without."""
    if len(_people(value)) != 1 or not value.isprintable():
        raise ValueError(
            f'use one mail address like {EXAMPLES}; a name with a comma in it stands in quotes: "…" <…>'
        )
    return value


def _people(value: str) -> list[tuple[str, str]]:
    """Return names and addresses, none where anything else is between them."""
    people, position = [], 0
    text = value.strip(" ,;")
    while found := PERSON.match(text, position):
        people.append((found["quoted"] or found["name"] or "", found["at"] or found["bare"]))
        position = BETWEEN.match(text, found.end()).end()  # type: ignore[union-attr]  # it matches nothing, too
        if position == found.end() < len(text):
            return []
    return people if position == len(text) else []
