"""Which environment variables the code reads: found in its source, to compare platform.yaml with it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from offbeat.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SRC = ROOT / "src"
SETTINGS = SRC / "config" / "settings.py"
VARIABLE = re.compile(r"""["']([A-Z][A-Z0-9_]*)["']""")
READERS = {"text", "boolean", "integer", "items", "url"}


def required_variables(settings: Path = SETTINGS) -> set[str]:
    """Give the variables that the settings cannot do without: those read without a default."""
    return {name for name, call in _reads(settings, READERS) if not _has_default(call)}


def read_variables(src: Path = SRC) -> set[str]:
    """Give every text in the source, this package's aside, that looks like a variable's name."""
    ours = src / "offbeat" / "deployment"
    sources = (path.read_text(encoding="utf-8") for path in src.rglob("*.py") if ours not in path.parents)
    return {name for source in sources for name in VARIABLE.findall(source)}


def read_prefixes(settings: Path = SETTINGS) -> tuple[str, ...]:
    """Give what names begin with of which the settings read every one, like JOBS_."""
    return tuple(name for name, _ in _reads(settings, {"numbers"}))


def _reads(settings: Path, readers: set[str]) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(settings.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _reader(node) in readers and node.args and _is_text(node.args[0]):
            yield node.args[0].value, node  # type: ignore[attr-defined]


def _reader(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(value=ast.Name(id="env"), attr=attr):
            return attr
    return ""


def _has_default(call: ast.Call) -> bool:
    """Tell whether a value is always given: a default that may be None makes a variable required."""
    before = 2 if _reader(call) == "url" else 1
    given = [*call.args[before:], *(keyword.value for keyword in call.keywords if keyword.arg == "default")]
    return bool(given) and not any(_is_none(node) for each in given for node in ast.walk(each))


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
