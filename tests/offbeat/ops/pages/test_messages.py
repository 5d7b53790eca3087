"""The page of the messages that no worker can read."""

import pytest

from offbeat.jobs import broker, unreadable_store
from tests.offbeat.ops.pages.support import post, text_of, trail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_redis(redis):
    """Nothing was put aside."""
    broker.breaker.close()
    with redis.connect() as client:
        client.flushall()
        yield client


@pytest.fixture
def two():
    """One that can be sent back, and one that cannot; the newest first."""
    unreadable_store.put_aside(b'{"a": 1}', "no task shop.gone", "mail")
    unreadable_store.put_aside(b"\xff<b>", "no JSON", "default")
    return unreadable_store.kept()


def test_none(client):
    """It says so."""
    assert "None." in text_of(client.get("/ops/messages/"))


def test_each_is_shown_with_its_reason(client, two):
    """And with the message itself, which is nobody's HTML; only a whole one can be sent back."""
    answer = client.get("/ops/messages/")

    text = text_of(answer)
    assert "2 kept" in text
    assert "default no JSON" in text
    assert "mail no task shop.gone" in text
    assert "\\xff&lt;b&gt;" in text
    assert answer.content.decode().count(">Requeue<") == 1


def test_the_overview_tells_of_them(client, two):
    """In its list of what is wrong, with a link."""
    answer = client.get("/ops/")

    assert "Redis : 2 messages put aside that no worker can read; the newest, of queue" in text_of(answer)
    assert 'href="/ops/messages/"' in answer.content.decode()


def test_one_is_sent_back(client, two, empty_redis):
    """It is in its queue, and the audit trail has who did that."""
    answer = post(client, f"/ops/messages/{two[1].id}/requeue/")

    assert "Returned to its queue." in text_of(answer)
    assert empty_redis.lrange(broker.key("mail"), 0, -1) == [b'{"a": 1}']
    assert trail() == [("alice", "requeue", f"message {two[1].id}", "Returned to its queue.")]


def test_one_is_dropped(client, two):
    """The other one stays."""
    assert "Dropped." in text_of(post(client, f"/ops/messages/{two[0].id}/drop/"))

    assert unreadable_store.kept() == [two[1]]


def test_too_late(client, two):
    """Somebody else was faster, or it is not whole."""
    unreadable_store.drop(two[0].id)

    assert "Nothing was done" in text_of(post(client, f"/ops/messages/{two[0].id}/requeue/"))


def test_all_are_dropped_after_a_question(client, two):
    """It cannot be taken back."""
    assert "Drop all messages?" in text_of(client.get("/ops/messages/drop/"))

    assert "Dropped 2 messages." in text_of(post(client, "/ops/messages/drop/"))
    assert unreadable_store.kept() == []


def test_redis_away(client, two, redis):
    """The page stays, and says so; an act says that nothing was done."""
    redis.stop()
    try:
        shown = text_of(client.get("/ops/messages/"))
        done = text_of(post(client, f"/ops/messages/{two[0].id}/drop/"))
    finally:
        redis.start()
        broker.breaker.close()

    assert "Redis does not answer." in shown
    assert "Nothing was done: Redis does not answer." in done
