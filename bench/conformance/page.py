"""The part of docs/offbeat/django-conformance.md that says how many tests pass, and why the others cannot."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from bench.stand import CHECKOUT

PAGE = CHECKOUT / "docs" / "offbeat" / "django-conformance.md"
BEGIN, END = (
    "<!-- conformance begins: written by ./run bench conformance -->\n",
    "<!-- conformance ends -->\n",
)
PART = re.compile(f"(?<={re.escape(BEGIN)}).*(?={re.escape(END)})", re.DOTALL)


def write(verdicts):
    PAGE.write_text(PART.sub(lambda _: text_of(verdicts), PAGE.read_text()))
    return []


def compare(verdicts):
    """Return what is wrong with the page."""
    found = PART.search(PAGE.read_text())
    is_true = found is not None and found[0] == text_of(verdicts)
    return (
        [] if is_true else [f"{PAGE.relative_to(CHECKOUT)} says something else: run ./run bench conformance"]
    )


def text_of(verdicts):
    rows = ["| tests of | class | tests | pass | cannot apply |", "|---|---|---:|---:|---:|"]
    for verdict in verdicts:
        rows += rows_of(verdict)
    parts = ["\n".join(rows), *map(explained, verdicts)]
    return "\n" + "\n\n".join(parts) + "\n\n"


def explained(verdict):
    return f"What cannot apply of {verdict.name} {verdict.version}, and why:\n\n{reasons_of(verdict)}"


def rows_of(verdict):
    tests = Counter(test.split(".")[0] for test in verdict.found)
    passed = Counter(test.split(".")[0] for test in verdict.passed)
    where = f"{verdict.name} {verdict.version}"
    rows = [
        f"| {where} | `{case}` | {count} | {passed[case]} | {count - passed[case]} |"
        for case, count in tests.items()
    ]
    total, good = len(verdict.found), len(verdict.passed)
    return [*rows, f"| {where} | **all** | **{total}** | **{good}** | **{total - good}** |"]


def reasons_of(verdict):
    """Return a table with one line a reason, and the tests that it is the reason of."""
    tests = defaultdict(list)
    for test, reason in verdict.reasons.items():
        tests[reason].append(test)
    rows = [f"| {names(each, verdict)} | {reason} |" for reason, each in tests.items()]
    return "\n".join(["| test | why it cannot apply |", "|---|---|", *rows])


def names(tests, verdict):
    """Name a class for all of its tests."""
    cases = {test.split(".")[0] for test in tests}
    whole = {case for case in cases if all(t in tests for t in verdict.found if t.startswith(f"{case}."))}
    rest = [test for test in tests if test.split(".")[0] not in whole]
    return ", ".join(f"`{each}`" for each in sorted(whole) + rest)
