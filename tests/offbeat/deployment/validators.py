"""Validators of exports: each holds what is printed for a target against what the platform publishes itself.

A validator takes {case: {path: text}}, so that a tool starts once for all cases, and an empty folder; it raises
AssertionError, or skips the test where its tool is not installed. Its `proof` is the target's fact `proved_by`.
"""

from collections.abc import Callable
from pathlib import Path

Exports = dict[str, dict[str, str]]
Validator = Callable[[Exports, Path], None]
VALIDATORS: dict[str, tuple[str, Validator]] = {}


def proves(target: str, proof: str):
    """Register a function as a target's validator, and say in a few words what it asks."""

    def register(validator: Validator) -> Validator:
        VALIDATORS[target] = (proof, validator)
        return validator

    return register
