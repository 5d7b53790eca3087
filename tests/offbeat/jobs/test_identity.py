import time
import uuid

from offbeat.jobs.identity import uuid7


def test_it_has_the_layout_of_version_7():
    """RFC 9562, section 5.7: version 7, variant 10, and the Unix time in milliseconds in front."""
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= after


def test_a_fraction_of_the_millisecond_follows(monkeypatch):
    """Section 6.2, method 3: the 12 bits behind the version are the time below a millisecond."""
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_123_750_000)

    made = uuid7()

    assert made.int >> 80 == 1_700_000_000_123
    assert made.int >> 64 & 0xFFF == 0.75 * 4096


def test_the_rest_is_random():
    """The 62 bits behind the variant are all drawn: over many, each of them is both 0 and 1."""
    many = [uuid7().int for _ in range(200)]

    for bit in range(62):
        assert {made >> bit & 1 for made in many} == {0, 1}


def test_they_sort_by_time(monkeypatch):
    """One of a later microsecond is greater, whatever its random bits."""
    times = iter(range(1_700_000_000_000_000, 1_700_000_000_005_000))
    monkeypatch.setattr("time.time_ns", lambda: next(times) * 1_000)

    made = [uuid7() for _ in range(5000)]

    assert made == sorted(made)


def test_no_two_are_equal():
    """Many of one millisecond differ."""
    assert len({uuid7() for _ in range(10_000)}) == 10_000
