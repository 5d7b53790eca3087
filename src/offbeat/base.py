"""What a fork was made from, as offbeat.toml says it; its presence is what makes a checkout a fork."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "offbeat.toml"
VERSION_FILE = "src/offbeat/VERSION"
CORE = ("src/offbeat", "tests/offbeat", "docs/offbeat")
# What tools and editors leave between our files, when somebody only reads them too.
IGNORED_NAMES = {"__pycache__", ".DS_Store", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}
IGNORED_ENDS = (".pyc", ".egg-info", ".swp", "~")
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git's own name for a folder without files
KINDS: dict[str, tuple[type, str]] = {
    "name": (str, "a text"),
    "version": (str, "a text like 0.2.0"),
    "commit": (str, "a text"),
    "upstream": (str, "a git address or the path of a repository"),
    "example": (bool, "true or false"),
    "core": (dict, "a table of folders"),
}
TEXT = """\
# Which version of the core this project has, and where newer ones come from: `./run update` reads and writes it.
name = {name}
version = {version}
commit = {commit}
upstream = {upstream}
example = {example}

# What git calls the core's folders as they came: a folder with another name was edited.
[core]
{core}
"""


class BaseFileError(Exception):
    """offbeat.toml does not say what it should: mend the file, or bring it back from git."""


@dataclass(frozen=True)
class Base:
    """The version that a fork has, under the fork's own name."""

    name: str
    version: str
    commit: str
    upstream: str
    example: bool
    core: dict[str, str]

    def as_text(self) -> str:
        # A text of JSON is one of TOML, quotes and backslashes too.
        values = {key: json.dumps(value, ensure_ascii=False) for key, value in self.__dict__.items()}
        values |= {
            "core": "\n".join(f'"{folder}" = "{tree}"' for folder, tree in self.core.items()),
        }
        return TEXT.format_map(values)

    def edited_folders(self, root: Path) -> list[str]:
        """Return the core's folders that are not as they came; one that the team has deleted is none of them."""
        return [folder for folder, tree in core_trees(root).items() if tree != self.core.get(folder, tree)]


def read_base(root: Path) -> Base | None:
    """Return what offbeat.toml says, None where there is none. Raises BaseFileError."""
    try:
        found = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BaseFileError(f"{FILE}: {error}") from None
    for key, (kind, right) in KINDS.items():
        if not isinstance(found.get(key), kind):
            raise BaseFileError(f"{FILE}: {key}: should be {right}, got {found.get(key, 'nothing')!r}")
    return Base(**{key: found[key] for key in KINDS})


def write_base(root: Path, base: Base) -> None:
    (root / FILE).write_text(base.as_text(), encoding="utf-8")


def read_version(root: Path) -> str:
    return (root / VERSION_FILE).read_text(encoding="utf-8").strip()


def core_trees(root: Path) -> dict[str, str]:
    """Return the tree of each of the core's folders that is there."""
    return {folder: tree_of(root / folder) for folder in CORE if (root / folder).is_dir()}


def tree_of(folder: Path) -> str:
    """Return git's name for what a folder holds: the same in every repository, and where there is none."""
    entries = sorted(_entry(path) for path in folder.iterdir() if not is_ignored(path.name))
    return _digest("tree", b"".join(entry for _, entry in entries if entry))


def files_below(folder: Path) -> list[str]:
    """Return the paths of a folder's files, without what tools leave between them."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [str(path) for path in paths if not any(is_ignored(part) for part in path.parts)]


def is_ignored(name: str) -> bool:
    return name in IGNORED_NAMES or name.endswith(IGNORED_ENDS)


def _entry(path: Path) -> tuple[bytes, bytes]:
    """Return a file's or folder's line in a tree, behind what git sorts it by; an empty folder has none."""
    name = os.fsencode(path.name)
    if path.is_symlink():
        return name, _line(b"120000", name, _digest("blob", os.fsencode(path.readlink())))
    if path.is_dir():
        tree = tree_of(path)
        return name + b"/", b"" if tree == EMPTY_TREE else _line(b"40000", name, tree)
    mode = b"100755" if os.access(path, os.X_OK) else b"100644"
    return name, _line(mode, name, _digest("blob", path.read_bytes()))


def _line(mode: bytes, name: bytes, digest: str) -> bytes:
    return mode + b" " + name + b"\0" + bytes.fromhex(digest)


def _digest(kind: str, content: bytes) -> str:
    # Git's choice of hash: it finds edits here, and keeps out nobody.
    return hashlib.sha1(
        b"%s %d\0%s" % (kind.encode(), len(content), content), usedforsecurity=False
    ).hexdigest()
