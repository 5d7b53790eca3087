"""The list of messages that no worker can read, on a real Redis."""

import logging

import pytest

from offbeat.jobs import broker, unreadable_store
from offbeat.jobs.brokers.redis import KEPT

pytestmark = pytest.mark.usefixtures("carrier")


def kept():
    return [one.raw for one in unreadable_store.kept()]


def test_a_message_is_kept_with_its_reason(carrier):
    """Whole, with its queue and a time; the newest comes first."""
    unreadable_store.put_aside(b"hello", "no JSON", "default")
    unreadable_store.put_aside(b"x", "no JSON", "mail")

    newest, oldest = unreadable_store.kept()
    assert (oldest.queue, oldest.reason, oldest.raw, oldest.is_whole) == ("default", "no JSON", "hello", True)
    assert newest.at > oldest.at
    assert unreadable_store.kept(1) == [newest]


def test_the_list_is_capped_and_the_count_is_not(settings):
    """The oldest ones go."""
    settings.OFFBEAT_JOBS = {"unreadable_kept": 2}
    for raw in ("a", "b", "c"):
        unreadable_store.put_aside(raw, "no JSON", "default")

    assert (kept(), unreadable_store.how_many()) == (["c", "b"], 2)
    assert unreadable_store.counts() == {"default": 3}


def test_a_long_message_is_cut():
    """Sixty-four thousand characters tell enough of garbage; a message that can be run one day is kept whole."""
    unreadable_store.put_aside("a" * 70_000, "no JSON", "default")
    unreadable_store.put_aside("a" * 70_000, "no task", "default", longest=None)

    whole, cut = unreadable_store.kept()
    assert (len(cut.raw), cut.is_whole) == (65_536, False)
    assert (len(whole.raw), whole.is_whole) == (70_000, True)


@pytest.mark.parametrize("raw", [b"\xff\0", "\ud800"])
def test_what_is_no_text_is_kept_as_far_as_it_can_be(raw):
    """Bytes are shown as escapes."""
    unreadable_store.put_aside(raw, "no \ud800", "default")

    assert len(kept()) == 1


def test_a_message_goes_back_to_its_queue_once(carrier):
    """It leaves the list, and is in its queue as it came."""
    unreadable_store.put_aside(b'{"a": 1}', "no task", "mail")
    (one,) = unreadable_store.kept()

    assert unreadable_store.requeue(one.id)

    assert (kept(), carrier.lrange(broker.key("mail"), 0, -1)) == ([], [b'{"a": 1}'])
    assert not unreadable_store.requeue(one.id)


@pytest.mark.parametrize("raw", [b"\xff", b"a" * 70_000])
def test_half_a_message_does_not_go_back(raw, carrier):
    """What was cut, or is no text, would come back as another message."""
    unreadable_store.put_aside(raw, "no JSON", "default")

    assert not unreadable_store.requeue(unreadable_store.kept()[0].id)
    assert (len(kept()), carrier.llen(broker.key("default"))) == (1, 0)


def test_a_message_is_dropped_once():
    """The others stay."""
    for raw in ("a", "b"):
        unreadable_store.put_aside(raw, "no JSON", "default")
    newest, oldest = unreadable_store.kept()

    assert unreadable_store.drop(oldest.id)

    assert unreadable_store.kept() == [newest]
    assert not unreadable_store.drop(oldest.id)


def test_what_somebody_else_wrote_into_the_list_is_passed(carrier):
    """It is no reason to see nothing."""
    unreadable_store.put_aside("a", "no JSON", "default")
    carrier.lpush(broker.key(KEPT), b"\xff", "7", '{"id": 1}')

    assert kept() == ["a"]


def test_a_message_that_redis_does_not_keep_is_in_the_log(redis_away, caplog):
    """Under an action of its own, with its text."""
    with caplog.at_level(logging.CRITICAL):
        unreadable_store.put_aside(b"hello", "no JSON", "default")

    (line,) = caplog.records
    assert line.action == "message_not_kept"
    assert "hello" in line.getMessage()


@pytest.mark.fault("a message that no worker can read, while Redis is full")
def test_a_full_redis_is_no_error(carrier, caplog):
    """The same."""
    carrier.config_set("maxmemory", 1)
    try:
        unreadable_store.put_aside(b"hello", "no JSON", "default")
    finally:
        carrier.config_set("maxmemory", 0)

    assert caplog.records[-1].action == "message_not_kept"
    assert unreadable_store.counts() == {}
