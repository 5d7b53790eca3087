"""The benchmark of peers counts lost and doubled jobs by the lines that the jobs write. Upstream alone has it."""

from __future__ import annotations

import pytest

peer_losses = pytest.importorskip("bench.peer_losses", reason="a fork has no benchmarks")
Effects = pytest.importorskip("bench.peer_stand").Effects

FAULT, END = 10.0, 130.0


@pytest.fixture
def effects(tmp_path):
    return Effects(tmp_path / "effects")


def write(effects, *lines):
    effects.path.write_text("".join(f"{word} {number} {at:.6f}\n" for word, number, at in lines))


def life(number, begin, end=None):
    """Give the lines of a job that was sent, begun and, where it was not killed, ended."""
    lines = [("sent", number, 0.0), ("begin", number, begin)]
    return lines + [("end", number, end)] * (end is not None)


def judge(effects, hit=frozenset()):
    return peer_losses.judge(effects, set(hit), FAULT, END)


def test_a_job_without_an_end_is_missing(effects):
    """Whether it had begun or not."""
    write(effects, *life(1, 1.0, 2.0), *life(2, 9.9), ("sent", 3, 0.0))

    assert judge(effects, {2}) == peer_losses.Loss(2, 0, 0, None)


def test_what_came_too_late_is_missing(effects):
    """A peer has the time that the page names."""
    write(effects, *life(1, 1.0, 2.0), *life(2, 9.9), ("begin", 2, 129.0), ("end", 2, 130.5))

    assert judge(effects, {2}) == peer_losses.Loss(1, 0, 1, None)


def test_a_job_that_ran_at_the_fault_is_repeated(effects):
    """Who was in the middle of it cannot know how far it came; the time is that of its end."""
    write(effects, *life(1, 1.0, 2.0), *life(2, 9.9), ("begin", 2, 55.0), ("end", 2, 57.0))

    assert judge(effects, {2}) == peer_losses.Loss(0, 0, 1, 47.0)


def test_a_job_that_had_ended_is_doubled(effects):
    """Its effect is there twice, and the fault did not find it running."""
    write(effects, *life(1, 1.0, 2.0), *life(2, 3.0, 4.0), ("begin", 1, 55.0), ("end", 1, 57.0))

    assert judge(effects, {2}) == peer_losses.Loss(0, 1, 0, 0.0)


def test_a_fault_hits_the_last_ones(effects):
    """What had begun without an end, and the last job of each slot, whose end may be unknown to the peer."""
    write(effects, *life(1, 1.0), *life(2, 3.0, 4.0), *life(3, 5.0, 6.0), *life(4, 7.0))

    assert effects.running(slots=2) == {1, 3, 4}


def test_lines_are_read_in_the_order_of_their_times(effects):
    """Processes write as they come; a line that is half written waits for the next look."""
    write(effects, ("end", 1, 2.0), ("begin", 1, 1.0))
    with effects.path.open("a") as file:
        file.write("begin 2")

    assert [word for word, _, _ in effects.lines()] == ["begin", "end"]
