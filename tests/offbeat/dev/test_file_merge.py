"""What becomes of a file between two versions of upstream and what the team has made of it."""

from __future__ import annotations

import pytest

from offbeat.dev.file_merge import FileVersion, merge_file, write_outcome

ONE, TWO, OURS = (FileVersion(text) for text in (b"a\nb\nc\nd\n", b"A\nb\nc\nd\n", b"a\nb\nc\nD\n"))
BOTH = FileVersion(b"A\nb\nc\nD\n")
OTHER = FileVersion(b"x\nb\nc\nd\n")
LABELS = ("Offbeat 0.2.0", "Offbeat v0.3.0")
STAYS = "conflict: your file stays, because "


def merged(start, yours, new):
    outcome = merge_file("a.txt", (start, yours, new), LABELS)
    return outcome and (outcome.word, outcome.file, outcome.is_conflict)


@pytest.mark.parametrize(
    ("start", "yours", "new", "expected"),
    [
        pytest.param(ONE, OURS, ONE, None, id="upstream changed nothing"),
        pytest.param(ONE, TWO, TWO, None, id="both made the same change"),
        pytest.param(ONE, ONE, TWO, ("changed", TWO, False), id="only upstream changed it"),
        pytest.param(ONE, OURS, TWO, ("merged", BOTH, False), id="each changed other lines"),
        pytest.param(None, None, TWO, ("added", TWO, False), id="it is new"),
        pytest.param(ONE, None, TWO, ("stays deleted", None, False), id="the team has deleted it"),
        pytest.param(ONE, ONE, None, ("deleted", None, False), id="upstream has deleted it"),
        pytest.param(
            ONE, OURS, None, ("stays, with your changes; upstream has deleted it", OURS, False), id="deleted, but changed"
        ),
    ],
)  # fmt: skip
def test_what_becomes_of_a_file(start, yours, new, expected):
    """Whatever one side alone has done is done; the team's word is the last."""
    assert merged(start, yours, new) == expected


def test_the_same_line_is_a_conflict():
    """Both lines are in the file, between marks that say whose is whose."""
    word, file, is_conflict = merged(ONE, OTHER, TWO)

    assert (word, is_conflict) == ("conflict in 1 place", True)
    assert file.content.decode().splitlines()[:7] == [
        "<<<<<<< yours", "x", "||||||| Offbeat 0.2.0", "a", "=======", "A", ">>>>>>> Offbeat v0.3.0"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "yours", "why"),
    [
        (None, ONE, "upstream has a new file of that name"),
        (FileVersion(b"\0\1"), FileVersion(b"\0\2"), "only text files can be merged"),
    ],
)
def test_what_cannot_be_merged_stays(start, yours, why):
    """The team's file is left alone, and how to see upstream's is told."""
    word, file, is_conflict = merged(start, yours, FileVersion(b"\0\3"))

    assert (file, is_conflict) == (yours, True)
    assert word == f"{STAYS}{why}; compare it with git --git-dir=.local/upstream.git show v0.3.0:a.txt"


def test_whether_it_can_be_run_is_merged_too(tmp_path):
    """Upstream makes a script executable: so it is in the fork, with the fork's changes."""
    outcome = merge_file("run", (ONE, OURS, FileVersion(TWO.content, is_executable=True)), LABELS)
    write_outcome(tmp_path, outcome)

    assert (tmp_path / "run").read_bytes() == BOTH.content
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755
