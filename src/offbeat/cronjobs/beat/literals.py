"""Values of JSON as Python's source, laid out as its formatters do."""

from __future__ import annotations

import json
from typing import Any

WIDTH = 100  # below the formatter's 110


def literal(value: Any, indent: int = 0, before: int = 0) -> str:
    """Return the source of what JSON can hold; `before` is how much stands before it in its line, at that indent."""
    flat = _flat(value)
    if indent + before + len(flat) <= WIDTH or not isinstance(value, dict | list | tuple) or not value:
        return flat
    inner = indent + 4
    if isinstance(value, dict):
        items = [f"{_flat(key)}: {literal(each, inner, len(_flat(key)) + 3)}" for key, each in value.items()]
    else:
        items = [literal(each, inner, 1) for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]" if isinstance(value, list) else "()"
    lines = "".join(f"{' ' * inner}{item},\n" for item in items)
    return f"{opening}\n{lines}{' ' * indent}{closing}"


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_flat(key)}: {_flat(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flat, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_flat, value))}{',' * (len(value) == 1)})"
    return repr(value).replace("e+", "e")  # as the formatter writes large floats


def _text(text: str) -> str:
    """Return a string in double quotes; in single ones where that spares backslashes."""
    source = "".join(
        each if each.isprintable() else repr(each)[1:-1] for each in json.dumps(text, ensure_ascii=False)
    )
    if text.count('"') <= text.count("'"):
        return source
    return "'" + source[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"
