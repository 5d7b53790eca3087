"""PandaStack's command line as a stand-in for PandaStack: it is asked what a checklist makes it send."""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.offbeat.support.running import CHECKOUT

PACKAGE = CHECKOUT / ".local" / "tools" / "node_modules" / "@pandastack" / "cli"
SCRIPT = Path(__file__).with_suffix(".js")
LINE = re.compile(r"""(?:^|[`'"( ])(panda [a-z]+\b[^`"\n]*)""", re.MULTILINE)
"""A line in code or in a block: our prose names the tool `panda` nowhere else."""


@dataclass
class Form:
    """A wizard of the command line with its answers, as a person reads them off the checklist."""

    command: list[str]
    answers: dict[str, str]
    lines: list[str] = field(default_factory=list)


@dataclass
class Step:
    """A numbered step of the checklist: wizards to run, then lines to type."""

    title: str
    forms: list[Form]
    lines: list[str]


def read_steps(text):
    """Give what a checklist makes a person enter and type, in its order."""
    shared = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        pasted = [line for block in _blocks(body, "env") for line in block]
        typed = [line for block in _blocks(body, "sh") for line in block]
        wizard = re.search(r"Run `panda (\w+ create)`", body)
        if title.endswith("Variables of every container"):
            shared = [*(re.sub(r'^echo "(\w+)=.*', r"\1=<printed>", line) for line in typed), *pasted]
        command = wizard[1].split() if wizard else []
        common = [] if command[:1] == ["db"] else [*shared, *pasted]
        forms = [Form(command, answers, [*common, *own]) for answers, own in _forms(body)] if wizard else []
        yield Step(title, forms, typed)


def read_forms(text):
    """Give the wizards of a checklist with their answers, in their order."""
    return [form for step in read_steps(text) for form in step.forms]


def _blocks(text, kind):
    return [
        block.split("\n")[:-1]
        for block in re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


def _forms(body):
    """Give (answers, own variables) for each table of questions, and for each row of a table of cronjobs."""
    tables = list(read_tables(body))
    questions = [dict(rows) for head, rows in tables if head == ["Question", "Answer"]]
    cronjobs = [rows for head, rows in tables if head[0] == "Cronjob name"]
    if not cronjobs:
        return [(each, []) for each in questions]
    return [
        (questions[0] | {"Cronjob name": name, "Cron schedule": line}, [variable])
        for name, line, variable, _ in cronjobs[0]
    ]


def read_tables(text):
    """Give (head, rows) of each Markdown table, without the marks around code."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *rows = [
            [
                cell.strip().strip("`").replace("\\|", "|")
                for cell in re.split(r"(?<!\\)\|", line.strip("|\n"))
            ]
            for line in block.splitlines()
        ]
        yield head, rows


def ask_tool(forms=()):
    """Run the command line's own wizards; gives the tree of its commands, and for each form what it would send or what is wrong."""
    if not PACKAGE.is_dir() or not shutil.which("node"):
        pytest.skip("node, or the npm package @pandastack/cli in .local/tools, is not installed")
    documents = [
        {"command": each.command, "answers": each.answers, "lines": list(each.lines)} for each in forms
    ]
    done = subprocess.run(
        ["node", SCRIPT, PACKAGE], input=json.dumps(documents), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return told["commands"], told["results"]


def read_lines(text):
    """Give the calls of the tool that a text writes, each up to the end of its code."""
    return LINE.findall(text)


def find_problem(line, commands):
    """Say what the tool would refuse in a line; None where it takes it."""
    words = shlex.split(re.sub(r"[\"')\]]+,?$", "", line.strip()), comments=True)[1:]
    known, command = commands, None
    while words and (found := next((each for each in known if each["name"] == words[0]), None)):
        command, known, words = found, found["commands"], words[1:]
    if command is None or known:
        return f"no such command: {words[:1]}"
    arguments = []
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            arguments.append(word)
        elif word.partition("=")[0] not in command["options"]:
            return f"unknown option {word}"
        elif command["options"][word.partition("=")[0]] and "=" not in word:
            words.pop(0)
    fits = command["least"] <= len(arguments) <= command["most"]
    return None if fits else f"{len(arguments)} arguments, {command['least']} to {command['most']} are right"
