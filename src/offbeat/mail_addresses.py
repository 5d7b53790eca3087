"""Mail addresses as people write them: alone, with a name, several with commas or semicolons between."""

from __future__ import annotations

import re
from email.utils import getaddresses

from offbeat.env_values import listed

ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]]+@[^\s@<>,;:\"()]+")
EXAMPLES = "ops@example.com or Ops <ops@example.com>"


def recipients(value: str) -> list[tuple[str, str]]:
    """Read ADMINS: a name and an address each."""
    text = ",".join(listed(value)) if value.startswith("[") else value.replace(";", ",")
    pairs = [pair for pair in getaddresses([text]) if any(pair)]
    if not pairs or not all(ADDRESS.fullmatch(address) for _, address in pairs):
        raise ValueError(f"use mail addresses like {EXAMPLES}, with commas between")
    return [(name or address.partition("@")[0], address) for name, address in pairs]


def sender(value: str) -> str:
    """Read the sender of mails: one address, with a name or without."""
    pairs = getaddresses([value])
    if len(pairs) != 1 or not ADDRESS.fullmatch(pairs[0][1]) or not value.isprintable():
        raise ValueError(
            f'use one mail address like {EXAMPLES}; a name with a comma in it stands in quotes: "…" <…>'
        )
    return value
