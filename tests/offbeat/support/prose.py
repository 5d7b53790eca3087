"""What people read of the core, sentence by sentence: its pages, and the texts in its code.

`python -m tests.offbeat.support.prose` measures them, with textstat and write-good where install_tools has put them.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from statistics import median, quantiles
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from tests.offbeat.support.running import CHECKOUT

DOCS = CHECKOUT / "docs" / "offbeat"
TOOLS = CHECKOUT / ".local" / "tools"
TEXTSTAT = TOOLS / "textstat" / "bin" / "python"
# A sentence ends at a full stop that a new beginning follows, and with its line, cell or item.
END = re.compile(r"(?<=[.!?])[\"')*]*\s+(?=[\"'`(*A-Z\d…])|\n")
WORD = re.compile(r"[A-Za-z][\w'-]*")
CODE = re.compile(r"`[^`]+`(?:,? (?:and |or )?`[^`]+`)*")  # a list of names is read as one
# A statement, or a part of one.
STATEMENT = re.compile(
    r"^\s*(SELECT|UPDATE|INSERT|DELETE|WITH|CREATE|ALTER|DROP|SET|LOCK|VALUES|FROM|WHERE|SHOW|AND)\b|\b(coalesce|extract) ?\("
)
LONGEST = 30  # words of a sentence
# Words that only this project used where the field has its own, and idioms; each with a standard word for it.
INSTEAD = {
    r"told": "reported",
    r"away": "down, unreachable",
    r"mend(?:s|ed|ing)?": "fix",
    r"heal(?:s|ed|ing)": "claim, recover",
    r"(?:a|hard|first|no) looks?": "check",
    r"(?:to|be|is|are) looked? at": "check",
    r"until (?:somebody|someone) decides": "until a person retries or discards it",
    r"woken(?: up)?": "triggered",
    r"(?:un)?charged": "counted",
    r"(?:process|worker|child|server) leaves": "exits",
    r"stand-ins?": "local replacement",
    r"hand(?:s|ed|ing)? (?:\w+ )?back": "return to the queue",
    r"is asked first": "asks you to confirm",
    r"comes? to nothing": "fails",
    r"made up for": "claimed later",
    r"keepers?": "holder",
    r"stands? still": "is blocked, is frozen",
    r"epoch": "loss token",
    r"(?:what|whatever|which) bec(?:a|o)mes? of": "what happens to",
    r"whoever": "a person who",
    r"nobody's fault": "an external reason",
    r"for ever": "forever, without a limit",
    r"besides": "in addition",
    r"at hand": "present",
    r"somebody": "a person",
}
BANNED = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)
# Texts that are no sentences: names that systemd has for its own units.
LISTS = ("systemd basic blockdev",)


def instead_of(word: str) -> str:
    """Give the standard word for a banned one."""
    return next(instead for pattern, instead in INSTEAD.items() if re.fullmatch(pattern, word, re.IGNORECASE))


class Text(NamedTuple):
    """A sentence, and where it is."""

    where: str
    said: str

    @property
    def length(self) -> int:
        return len(WORD.findall(CODE.sub("code", self.said)))


def sentences_of_page(path: Path) -> list[Text]:
    """Give the sentences of a page; a cell of a table and an item of a list are ends, code is not read."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^( *)```.*?^\1```$|<!--.*?-->", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    found = []
    for number, block in enumerate(re.split(r"\n\s*\n|\n(?=\s*(?:[-|#]|\d+\. ))", text)):
        line = " ".join(block.split())
        cells = (
            line.strip("|").split(" | ")
            if line.startswith("|")
            else [re.sub(r"^(?:[-#>*]+|\d+\.) ", "", line)]
        )
        found += [Text(f"{path.name}:{number}", said) for cell in cells for said in sentences(cell)]
    return found


def sentences(text: str) -> list[str]:
    """Give the sentences of a text that have three words or more."""
    parts = (part.strip() for part in END.split(text))
    return [part for part in parts if len(WORD.findall(part)) >= 3]


def texts_of_module(path: Path) -> list[Text]:
    """Give what a module may say: its strings of three words or more that are no docstrings, statements or patterns."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {id(part) for node in ast.walk(tree) for part in _silent(node)}
    found = []
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        if isinstance(node, ast.JoinedStr):
            said = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            said = node.value
        else:
            continue
        if (
            " " in said.strip()
            and not said.startswith(LISTS)
            and not STATEMENT.search(said)
            and not re.search(r"\\[bdsw]|\(\?", said)
        ):
            found += [Text(f"{path.name}:{node.lineno}", each) for each in sentences(said)]
    return found


def _silent(node: ast.AST) -> list[ast.AST]:
    """Give the parts of a node that nobody is shown: its docstrings, and the pieces of a text that is read as a whole."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [
            part.value
            for part in node.body
            if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
        ]
    if isinstance(node, ast.JoinedStr):
        return [part for value in node.values for part in ast.walk(value)]
    return []


def texts_of_template(path: Path) -> list[Text]:
    """Give the texts of a page's template."""
    text = re.sub(r"\{%.*?%\}|\{#.*?#\}", " ", path.read_text(encoding="utf-8"))
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", text, flags=re.DOTALL)
    text = re.sub(r"</(?:p|li|td|th|h\d|div|dt|dd|button|a|label|option)>|<br>", "\n", text)
    text = re.sub(r"<[^>]+>", " ", re.sub(r"\{\{.*?\}\}", "X", text))
    return [Text(path.name, " ".join(said.split())) for said in sentences(text)]


def pages(root: Path = CHECKOUT) -> list[Path]:
    return sorted((root / "docs" / "offbeat").rglob("*.md"))


@cache
def texts(root: Path = CHECKOUT) -> list[Text]:
    """Give every text of the core's code and templates."""
    core = root / "src" / "offbeat"
    modules = [path for path in sorted(core.rglob("*.py")) if "migrations" not in path.parts]
    templates = sorted([*core.rglob("*.html"), *core.rglob("templates/**/*.txt")])
    return [text for path in modules for text in texts_of_module(path)] + [
        text for path in templates for text in texts_of_template(path)
    ]


def reading_ease(*groups: list[Text]) -> list[float]:
    """Give Flesch's reading ease of each group, as textstat counts it: from 60 on it is plain English."""
    count = "import json, sys, textstat; print(json.dumps([*map(textstat.flesch_reading_ease, json.load(sys.stdin))]))"
    program = [TEXTSTAT, "-c", count]
    texts = json.dumps([plain(group) for group in groups])
    done = subprocess.run(program, input=texts, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def passives(found: list[Text]) -> int:
    """Count what write-good takes for the passive voice."""
    program = TOOLS / "node_modules" / ".bin" / "write-good"
    with NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(plain(found))
        file.flush()
        done = subprocess.run([program, file.name, "--passive"], capture_output=True, text=True, check=False)
    return done.stdout.count("may be passive voice")


def plain(found: list[Text]) -> str:
    """Give the sentences with a full stop each, and a word for each piece of code."""
    return "\n".join(CODE.sub("code", text.said).rstrip(".:;") + "." for text in found)


def main(root: Path = CHECKOUT) -> None:
    """Print a table: a row for each page, one for all of them, and one for the texts of the code."""
    paths = [root / "README.md", *pages(root)]
    groups = {path.relative_to(root).as_posix(): sentences_of_page(path) for path in paths}
    groups["all pages"] = [text for group in groups.values() for text in group]
    groups["messages"] = texts(root)
    print("| | sentences | median words | p90 | longest | over 30 | reading ease | banned |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for (name, found), ease in zip(groups.items(), reading_ease(*groups.values()), strict=True):
        lengths = [text.length for text in found]
        over = sum(length > LONGEST for length in lengths)
        banned = sum(len(BANNED.findall(text.said)) for text in found)
        print(
            f"| {name} | {len(found)} | {median(lengths):.0f} | {quantiles(lengths, n=10)[-1]:.0f} | {max(lengths)} "
            f"| {over} | {ease:.0f} | {banned} |"
        )
    for name in ("all pages", "messages"):
        print(f"Passive voice, {name}: {passives(groups[name])} of {len(groups[name])} sentences")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
