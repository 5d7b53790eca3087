"""Digests that a fork's dependabot and upstream's both renew: an update of the core is no conflict because of them."""

from __future__ import annotations

import pytest

from offbeat.dev.file_merge import FileVersion, merge_file

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
LABELS = ("Offbeat 0.2.0", "Offbeat v0.3.0")


def image(digest, tag="3.13-slim", below="RUN one"):
    return f"FROM docker.io/library/python:{tag}@sha256:{digest} AS base\n{below}\nUSER app\n"


def action(commit, version="v5.1.0", below="run: one"):
    return f"- uses: actions/checkout@{commit * 40} # {version}\n  {below}\n"


@pytest.mark.parametrize(
    ("start", "yours", "new", "expected"),
    [
        pytest.param(image(A), image(B), image(C, below="RUN two"), image(B, below="RUN two"), id="both renewed it"),
        pytest.param(image(A), image(A, below="RUN my"), image(C), image(C, below="RUN my"), id="upstream renewed it"),
        pytest.param(image(A), image(B), image(A, below="RUN two"), image(B, below="RUN two"), id="the team renewed it"),
        pytest.param(image(A), image(B), image(C, tag="3.14-slim"), image(C, tag="3.14-slim"), id="another tag"),
        pytest.param(action("a"), action("b", "v6.0.0"), action("c", "v5.2.0", "run: two"),
                     action("b", "v6.0.0", "run: two"), id="an action and its version"),
    ],
)  # fmt: skip
def test_renewed_by_both(start, yours, new, expected):
    """The team's digest stays where it has renewed it; the rest of the line, and of the file, is merged as ever."""
    versions = tuple(FileVersion(text.encode()) for text in (start, yours, new))

    outcome = merge_file("Dockerfile", versions, LABELS)

    assert not outcome.is_conflict
    assert outcome.file.content.decode() == expected


def test_a_line_that_the_team_rewrote_is_still_a_conflict():
    """Only the digest is left out of the comparison."""
    mine = image(B).replace("AS base", "AS mine")
    versions = tuple(FileVersion(text.encode()) for text in (image(A), mine, image(C, tag="3.14-slim")))

    assert merge_file("Dockerfile", versions, LABELS).is_conflict
