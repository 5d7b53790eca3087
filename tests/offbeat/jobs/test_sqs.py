"""Amazon SQS, by a server that speaks its protocol: names, messages in hand, what is concluded of lost ones, refusals."""

from __future__ import annotations

import base64
import json
import threading
import time

import pytest
from celery import current_app
from kombu import Connection
from kombu.exceptions import OperationalError

from offbeat.jobs import unreadable_store
from offbeat.jobs.brokers import sqs, sqs_client, sqs_losses, sqs_queues
from offbeat.jobs.worker import sqs_receipts
from offbeat.jobs.worker.sqs_transport import SqsTransport
from offbeat.variables import sqs_url
from tests.offbeat.support import sqs_server
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.skipif(bool(sqs_server.MISSING), reason=sqs_server.MISSING)
HIDDEN = "ApproximateNumberOfMessagesNotVisible"
VISIBILITY = 2  # seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    sqs_server.add_library()
    with sqs_server.SqsServer(tmp_path_factory.mktemp("sqs")) as running:
        yield running


def forget():
    """Forget what a process reads of its settings once."""
    for each in (sqs_queues.prefix, sqs_queues.visibility_timeout, sqs_client._made):  # noqa: SLF001
        each.cache_clear()


@pytest.fixture
def broker(server, monkeypatch):
    """SQS as this process' broker, without any queue."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    options = {"queue_name_prefix": "shop-", "visibility_timeout": VISIBILITY}
    before = {name: current_app.conf[name] for name in ("broker_url", "broker_transport_options")}
    current_app.conf.update(broker_url="sqs://", broker_transport_options=options)
    monkeypatch.setattr(sqs_client, "client", sqs_client.quiet_client)  # moto is slower than SQS
    monkeypatch.setattr(sqs_client, "LONGEST_WAIT", 1)  # each test waits for its last request
    monkeypatch.setattr(sqs_queues, "_urls", {})
    monkeypatch.setattr(sqs_losses, "_watches", {})
    forget()
    server.empty()
    yield server
    # They hide what they got too late, by the address of this test.
    wait_until(lambda: not any(each.name.startswith("sqs-") for each in threading.enumerate()), 60)
    current_app.conf.update(before)
    forget()


@pytest.fixture
def connect(broker):
    """Make connections of kombu's, as a producer or a worker has one."""
    made = []

    def connection():
        made.append(Connection("sqs://", transport=SqsTransport))
        return made[-1]

    yield connection
    for each in made:
        each.close()


def receiver(connection, most=10):
    simple = connection.SimpleQueue("mail")
    simple.consumer.qos(prefetch_count=most)
    return simple


def counted(*attributes, queue="mail"):
    return sqs_queues.count(sqs_queues.name_of(queue), *attributes)


# Names and addresses


def test_no_two_queues_share_a_name(broker):
    """What SQS allows stays as it is, each level apart; any other name gets a mark of its own, and stays within 80 characters."""
    names = [
        sqs_queues.name_of(queue, level)
        for queue in (
            "mail",
            "mail.bulk",
            "mail-bulk",
            "mail/bulk",
            "m" * 90,
            "m" * 91,
            "mail__low",
            "a.fifo",
        )
        for level in (-9, 0, 9)
    ]

    assert names[:3] == ["shop-mail__high", "shop-mail", "shop-mail__low"]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 80
    assert not [name for name in names if name.endswith(".fifo")]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("sqs://", (None, None, None, None)),
        ("sqs://?region=us-gov-west-1", ("us-gov-west-1", None, None, None)),
        ("sqs://AK:a%2Fb%2Bc@", (None, None, "AK", "a/b+c")),
        ("sqs://AK:s@localhost:9324", (None, "http://localhost:9324", "AK", "s")),
    ],
)
def test_an_address(url, found):
    """Without anything it leaves all to the platform; what is escaped in a secret is read as it was meant."""
    assert tuple(sqs_url.read(url, {})) == found


def test_the_platforms_region():
    """AWS_REGION, which containers of AWS have, is read; botocore reads AWS_DEFAULT_REGION only."""
    assert sqs_url.read("sqs://", {"AWS_REGION": "eu-north-1"}).region == "eu-north-1"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqs://?regoin=eu-north-1", "no option regoin"),
        ("sqs://?region=frankfurt", "frankfurt is no region"),
        ("sqs://key@", "a key without its secret"),
        ("sqs://key:a/b@", "has no path, and a secret's / is written as %2F"),
    ],
)
def test_a_wrong_address(url, told):
    """It says what is wrong, never a secret, and what would be right."""
    with pytest.raises(ValueError, match=told):
        sqs_url.read(url, {})


# Messages


def test_a_message_in_hand_is_hidden_until_it_is_acknowledged(connect):
    """Its lease is renewed beyond the timeout; acknowledged it is deleted, and what is left when the worker stops comes back."""
    simple = receiver(connect())
    for number in range(3):
        simple.put({"number": number})
    messages = [simple.get(timeout=5) for _ in range(3)]
    time.sleep(1.5 * VISIBILITY)

    assert counted(sqs.VISIBLE) == 0
    messages[0].ack()
    wait_until(lambda: counted(HIDDEN) == 2)
    messages[1].reject(requeue=True)
    wait_until(lambda: simple.get(timeout=5).delivery_info["redelivered"] is True)
    simple.close()
    simple.channel.connection.client.close()
    wait_until(
        lambda: counted(sqs.VISIBLE) == 2
    )  # what an open request brings after the end goes back a moment later


def test_a_dead_worker_s_messages_come_back(connect):
    """Nobody renews their lease; SQS says that it hands them out again."""
    name = sqs_queues.name_of("mail")
    simple = receiver(connect())
    simple.put({"number": 1})
    url = sqs_queues.find(sqs_client.client(), name)
    sqs_client.client().receive_message(QueueUrl=url, VisibilityTimeout=1)  # a worker that is killed now

    message = simple.get(timeout=10)

    assert (message.delivery_info["redelivered"], message.delivery_info["times"]) == (True, 2)


def test_no_more_is_taken_than_can_be_begun(connect):
    """The rest waits where other workers find it."""
    sender, simple = connect(), receiver(connect(), most=2)
    for number in range(5):
        sender.SimpleQueue("mail").put({"number": number})

    simple.get(timeout=5)
    simple.get(timeout=5)

    assert counted(sqs.VISIBLE) == 3


def test_urgent_messages_pass(connect):
    """Priority is a queue of its own: what can wait is taken when nothing else is there."""
    connection = connect()
    producer = connection.Producer()
    for priority in (9, 9, 0, 0):
        producer.publish({"priority": priority}, exchange="", routing_key="mail", priority=priority)

    simple = receiver(connection, most=1)
    order = []
    for _ in range(4):
        order.append((message := simple.get(timeout=5)).payload["priority"])
        message.ack()

    assert order == [0, 0, 9, 9]


def test_a_message_of_kombu_s_own_transport(connect):
    """A producer with plain Celery sends it in base64: it is read, too."""
    simple = receiver(connect())
    text = json.dumps(
        {
            "body": base64.b64encode(b'{"number": 7}').decode(),
            "headers": {},
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "properties": {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "base64"},
        }
    )
    sqs.push(sqs_queues.name_of("mail"), [base64.b64encode(text.encode()).decode()])

    assert simple.get(timeout=5).payload == {"number": 7}


def test_a_message_that_is_too_large(connect):
    """The sender hears which task, how large, and what to do instead."""
    producer = connect().Producer()

    with pytest.raises(sqs.MessageTooLargeError) as refused:
        producer.publish("x" * 1_000_000, exchange="", routing_key="mail", headers={"task": "shop.bulk"})

    assert str(refused.value).startswith("shop.bulk: 1,33")
    assert "SQS takes 1,032,192 at most. Hint: write enqueue()" in str(refused.value)


def test_a_message_that_is_too_large_for_its_queue(connect):
    """A queue of a team's own may take a quarter of what SQS can: the sender hears what to set."""
    producer, name = connect().Producer(), sqs_queues.name_of("mail")
    client = sqs_client.client()
    url = sqs_queues.find(client, name)
    client.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "1024"})

    with pytest.raises(
        sqs.MessageTooLargeError, match=f"queue {name} takes less: set its MaximumMessageSize"
    ):
        producer.publish("x" * 2000, exchange="", routing_key="mail", headers={"task": "shop.bulk"})


def test_the_largest_message_can_be_kept(broker):
    """One that no worker can run is kept whole, in an envelope that says why."""
    raw = json.dumps({"headers": {"argsrepr": '"' * 1024}, "body": ""})
    raw = raw.replace('"body": "', '"body": "' + "x" * (sqs.LARGEST_PLAIN - len(raw)))

    unreadable_store.put_aside(raw, "nobody knows its task", "mail", longest=None)

    (kept,) = unreadable_store.kept()
    assert (kept.raw, kept.can_go_back) == (raw, True)


def test_delay_while_sqs_is_down(connect, monkeypatch):
    """It raises what it raises with every broker."""
    producer = connect().Producer()
    monkeypatch.setattr(sqs_queues, "call", refuse_all)

    with pytest.raises(OperationalError, match="it is down"):
        producer.publish("x", exchange="", routing_key="mail", retry=True, retry_policy={"max_retries": 1})


def refuse_all(*_, **__):
    raise sqs_client.SqsError("it is down")


def test_a_queue_that_is_refused_holds_up_no_other(broker, monkeypatch):
    """What a worker has in hand of others is deleted; nothing more of the refused one is done."""
    asked = []

    def call(client, operation, name, **options):
        asked.append(name)
        if name == "refused":
            raise sqs_client.QueueRefusedError("denied")
        return {}

    monkeypatch.setattr(sqs_queues, "call", call)
    refused, other = (sqs_receipts.SqsReceipt(name, "handle") for name in ("refused", "other"))

    assert sqs_receipts._each([refused, other], "delete_message_batch") == {other}  # noqa: SLF001
    assert not sqs.push("refused", ["one"])
    assert asked == ["refused", "other", "refused"]


def test_requests_are_filled(broker):
    """Ten messages share a request, as far as they fit."""
    sqs.push(sqs_queues.name_of("mail"), ["small"] * 23 + ["x" * 700_000] * 2)

    assert counted(sqs.VISIBLE) == 25
    assert sqs.purge("mail") == 25
    assert sqs.waiting("mail") == 0


def test_a_queue_that_was_deleted_is_made_anew(broker):
    """Whoever sends next makes it; until then nothing waits there."""
    name = sqs_queues.name_of("mail")
    sqs.push(name, ["one"])
    sqs_client.client().delete_queue(QueueUrl=sqs_queues.find(sqs_client.client(), name))

    assert sqs.waiting("mail") == 0
    sqs.push(name, ["two"])
    assert sqs.waiting("mail") == 1


# Lost messages


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock of watches, in a test's hand."""
    seen = [1000.0]
    monkeypatch.setattr(sqs_losses.time, "monotonic", lambda: seen[0])
    return seen


@pytest.mark.parametrize(
    ("hidden", "quiet"), [(0, 60), (1, 120)], ids=["nothing hidden", "one hidden, of a dead worker perhaps"]
)
def test_an_empty_queue_has_lost_what_was_published_before(clock, hidden, quiet):
    """Only when it was empty at every look, for as long as counts may be late, and messages hidden where some are."""
    watch = sqs_losses.QueueWatch()
    lost = (
        5000 - quiet + 30
    )  # what was published 30 s before this: `lost_message_after` is taken off by who asks
    for number, after, found in (
        (0, 0, 0),
        (0, quiet - 1, 0),
        (0, 2, lost),
        (1, 1, 0),
        (0, 1, 0),
        (0, quiet + 1, lost),
    ):
        clock[0] += after
        watch.note_count(number, hidden)

        assert watch.lost_before(5000.0, hidden=60) == found, (number, after)


def test_a_job_that_a_hundred_others_have_overtaken():
    """Each of them published half an hour after it; with one that was not, nothing is concluded of those behind it."""
    watch = sqs_losses.QueueWatch()
    for number in range(99):
        watch.note_message(9000.0 + number)

    assert watch.lost_before(10_000.0, hidden=60) == 0
    watch.note_message(9500.0)
    assert watch.lost_before(10_000.0, hidden=60) == 9000 - 1800


# What cannot be read


def test_what_was_put_aside(broker):
    """It is listed, the newest first, sent back or dropped: each once."""
    entries = [json.dumps({"id": f"01-{number}", "queue": "mail", "raw": "{}"}) for number in range(12)]
    for entry in entries:
        sqs.keep(entry, "mail", 1000)

    assert [each.decode() for each in sqs.kept()] == sorted(entries, reverse=True)
    assert len(sqs.kept(limit=3)) == 3
    assert sqs.count_kept() == 12
    assert [sqs.take(entries[0], "mail", "raw"), sqs.take(entries[0], "mail", "raw")] == [True, False]
    assert sqs.take(entries[1])
    assert (sqs.count_kept(), sqs.waiting("mail")) == (10, 1)


# Refusals


@pytest.mark.parametrize(
    ("code", "told", "kind"),
    [
        (
            "AccessDenied",
            "it denies access: .*SendMessage.*not allowed. Hint: docs/offbeat/sqs.md has the policy",
            sqs_client.QueueRefusedError,
        ),
        (
            "AWS.SimpleQueueService.QueueDeletedRecently",
            "QueueDeletedRecently.*not allowed$",
            sqs_client.QueueRefusedError,
        ),
        ("KMS.DisabledException", "KMS.DisabledException", sqs_client.QueueRefusedError),
        ("SignatureDoesNotMatch", "the secret of this access key right, and the clock", sqs_client.SqsError),
        ("ExpiredToken", "temporary credentials are over", sqs_client.SqsError),
        ("InvalidClientTokenId", "AWS does not know this access key", sqs_client.SqsError),
        ("ThrottlingException", r"An error occurred \(ThrottlingException\)", sqs_client.SqsError),
    ],
)
def test_what_sqs_refuses(server, code, told, kind):
    """It is one line of ours, with Amazon's own words and where a person has to look; of one queue, or of all."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  there only with the server

    with pytest.raises(sqs_client.SqsError, match=told) as refused, sqs_client.translated():
        raise ClientError({"Error": {"Code": code, "Message": "not\nallowed"}}, "SendMessage")

    assert type(refused.value) is kind


def test_no_credentials(broker, monkeypatch):
    """The line says which variables, or a role."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(sqs_client.SqsError, match="give the process a role, or set AWS_ACCESS_KEY_ID"):
        sqs.push(sqs_queues.name_of("mail"), ["one"])
