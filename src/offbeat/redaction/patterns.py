"""How secrets look. Texts come from outside, so each pattern looks at a character a bounded number of times, however they are made.

Repeats are possessive, begin behind a literal, and stop where the next one could begin. Those of a group are atomic groups
instead, which is the same: Python before 3.11.5 takes a possessive one for over too early, and a password was left in the text.
"""

from __future__ import annotations

import re

# scheme://user:password@ and scheme://token@. A password may hold an unescaped / or @; on the web, digits are a port.
USER, PASSWORD = r"""[^\s/:@?#"'<>,;]""", r"(?:(?!://)\S)*@"
CREDENTIALS = re.compile(
    rf"://(?:(?<!http://|ttps://){USER}*+:{PASSWORD}|{USER}*+:(?!\d{{1,5}}(?:[^\w@]|\Z)){PASSWORD}|{USER}++@)"
)
# The same where it is part of another address, once or twice over, and in JSON that escapes slashes.
PERCENT = r"%(?:25){0,2}"
ENCODED_CREDENTIALS = re.compile(
    rf"({PERCENT}3A(?:{PERCENT}2F){{2}}|:\\{{1,2}}/\\{{1,2}}/)(?>(?:(?!{PERCENT}(?:2F|40)|@)[^\s&\"'<>/]){{1,500}})(?:{PERCENT}40|@)",
    re.IGNORECASE,
)
# What is asked first, for most texts have none of it.
KEYS = ("api", "access", "account", "private")
WORDS = (
    "passw",
    "pass=",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "sessionid",
    "x-amz-",
    *(f"{owner}{between}key" for owner in KEYS for between in ("", "_", "-", " ")),
    "authorization",
    "cookie",
    "bearer",
    "basic ",
)
SECRET = (
    r"(?:passw(?:or)?d|pwd|passphrase|(?<![^\W_])pass(?==)|secret|token(?!s)|sessionid|x-amz-signature"
    rf"|(?:{'|'.join(KEYS)})[ _-]?key)"
)
QUOTED = r"""'(?>(?:[^'\\]|\\.){0,2000})'?|"(?>(?:[^"\\]|\\.){0,2000})"?"""
ESCAPED = r"""(?P<end>\\{1,7}["'])(?>(?:(?!(?<!\\)(?P=end)).){0,2000})"""  # a quote in JSON in JSON
# password=… of libpq, of a query, of a call; "password": … of JSON and of Python's dictionaries; PASSWORD '…' of SQL.
ASSIGNED = (
    r"""(\s{0,3}+=>?\s{0,3}+|\\{0,7}["']\s{0,3}+[:=]>?\s{0,3}+b?(?=\\{0,7}["'])|\s{1,3}+(?=["']))"""
    rf"""(?:{QUOTED}|{ESCAPED}|[^\s"]++)"""
)
# password: … of YAML and of people, if no sentence goes on there, and no class of exceptions has the name; <password>…
PLAIN = (
    r"""((?<!rror)(?<!xception):\s{0,5}+(?![A-Za-z]?[a-z]{0,30}+ |(?:str|None|True|False|null)\b)|>(?!\s))"""
    rf"""(?:{QUOTED}|[^\s"<>,;]++)"""
)
# password%3D… and %22password%22%3A%22… in an address.
ENCODED = (
    rf"""((?:{PERCENT}2[27])?{PERCENT}3[AD](?:{PERCENT}2[027]|\+){{0,3}})"""
    rf"""(?>(?:(?!{PERCENT}2[267C])[^\s&"'<>]){{1,2000}})"""
)
# --password … of a command line, also as the list that it is made of.
OPTION = rf"""(?(dash)(\s{{1,3}}+(?![-\s])|["'],\s{{0,3}}+(?=["']))(?:{QUOTED}|\S++)|(?!))"""
NAMED = re.compile(
    rf"((?P<dash>-)?{SECRET}[\w-]{{0,30}}+)(?:{ASSIGNED}|{PLAIN}|{ENCODED}|{OPTION})",
    re.IGNORECASE | re.DOTALL,
)
# ("cookie", "…") of a server's headers.
PAIR = re.compile(
    rf"""(\(b?["'](?:[a-z]{{1,20}}[_-]){{0,3}}(?:{SECRET}|authorization|cookie)[\w-]{{0,30}}+["'],\s{{0,3}}+b?)(?:{QUOTED})""",
    re.IGNORECASE | re.DOTALL,
)
# PostgreSQL's detail of what is there twice: Key (user_id, token)=(1, …) already exists.
DETAIL = re.compile(
    rf"(Key \((?=[^)]{{0,300}}?{SECRET})[^)]{{0,300}}+\)=\()(?>(?:(?!\) ).){{0,2000}})",
    re.IGNORECASE | re.DOTALL,
)
PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(?>(?:(?!-----END).){0,10000})", re.DOTALL
)
# What services and signers put in front of their tokens, so that they are found.
ISSUED = re.compile(
    r"(?<![\w-])(?:eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]{8,}+|(?:gh[opsur]_|github_pat_|glpat-|[rs]k_live_|xox[abeprs]-|whsec_|obt_|SG\.)[\w.-]{16,}+)"
)
MAYBE_ISSUED = (
    "eyJ",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "k_live_",
    "xox",
    "whsec_",
    "obt_",
    "SG.",
)
HEADER = re.compile(
    r"""((?:authorization|(?:x-)?api-key|x-auth-token)\\?["']?\s{0,3}+[:=]\s{0,3}+b?\\?["']?(?>(?:\w{1,20}+\s{1,3}+(?=\S))?))[^\s"',;]++"""
    r"""|((?:set-)?cookie\\?["']?\s{0,3}+[:=]\s{0,3}+b?\\?["']?)[^\n"']++""",
    re.IGNORECASE,
)
# Elsewhere a word of letters behind them is a word.
SCHEME = re.compile(r"(\b(?i:bearer|basic)\s{1,3}+)(?![A-Za-z]?[a-z]*+(?![\w.~+/=-]))[\w.~+/=-]{6,}+")
NAMED_ONES = (PRIVATE_KEY, DETAIL, HEADER, PAIR, NAMED, SCHEME)
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
