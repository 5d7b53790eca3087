"""Writers of the formats that platforms read: deterministic, without anchors, with a header."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from offbeat.deployment.spec import Platform


_READ_ELSEWHERE = re.compile(r"[-+]?[\d.][\d.,_]*(e[-+]?\d*)?|[-+]?0[ox][\da-f_]+|:.+|[yn]", re.IGNORECASE)
"""Text to PyYAML, but not to YAML 1.2 (0o17, 1e3), YAML 1.1 as it is written (y, n) or Ruby (1,000, :name)."""
_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
"""What ends a line to some readers and not to others, or may not stand in YAML as it is."""


class _Dumper(yaml.SafeDumper):
    """Writes lists indented and never an anchor: Render refuses them, and people misread them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Write text of several lines as a block, the way people do, and quote what another reader takes for a number or a symbol."""
    style = "|" if "\n" in text else "'" if _READ_ELSEWHERE.fullmatch(text) else None
    style = '"' if _CONTROL.search(text) else style
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)


def code(text: str) -> str:
    """Give text as Markdown's code in a line: between more backticks than it has in a row."""
    fence = "`" * (_longest_run(text) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def fenced(lines: Iterable[str], language: str = "sh") -> str:
    """Give lines as a block of Markdown's code that none of them ends."""
    text = "\n".join(lines)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def unreferenced(text: str) -> str:
    """Give text in which Kubernetes expands nothing: it reads $(NAME), and two dollars as one (core/v1, EnvVar)."""
    return re.sub(r"\$(?=[$(])", "$$", text)


def comment(text: str) -> str:
    """Give text as comment lines, as YAML, TOML, shell and systemd write them."""
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())


def yaml_text(*documents: Any, header: str, ascii_only: bool = False) -> str:
    """Give documents as YAML, in the order of their keys; `ascii_only` writes other characters as escapes."""
    bodies = [
        yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=not ascii_only)
        for each in documents
    ]
    return comment(header) + "\n" + "---\n".join(bodies)


def source(platform: Platform) -> dict[str, str]:
    """Give the key of an app.json that says where its code is, where platform.yaml says so."""
    return {"repository": f"https://github.com/{platform.repository}"} if platform.repository else {}


def json_text(document: Any) -> str:
    """Give a document as JSON, in the order of its keys."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def toml_text(document: dict[str, Any], *, header: str) -> str:
    """Give a document as TOML: values first, then tables, then lists of tables."""
    return comment(header) + "\n" + _toml_table(document, "").lstrip("\n")


def _toml_table(table: dict[str, Any], path: str) -> str:
    values = {key: value for key, value in table.items() if not _is_table(value)}
    text = "".join(f"{key} = {_toml_value(value)}\n" for key, value in values.items())
    for key, value in table.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            text += f"\n[{name}]\n{_toml_table(value, name + '.')}"
        elif _is_table(value):
            text += "".join(f"\n[[{name}]]\n{_toml_table(each, name + '.')}" for each in value)
    return text


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _toml_value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """Give rows as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
