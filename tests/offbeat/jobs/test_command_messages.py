"""`manage.py jobs messages`."""

import json
import uuid

import pytest

from offbeat.jobs import broker, unreadable_store
from tests.offbeat.jobs.test_command import jobs, refused

pytestmark = pytest.mark.usefixtures("carrier")


@pytest.fixture
def two():
    """Two messages that were put aside, the newest first."""
    unreadable_store.put_aside(b'{"a": 1}', "no task", "mail")
    unreadable_store.put_aside(b"hello", "no JSON", "default")
    return unreadable_store.kept()


def test_the_list_is_a_table(two):
    """A line each, the newest first."""
    heading, newest, oldest = jobs("messages").splitlines()

    assert heading.split() == ["id", "at", "queue", "reason"]
    assert newest.split() == [two[0].id, two[0].at[:19], "default", "no", "JSON"]
    assert oldest.startswith(two[1].id)


def test_an_empty_list_says_so():
    """As text, and as JSON."""
    assert jobs("messages") == "no message was put aside\n"
    assert json.loads(jobs("messages", "--json")) == []


def test_one_is_shown_whole(two):
    """With what came."""
    assert "raw         hello" in jobs("messages", "show", two[0].id).splitlines()
    assert json.loads(jobs("messages", "show", two[0].id, "--json"))["raw"] == "hello"


def test_one_goes_back_to_its_queue(two, carrier):
    """It is in the list no more."""
    assert jobs("messages", "requeue", two[1].id) == "sent back 1 messages\n"

    assert carrier.lrange(broker.key("mail"), 0, -1) == [b'{"a": 1}']
    assert unreadable_store.kept() == [two[0]]


def test_all_are_dropped(two):
    """Only where that is said."""
    assert jobs("messages", "drop", "--all") == "dropped 2 messages\n"

    assert unreadable_store.kept() == []


@pytest.mark.parametrize("what", ["drop", "requeue", "show"])
def test_nothing_is_decided_without_a_name(two, what):
    """Neither ids nor --all is a wrong use."""
    code, message = refused("messages", what)

    assert code == 64
    assert message.startswith(("Give the id", "Name "))
    assert unreadable_store.kept() == two


@pytest.mark.parametrize(("what", "code"), [("show", 66), ("drop", 65), ("requeue", 65)])
def test_what_is_not_there_is_named(two, what, code):
    """The exit code tells it to programs."""
    stranger = str(uuid.uuid4())

    assert refused("messages", what, stranger)[0] == code
    assert stranger in refused("messages", what, stranger)[1]


def test_redis_away_is_one_line(redis_away):
    """Nothing is known of its messages."""
    code, message = refused("messages")

    assert code == 69
    assert message.startswith("Redis did not answer: ")
