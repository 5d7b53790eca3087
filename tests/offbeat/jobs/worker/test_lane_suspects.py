"""Which calls run alone, and how many of them a worker keeps in hand."""

from types import SimpleNamespace

from offbeat.jobs import lanes
from offbeat.jobs.message import JOB_HEADER
from offbeat.jobs.worker import lane_suspects
from offbeat.jobs.worker.lane_call import LaneCall
from offbeat.jobs.worker.lane_limits import task_starts
from offbeat.jobs.worker.lane_suspects import Suspects


def calls_of_one_process(begun, unbegun=0, *, header=JOB_HEADER):
    count = begun + unbegun
    numbers = range(lanes.FIRST, lanes.FIRST + count)
    process = SimpleNamespace(starts=task_starts(count), numbers=tuple(numbers))
    for place in range(begun):
        process.starts[place] = 1.0
    arguments = ("task", "id", {header: "true"})
    return [
        LaneCall(f"{header} {number}", print, arguments, *4 * [print], None, None, number, process)
        for number in numbers
    ]


def suspects_of(*deaths, places=8):
    found = Suspects(places)
    for lost in deaths:
        found.note_death(lost)
    return found


def test_what_has_not_begun_has_killed_nobody():
    lost = calls_of_one_process(2, 3)

    suspects = suspects_of(lost)

    assert [call in suspects for call in lost] == [True, True, False, False, False]


def test_the_oldest_are_forgotten(monkeypatch):
    """What ends in another worker is not heard of here."""
    monkeypatch.setattr(lane_suspects, "MOST_KNOWN", 2)
    older, younger = calls_of_one_process(2, header="older"), calls_of_one_process(2, header="younger")

    suspects = suspects_of(older, younger)

    assert [call in suspects for call in older + younger] == [False, False, True, True]


def test_what_has_ended_and_not_said_so_may_have_killed_them():
    lost = calls_of_one_process(2)
    lost[0].process.starts[0] = lanes.ENDED

    assert all(call in suspects_of(lost) for call in lost)


def test_who_was_alone_is_known():
    lost = calls_of_one_process(1, 3)

    assert not any(call in suspects_of(lost) for call in lost)


def test_half_of_the_places_are_for_others():
    """Those that run alone count, and plain messages stay: nobody else has them."""
    lost = calls_of_one_process(7)
    plain = calls_of_one_process(3, header="plain")
    suspects = suspects_of(lost, plain)

    assert suspects.surplus(lost[:2], lost[2:]) == lost[4:]
    assert suspects.surplus([], lost[:4]) == []
    assert suspects.surplus(lost[:7], plain) == []
