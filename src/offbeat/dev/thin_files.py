"""A file of the template as a fork has it: under the fork's name, without what is the example's or upstream's.

`./run fork` writes it, and `./run update` compares with it, so that neither the name nor the example makes a conflict.
A line that ends in `# example` is the example's, and so is a block from `# example begins` to `# example ends`;
`# upstream` marks what no fork has. "Offbeat" in a file of the template is the project's own title; where it means
the core, it says "the core".
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from offbeat.base import CORE

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = ("src/newsletter/", "tests/newsletter/")
# What speaks of Offbeat itself. Its licence goes on holding for the core, as src/offbeat/LICENSE.
UPSTREAM_ONLY = (
    "bench/",
    "clients/",
    "examples/",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "SECURITY.md",
)
# Where else the template has files: all others are a team's own, with marks and names that mean something else.
THIN_FOLDERS = (".ci/", ".github/", "src/accounts/", "src/config/")
README = "README.md"
README_TEXT = """\
# {title}

One command starts everything, on a machine that has only Python. Another one tests it:

```console
$ ./run up
$ ./run test
```

`./run` alone lists the other tasks.

| what | where |
|---|---|
| services, cronjobs, variables | `platform.yaml` |
| settings | `src/config/settings.py` |
| the apps | `src/`, with their tests in `tests/` |
| the core, which nobody edits: `./run update` takes a newer one | `src/offbeat/`, [docs/offbeat](docs/offbeat/fork.md) |
"""
# Where the name stands, by file: the first pattern that fits a path counts. The core's package keeps its own.
NAMES = {
    "*.py": r"\boffbeat(?=@)",
    "pyproject.toml": r'(?m)(?<=^name = ")offbeat(-template)?(?=")',
    "requirements*.txt": r"\boffbeat(-template)?(?= \(pyproject\.toml)",
    "*": r"(?<![\w.])(?<!src/)(?<!tests/)(?<!docs/)(?<!from )(?<!import )offbeat(?![\w/]|\.[a-z])",
}
TITLE = re.compile(r"\bOffbeat\b")
UNPAIRED = 'each "{word} begins" should have one "{word} ends" after it'


class MarkError(Exception):
    """The marks of a file do not pair: mend the file, nothing has been changed."""


def is_core(path: str) -> bool:
    return path.startswith(tuple(f"{folder}/" for folder in CORE))


def is_thin(path: str) -> bool:
    """Tell whether a file may be one of the template's, so that `./run fork` has to look at it."""
    return "/" not in path or path.startswith((*THIN_FOLDERS, *EXAMPLE, *UPSTREAM_ONLY))


def as_fork(path: str, content: bytes, name: str, *, with_example: bool) -> bytes | None:
    """Return a file of the template as the fork of that name has it, None where it has none. Raises MarkError."""
    if is_core(path):
        return content
    if path.startswith(UPSTREAM_ONLY) or (path.startswith(EXAMPLE) and not with_example):
        return None
    if path == README:
        return README_TEXT.format(title=title_of(name)).encode()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content  # a picture
    text = without_marked(path, text, ("upstream",) if with_example else ("upstream", "example"))
    return renamed(path, text, name).encode()


def title_of(name: str) -> str:
    return name.replace("-", " ").title()


def renamed(path: str, text: str, name: str) -> str:
    """Return a text with the name in place of ours."""
    pattern = next(pattern for files, pattern in NAMES.items() if fnmatch(path, files))
    return TITLE.sub(title_of(name), re.sub(pattern, name, text))


def without_marked(path: str, text: str, words: Sequence[str]) -> str:
    """Return a text without the lines that are marked by one of the words. Raises MarkError."""
    for word in words:
        text = "".join(unmarked(path, text.splitlines(keepends=True), word))
    return text


def unmarked(path: str, lines: Sequence[str], word: str) -> list[str]:
    """Return the lines that the word does not mark. Raises MarkError."""
    mark, begin, end = (re.compile(rf"# {said}$") for said in (word, f"{word} begins", f"{word} ends"))
    kept: list[str] = []
    begun = 0  # the number of the line that begins the block, counted from one
    is_gap = False  # the blank lines before a block are kept: those after it would add to them
    for number, line in enumerate(lines, start=1):
        is_begin, is_end = bool(begin.search(line)), bool(end.search(line))
        if (is_begin and begun) or (is_end and not begun):
            raise MarkError(f"{path}: line {number}: {UNPAIRED.format(word=word)}")
        if is_begin or is_end:
            begun = number if is_begin else 0
            is_gap = bool(kept) and kept[-1].isspace()
        elif not (begun or mark.search(line) or (is_gap and line.isspace())):
            kept.append(line)
            is_gap = False
    if begun:
        raise MarkError(f"{path}: line {begun}: {UNPAIRED.format(word=word)}")
    return kept
