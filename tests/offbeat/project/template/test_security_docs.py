"""docs/offbeat/security.md and asvs.md name their proofs, and the proofs are there."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from tests.offbeat.project.template.containers.dockerfile import ROOT

DOCS = ROOT / "docs/offbeat"
TEST = re.compile(r"`((?:tests/)[\w/.-]+\.py)(?:::(\w+))?`")
ROW = re.compile(r"^\| V(\d+\.\d+\.\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
# ASVS 5.0.0, level 1: how many requirements each chapter has.
LEVEL_1 = {1: 8, 2: 4, 3: 8, 4: 2, 5: 4, 6: 13, 7: 6, 8: 4, 9: 4, 10: 5, 11: 3, 12: 3, 13: 1, 14: 2, 15: 3}


def named(page: str) -> list[tuple[str, str]]:
    return TEST.findall((DOCS / page).read_text())


@functools.cache
def find_tests(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("page", ["asvs.md", "security.md", "backups.md", "supply-chain.md"])
def test_every_proof_is_there(page: str) -> None:
    """A test that is renamed or removed is missed here, so that no row rots."""
    found = named(page)

    assert found
    for path, name in found:
        assert (ROOT / path).is_file(), path
        assert not name or name in find_tests(path), f"{path}::{name}"


def test_every_requirement_has_a_row() -> None:
    """Each requirement of level 1 is there once, with a test, or with a reason that is a sentence."""
    rows = ROW.findall((DOCS / "asvs.md").read_text())
    numbers = [number for number, _, _ in rows]
    chapters = {chapter: sum(number.startswith(f"{chapter}.") for number in numbers) for chapter in LEVEL_1}

    assert len(set(numbers)) == len(numbers) == 70
    assert chapters == LEVEL_1
    assert [number for number, _, proof in rows if not TEST.search(proof) and len(proof.split()) < 5] == []
