"""Prints files of variables as a shell's exports: `eval "$(python src/offbeat/deployment/env_file.py /etc/shop.env)"`.

It reads a file as systemd reads an EnvironmentFile, so that a crontab and a unit get the same values of one file: nothing in it is
ever expanded or run. It loads the standard library alone. Rules: systemd.exec(5), "EnvironmentFile="; held against systemd itself.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

# A value: pieces in quotes, then the rest of the line; a backslash at its end continues it.
VALUE = r"""(?P<quoted>(?:[ \t]*(?:'[^']*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)))*)[ \t]*(?P<rest>(?:\\.|[^\r\n\\]|\\\Z)*)"""
LINE = re.compile(
    rf"[ \t\r\n]*(?:[#;](?:\\.|[^\r\n\\])*|(?P<name>[^=\r\n]+)=(?![\r\n])(?:{VALUE})|(?P<bare>[^=\r\n]+)=|(?P<junk>[^\r\n]+))",
    re.DOTALL,
)
PIECE = re.compile(r"""'([^']*)'?|"((?:\\.|[^"\\])*\\?)"?""", re.DOTALL)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OS_FILE, CONFIG = 66, 78
"""Exit codes of sysexits.h: a file that is not there, and one that is not right."""


def read_variables(text: str) -> dict[str, str]:
    """Give the variables of a file; of two with one name the last counts. Lines that are none are reported and skipped."""
    variables: dict[str, str] = {}
    for line in LINE.finditer(text):
        name = (line["name"] or line["bare"] or "").strip(" \t")
        if NAME.fullmatch(name):
            variables[name] = _unquoted(line["quoted"] or "") + _bare(line["rest"] or "")
        elif name or line["junk"]:
            # Its number alone: it may be a part of a secret.
            _report(f"line {text.count(chr(10), 0, line.end()) + 1}: should be NAME=value; it is ignored")
    return variables


def _unquoted(text: str) -> str:
    """Give pieces in quotes as one: in single quotes everything is itself, in double quotes a backslash escapes a few."""
    return "".join(
        single if double is None else re.sub(r'\\(?:(["\\`$])|[\r\n]|\Z)', r"\1", double)
        for single, double in ((piece[1] or "", piece[2]) for piece in PIECE.finditer(text))
    )


def _bare(text: str) -> str:
    """Give what stands without quotes: a backslash makes a character itself, and blanks at the end are none of it."""
    text = re.match(r"(?:\\.|[^\\])*?(?=[ \t\r\n]*\Z|\\\Z)", text, re.DOTALL)[0]  # type: ignore[index]
    return re.sub(r"\\(?:[\r\n]|(.))", r"\1", text, flags=re.DOTALL)


def _report(sentence: str) -> None:
    sys.stderr.write(f"env_file: {sentence}\n")


def main(paths: list[str]) -> int:
    """Print the variables of several files, the last of which has the say."""
    variables: dict[str, str] = {}
    for path in paths:
        try:
            variables |= read_variables(Path(path).read_bytes().decode())
        except OSError as error:
            _report(f"{path}: cannot be read: {error.strerror}")
            return OS_FILE
        except UnicodeDecodeError:
            _report(f"{path}: should be UTF-8 text")
            return CONFIG
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
