"""`./run bench` says what it has; what a benchmark finds is no test."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from bench.__main__ import MINUTES, NAMES

from tests.offbeat.support.running import CHECKOUT


def bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [[], ["--help"]], ids=["alone", "help"])
def test_all_benchmarks_are_listed(arguments):
    """Each has its line, with what it is about and how long it takes."""
    done = bench(*arguments)

    lines = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert (done.returncode, done.stderr) == (0, "")
    assert list(lines) == list(NAMES)
    assert all(f"about {count} minutes" in lines[name] for name, count in MINUTES.items())
    assert [name for name, line in lines.items() if not line.rstrip().endswith((".", ".md", ":"))] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["digest", "x"], 'takes a size, such as 10000, got "x"'),
        (["day", "0"], 'takes a size, such as 10000, got "0"'),
        (["ledger", "10", "20"], 'takes a size, such as 10000, got "10 20"'),
        (["cron", "--help"], 'takes no arguments, got "--help"'),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_arguments_that_a_benchmark_does_not_take_are_a_mistake(arguments, told):
    """They start nothing, and show what there is."""
    done = bench(*arguments)

    assert done.returncode == os.EX_USAGE
    assert done.stderr.startswith(f"./run bench {arguments[0]} {told}.\n  {arguments[0]}  about ")


def test_a_name_that_there_is_none_of_is_a_mistake():
    """It ends with the code of a wrong call, and shows the names."""
    done = bench("cronn")

    assert done.returncode == os.EX_USAGE
    assert done.stderr.startswith('./run bench has no "cronn".\n')
    assert "\n  digest " in done.stderr
