"""Which secrets can be guessed: too short, of too few characters, an example's, or a text that stands for one."""

from __future__ import annotations

import re
from itertools import pairwise

# Whoever reads this repository knows them: .env.example, compose.yaml, documentation.
LOCAL_KEY = "local-development-only-never-in-production-0123456789abcdef"
PUBLISHED = frozenset({LOCAL_KEY, "local-metrics-token"})
# Characters: 128 bits as hexadecimal. Render makes 44 and Heroku 64; Django's own check (security.W009) asks for 50.
SHORTEST_KEY = 32
SHORTEST_TOKEN = 20
SHORTEST_OLD_KEY = 16  # it signs nothing new, and ends soon
FEWEST = 8  # different characters of a key: 32 random hexadecimal digits have fewer once in 30 million times
FEWEST_SHORT = 6  # of a token: 20 such digits, once in 3 million
# Words of placeholders; what remains without them must be long enough. All are so long that chance does not write them.
WORDS = re.compile(
    r"django-insecure-|replace|change[-_ ]?(me|this)|placeholder|insecure|example|insert|password|passwd|secret|your[-_ ]"
    r"|production|development|unused|todo[-_ ]|qwertyuiop|asdfghjkl|zxcvbnm|1234567890",
    re.IGNORECASE,
)
# With Python alone, and with quotes that sh, PowerShell and cmd.exe all understand.
RECIPE = 'python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
HEX_RECIPE = 'python3 -c "import secrets; print(secrets.token_hex(24))"'
"""Makes a password that may be part of an address: letters and digits only."""


def weakness(name: str, value: str, shortest: int = SHORTEST_TOKEN) -> str:
    """Return why the value is no secret, "" where it is one. No part of it is in the answer."""
    if value in PUBLISHED or value.startswith("django-insecure-"):
        return "it is a public example"
    if len(value) < shortest:
        return f"it has {len(value)} character{'s' * (len(value) != 1)}, but needs at least {shortest}"
    if is_placeholder(name, value, shortest):
        return "it is a placeholder"
    kinds = len(set(value))
    if kinds < (FEWEST if shortest > SHORTEST_TOKEN else FEWEST_SHORT):
        return f"it has only {kinds} different character{'s' * (kinds != 1)}"
    return "it is a repetition or a sequence" if is_pattern(value) else ""


def is_placeholder(name: str, value: str, shortest: int) -> bool:
    """Tell whether too little remains without brackets, the variable's own name, and words that stand for a secret."""
    own_name = re.compile(re.escape(name).replace("_", "[-_ ]?"), re.IGNORECASE)
    rest = WORDS.sub("", own_name.sub("", value))
    return len(rest) < shortest or re.fullmatch(r"<.*>|\[.*\]|\{.*\}", value) is not None


def is_pattern(value: str) -> bool:
    """Tell whether it repeats a part of itself, or three quarters of it count up or down, like abcdef or 111111."""
    steps = [abs(ord(second) - ord(first)) <= 1 for first, second in pairwise(value)]
    return value in (value + value)[1:-1] or sum(steps) > len(steps) * 3 / 4
