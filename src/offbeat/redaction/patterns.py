"""How secrets look. Texts come from outside, so each pattern looks at a character a bounded number of times, however they are made.

Repeats are possessive, begin behind a literal, and stop where the next one could begin.
"""

from __future__ import annotations

import re

# scheme://user:password@ and scheme://token@. A password may hold an unescaped / or @; on the web, digits are a port.
USER, PASSWORD = r"""[^\s/:@?#"'<>,;]""", r"(?:(?!://)\S)*@"
CREDENTIALS = re.compile(
    rf"://(?:(?<!http://|ttps://){USER}*+:{PASSWORD}|{USER}*+:(?!\d{{1,5}}(?:[^\w@]|\Z)){PASSWORD}|{USER}++@)"
)
# password=… of libpq, of a query, of a call; "password": … of JSON and of Python's dictionaries.
WORDS = (
    "passw",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "api",
    "access",
    "private",
    "authorization",
    "cookie",
    "bearer",
    "basic ",
)
VALUE = r"""(?:'(?:[^'\\]|\\.){0,2000}+'?|"(?:[^"\\]|\\.){0,2000}+"?|[^\s"]++)"""
NAMED = re.compile(
    r"""((?:passw(?:or)?d|pwd|passphrase|secret|token(?!s)|(?:api|access|private)[_-]?key)[\w-]{0,30}+"""
    rf"""(?:\s{{0,3}}+=\s{{0,3}}+|\\?["']\s{{0,3}}+[:=]\s{{0,3}}+b?(?=["'])))({VALUE})""",
    re.IGNORECASE | re.DOTALL,
)
HEADER = re.compile(
    r"""((?:authorization|(?:x-)?api-key|x-auth-token)\\?["']?\s{0,3}+[:=]\s{0,3}+b?\\?["']?(?:\w{1,20}+\s{1,3}+(?=\S))?+)[^\s"',;]++"""
    r"""|((?:set-)?cookie\\?["']?\s{0,3}+[:=]\s{0,3}+b?\\?["']?)[^\n"']++""",
    re.IGNORECASE,
)
# Elsewhere a word of letters behind them is a word.
SCHEME = re.compile(r"(\b(?i:bearer|basic)\s{1,3}+)(?![A-Za-z]?[a-z]*+(?![\w.~+/=-]))[\w.~+/=-]{6,}+")
# What a mail's link is signed with, by Django: value:time:signature, and time-signature for a forgotten password.
COLON = r"(?::|%3A)"
SIGNED = re.compile(
    rf"(?<![\w-])[\w-]++{COLON}[A-Za-z0-9_-]{{5,16}}+{COLON}[A-Za-z0-9_-]{{20,}}+|(?<![\w-])[0-9a-z]{{5,13}}-[0-9a-f]{{32,}}+(?![\w-])",
    re.IGNORECASE,
)
MAYBE_SIGNED = re.compile(
    r"[:Aa][A-Za-z0-9_-]{20}|-[0-9A-Fa-f]{32}"
)  # asked first: it looks at few characters of a usual line
UNSIGNED = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{40,}+")  # of a path: nothing else there is as long
