"""Which environment variables the code reads: found in its source, to compare platform.yaml with it."""

from __future__ import annotations

import ast
import os
import re
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import ENVIRONMENT_VARIABLE

from offbeat.env import env
from offbeat.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
FOLDERS = (ROOT / "src", HERE.parent)  # the project's, and the core's, which may be installed elsewhere
VARIABLE = re.compile(r"""["']([A-Z][A-Z0-9_]*)["']""")
READERS = {"text", "secret", "parsed", "boolean", "integer", "items", "url"}


def required_variables(module: str = "") -> set[str]:
    """Give the variables that the settings cannot do without: those read without a default."""
    files = settings_files(module or os.environ[ENVIRONMENT_VARIABLE])
    return {name for path in files for name, call in _reads(path) if not _has_default(call)}


def settings_files(module: str) -> Iterator[Path]:
    """Give the files that settings are made of: the module's, and those from which it takes everything, as the core's."""
    spec = find_spec(module)
    if spec is None or not spec.origin:
        return
    yield Path(spec.origin)
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            name = "." * node.level + (node.module or "")
            yield from settings_files(resolve_name(name, module.rpartition(".")[0]))


def read_variables(*folders: Path) -> set[str]:
    """Give every text in the source, this package's aside, that looks like a variable's name; and those that the settings read."""
    paths = {
        path for folder in folders or FOLDERS for path in folder.rglob("*.py") if HERE not in path.parents
    }
    return {name for path in paths for name in VARIABLE.findall(path.read_text(encoding="utf-8"))} | env.known


def _reads(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _reader(node) in READERS and node.args and _is_text(node.args[0]):
            yield node.args[0].value, node  # type: ignore[attr-defined]


def _reader(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(value=ast.Name(id="env"), attr=attr):
            return attr
    return ""


def _has_default(call: ast.Call) -> bool:
    """Tell whether a value is always given: a default that may be None makes a variable required."""
    if _reader(call) == "parsed":
        return "is_required" not in {keyword.arg for keyword in call.keywords}
    before = 2 if _reader(call) == "url" else 1
    given = [*call.args[before:], *(keyword.value for keyword in call.keywords if keyword.arg == "default")]
    return bool(given) and not any(_is_none(node) for each in given for node in ast.walk(each))


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
