"""What only RabbitMQ does to jobs: queues that are purged and deleted, alarms, a node that loses its data or its types."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

import amqp
import pytest
from django.utils import timezone

from offbeat.deployment.spec import read
from offbeat.jobs import broker, unreadable_store
from offbeat.jobs.brokers import amqp as broker_module
from offbeat.jobs.brokers import amqp_link
from offbeat.jobs.brokers.amqp import message_of
from offbeat.jobs.brokers.amqp_link import AmqpLink, arguments, links, named
from offbeat.jobs.conf import conf
from offbeat.jobs.message import job_message
from offbeat.jobs.models import Job, Worker
from offbeat.ops import conditions
from offbeat.ops.doctor import examination
from offbeat.ops.metrics import page as metrics
from offbeat.ops.pages import overview
from offbeat.ops.snapshot import Snapshot
from tests.offbeat.faults.conftest import QUICK
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.proxy import Proxy
from tests.offbeat.faults.tls import TLS, certificate, signed
from tests.offbeat.support.polling import stays, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.brokers("rabbitmq", only=True)]

GARBAGE = [
    amqp.Message(b"hello"),
    amqp.Message(b"\xff\xfe", content_type="application/json", content_encoding="utf-8"),
    amqp.Message(b"[[]]", content_type="application/json", content_encoding="utf-8"),
    amqp.Message(b"[" * 5000, content_type="application/json", content_encoding="utf-8"),
    amqp.Message(b"{}", content_type="application/x-python-serialize", content_encoding="binary"),
    amqp.Message(b"x", application_headers={"compression": "application/x-nothing", "task": "a", "id": "b"}),
    amqp.Message(b"", application_headers={"job": True, "id": 7, "task": ["x"]}),
    amqp.Message(b"[[], {}, {}]", application_headers={"id": "1", "task": "shop.gone"}, content_type="application/json"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_queue_is_silent():
    broker_module.timed_out.clear()
    broker_module.silent.clear()


def control(server, *arguments):
    """Ask the node through its own program."""
    program = "/usr/lib/rabbitmq/bin/rabbitmqctl"
    subprocess.run([program, "-q", *arguments], env=server.node, check=True, capture_output=True, timeout=150)


def limits(server, **milliseconds):
    """Set limits of the node, for channels that are opened from now on."""
    settings = (f"application:set_env(rabbit, {name}, {value})" for name, value in milliseconds.items())
    control(server, "eval", f"{', '.join(settings)}.")


def send(server, *messages, queue="default"):
    with server.channel() as channel:
        for message in messages:
            channel.basic_publish(message, routing_key=named(queue))


@pytest.mark.fault(
    "a message is popped from Redis and lost, or its worker dies before it starts the job",
    "a long backlog",
    "a message is delivered twice, even at the same moment",
    "a message that no worker can read: garbage, wrong types in headers or body, nested a thousand levels deep",
)
def test_what_happens_to_queues(faults):
    """A queue is purged, deleted, filled with garbage and with copies: each job is done once, and no backlog is sent again."""
    for number in range(20):
        tasks.work.enqueue(f"purged-{number}")
    with faults.carrier.channel() as channel:
        assert channel.queue_purge(named("default")) == 20
    for number in range(40):
        tasks.work.enqueue(f"kept-{number}", 0.2)

    worker = faults.quick_worker()
    faults.wait_for_all()
    worker.wait_for("20 messages of queue default were lost")
    assert worker.output.count("were lost") == 1

    with faults.carrier.channel() as channel:
        channel.queue_delete(named("default"))
    job = tasks.work.enqueue("after the queue was deleted")
    assert faults.wait_for_state(job, "succeeded")

    with faults.carrier.channel() as channel:
        raw = message_of(job_message(str(job.pk), job.task, "default", timezone.now()))
    send(faults.carrier, raw, raw, *GARBAGE)
    wait_until(lambda: unreadable_store.how_many() == len(GARBAGE))
    assert {one.queue for one in unreadable_store.kept()} == {"default"}
    assert worker.is_running
    assert faults.repeated() == []

    gone = next(one for one in unreadable_store.kept() if "shop.gone" in one.reason)
    assert unreadable_store.requeue(gone.id)
    wait_until(lambda: len(unreadable_store.kept()) == len(GARBAGE))  # and is put aside again
    assert unreadable_store.drop(unreadable_store.kept()[0].id)
    assert faults.wait_for_state(tasks.work.enqueue("after the garbage"), "succeeded")
    assert worker.stop() == 0


@pytest.mark.fault(
    "Redis is down, or accepts connections and never answers",
    "Redis restarts while jobs run",
    "Redis is full (`noeviction`)",
    "Redis is emptied, or restarts without its data",
    "a publish that timed out but arrived",
)
def test_what_happens_to_the_server(faults, caplog):
    """It is killed, blocks its publishers, freezes and loses its data: enqueueing is bounded, and each job is done once."""
    worker = faults.quick_worker()
    time.sleep(5)  # a quorum queue that is made in the moment of a kill has no leader afterwards
    running = [tasks.work.enqueue(f"running-{number}", 4) for number in range(2)]
    faults.wait_for_start("running-1")
    tasks.work.enqueue_many(((f"waiting-{number}",), {}) for number in range(50))

    faults.carrier.kill()
    tasks.work.enqueue("while it was down")
    faults.carrier.start()
    faults.wait_for_all(seconds=90)
    assert [faults.wait_for_state(job, "succeeded").attempt for job in running]

    control(faults.carrier, "set_vm_memory_high_watermark", "absolute", "1")
    wait_until(lambda: not is_there())
    tasks.work.enqueue("during an alarm")
    assert broker.breaker.is_open
    control(faults.carrier, "set_vm_memory_high_watermark", "absolute", "512MB")
    faults.wait_for_all()

    links.close()
    broker.ping()  # by a link that has not declared the queue yet
    broker.breaker.close()
    caplog.clear()
    faults.carrier.pause()
    for number in range(9):
        tasks.work.enqueue(f"frozen-{number}")
    assert len(actions(caplog, "did not answer some seconds ago")) >= 7  # nobody waited for these
    time.sleep(2)
    faults.carrier.resume()
    faults.wait_for_all()

    faults.wait_for_state(tasks.work.enqueue("before the loss"), "succeeded")
    worker.pause()
    broker.breaker.close()  # it may still be open from the freeze, and nobody else publishes now
    lost = [tasks.work.enqueue(f"lost-{number}") for number in range(9)]
    wait_until(lambda: broker.waiting("default") >= 5)  # the rest is in hand
    faults.carrier.kill()
    shutil.rmtree(faults.carrier.data / "mnesia")
    faults.carrier.start()
    worker.resume()
    faults.wait_for_all(seconds=90)
    assert Job.objects.filter(pk__in=[job.pk for job in lost], state="succeeded").count() == len(lost)
    # What ran when the server was killed may have been ended with the connection, and begun anew.
    assert [label for label in faults.repeated() if not label.startswith("running")] == []
    assert worker.is_running


@pytest.mark.fault("the key of a queue in Redis is not a list")
def test_a_queue_of_another_type(faults, caplog):
    """Its jobs wait, others go on, and the log says what to do."""
    with faults.carrier.channel() as channel:
        channel.queue_delete(named("mail"))
        channel.queue_declare(named("mail"), durable=True, auto_delete=False)
    waits = tasks.nothing_by_mail.enqueue()

    assert Job.objects.get(pk=waits.pk).state == "pending"
    assert "exists in RabbitMQ with other arguments" in caplog.text
    assert not broker.breaker.is_open
    tasks.work.enqueue("others")
    assert broker.waiting("default") == 1
    with faults.carrier.channel() as channel:
        assert channel.queue_declare(
            named("default"), durable=True, auto_delete=False, arguments=arguments()
        ).message_count
        channel.queue_delete(named("mail"))


@pytest.mark.fault("the key of a queue in Redis is not a list")
def test_queues_that_cannot_be_consumed(faults, caplog):
    """Enqueueing is bounded, a worker goes on with its other queues, and consumes these again when they are whole or deleted."""
    tasks.work.enqueue("before")
    leader = f"'%2F_{named('default')}'"
    control(
        faults.carrier, "eval", f"sys:suspend({leader})."
    )  # as one whose node was killed while it was made

    wait_until(lambda: tasks.work.enqueue("silent") and "queue_refused" in actions(caplog), pause=1)
    assert actions(caplog)[0] == "publish_deferred"  # by the breaker; then by this queue alone
    wait_until(lambda: not broker.breaker.is_open)

    argv = read().service("worker").argv
    worker = faults.stack.start("worker", argv, **QUICK, WORKER_CONCURRENCY="1")
    faults.wait_for_state(tasks.nothing_by_mail.enqueue(), "succeeded", seconds=60)
    worker.wait_for("queue default cannot be consumed")
    control(faults.carrier, "eval", f"sys:resume({leader}).")
    worker.wait_for("queue default is consumed again", seconds=60)
    faults.wait_for_all()

    with faults.carrier.channel() as channel:
        channel.queue_delete(named("mail"))
        channel.queue_declare(named("mail"), durable=True, auto_delete=False)
    worker.wait_for(f"queue {named('mail')} exists", seconds=60)
    faults.wait_for_state(tasks.work.enqueue("others"), "succeeded", seconds=60)
    with faults.carrier.channel() as channel:
        channel.queue_delete(named("mail"))
    worker.wait_for("queue mail is consumed again", seconds=60)

    control(faults.carrier, "eval", f"ra:stop_server(quorum_queues, {{{leader}, node()}}).")
    lost = tasks.work.enqueue("its queue is deleted")
    wait_until(lambda: worker.output.count("queue default cannot be consumed") == 2, seconds=60)
    faults.wait_for_state(tasks.nothing_by_mail.enqueue(), "succeeded", seconds=60)
    with faults.carrier.channel() as channel:
        channel.queue_delete(named("default"))
    faults.wait_for_state(lost, "succeeded", seconds=90)
    assert [label for label in faults.repeated() if label != "silent"] == []  # several jobs have that one
    assert "Traceback" not in worker.output
    assert worker.stop() == 0


@pytest.mark.fault("a connection is closed, or half open, while a job runs")
def test_a_connection_goes_bad(faults):
    """A worker behind a half-open one consumes again by itself; one that closes makes no second copy of a job that runs."""
    proxy = Proxy(faults.carrier.url)
    worker = faults.quick_worker(BROKER_URL=proxy.url)
    running = tasks.work.enqueue("running", 2)
    faults.wait_for_start("running")
    proxy.go_silent()
    faults.wait_for_state(running, "succeeded")
    tasks.work.enqueue("swallowed")
    faults.wait_for_all()

    job = tasks.work.enqueue("cut", 4)
    tasks.work.delay("plain", 4)
    faults.wait_for_start("cut")
    faults.wait_for_start("plain")
    proxy.cut()
    faults.wait_for_start("plain", times=2)  # its first copy was ended
    wait_until(lambda: faults.happened("plain"))

    assert faults.wait_for_state(job, "succeeded").attempt == 1
    assert faults.happened("cut", "start") == 1

    limits(faults.carrier, consumer_timeout=2000, channel_tick_interval=500)
    proxy.cut()  # channels read them when they are opened
    wait_until(lambda: worker.output.count("Connected to") == 4)
    job = tasks.work.enqueue("outlasts the acknowledgement timeout", 6)
    worker.wait_for("delivery acknowledgement on channel 1 timed out")
    assert faults.wait_for_state(job, "succeeded").attempt == 1
    limits(faults.carrier, consumer_timeout=1800000, channel_tick_interval=60000)
    assert faults.repeated() == []
    assert worker.stop() == 0


@pytest.mark.fault("a connection is closed, or half open, while a job runs")
def test_a_connection_is_cut_while_all_processes_work(faults):
    """Afterwards each of them gets jobs again."""
    proxy = Proxy(faults.carrier.url)
    worker = faults.quick_worker(BROKER_URL=proxy.url)
    for number in range(2):
        tasks.work.enqueue(f"before {number}", gate=faults.gate)
    for number in range(2):
        faults.wait_for_start(f"before {number}")

    proxy.cut()
    wait_until(lambda: worker.output.count("Connected to") == 2)
    faults.open_gate()
    faults.wait_for_all()

    for number in range(3):
        tasks.work.enqueue(f"after {number}", gate=f"{faults.gate}-afterwards")
    wait_until(lambda: Effect.objects.filter(label__startswith="after", what="start").count() == 2)
    assert worker.output.count("Connected to") == 2  # which would have helped
    Path(f"{faults.gate}-afterwards").touch()
    faults.wait_for_all()
    assert faults.repeated() == []
    assert "Couldn't ack" not in worker.output  # the ledger has these jobs


@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
def test_a_stop_while_the_server_stands_still(faults):
    """The worker connects anew afterwards, for what still runs, and takes nothing more."""
    proxy = Proxy(faults.carrier.url)
    worker = faults.quick_worker(BROKER_URL=proxy.url, OFFBEAT_JOBS_DRAIN="300")
    running = tasks.work.enqueue("running", gate=faults.gate)
    faults.wait_for_start("running")

    faults.carrier.pause()
    proxy.cut()
    worker.wait_for("Connection to broker lost")
    worker.signal(signal.SIGTERM)
    worker.wait_for("worker_stopping")
    faults.carrier.resume()
    wait_until(lambda: worker.output.count("Connected to") == 2)
    later = tasks.work.enqueue("later")
    faults.wait_for_state(later, "published")

    stays(lambda: not faults.happened("later", "start"), seconds=3)
    faults.open_gate()
    assert worker.wait() == 0
    assert (Job.objects.get(pk=running.pk).state, Job.objects.get(pk=running.pk).attempt) == ("succeeded", 1)
    faults.quick_worker()
    assert faults.wait_for_state(later, "succeeded").attempt == 1


def test_more_messages_than_it_takes_at_once(faults, monkeypatch):
    """It has confirmed all but some hundred of the thousands at any moment: its flow control is not taken for an outage."""
    link, unconfirmed = AmqpLink(), []
    publish = link.channel.basic_publish

    def note(*arguments, **options):
        unconfirmed.append(len(link.open_tags))
        return publish(*arguments, **options)

    monkeypatch.setattr(link.channel, "basic_publish", note)
    link.publish("default", [amqp.Message(b"x" * 400)] * 3000)
    link.connection.close()

    assert max(unconfirmed) <= conf().relay_batch
    assert broker.waiting("default") == 3000


def test_what_people_see(faults):
    """Pages, metrics, the doctor and alerts say what waits in it, what was put aside, and that RabbitMQ is down, not Redis."""
    tasks.work.enqueue("waits")
    unreadable_store.put_aside(b"hello", "no JSON", "mail")
    Worker.objects.create(hostname="here", pid=1, queues=["default", "mail"], concurrency=2, heartbeat_at=timezone.now(),
        broker_away_since=timezone.now())  # fmt: skip

    assert overview.gather().messages == {"default": 1, "mail": 0}
    shown = metrics_now()
    assert shown["offbeat_queue_messages", "default"] == 1
    assert shown["offbeat_messages_kept_aside",] == 1
    assert not [name for name, *_ in shown if "put_aside" in name]  # RabbitMQ does not count them
    assert shown["offbeat_server_up", "rabbitmq"] == 1
    assert kinds_now() >= {
        ("messages_put_aside", "RabbitMQ"),
        ("worker_no_broker", str(Worker.objects.get())),
    }
    levels = {each.name: each.level for each in examination.examine()}
    assert (levels["versions"], levels["RabbitMQ"], levels["RabbitMQ messages"]) == (0, 0, 1)
    assert "visibility timeout" not in levels

    faults.carrier.pause()
    found, shown, page = kinds_now(), metrics_now(), overview.gather()
    findings = {each.name: each.found for each in examination.examine()}
    faults.carrier.resume()
    assert ("broker_down", "RabbitMQ") in found
    assert page.messages is None
    assert shown["offbeat_condition", "broker_down", "RabbitMQ", "error"] == 1
    assert shown["offbeat_server_up", "rabbitmq"] == 0
    assert "does not answer" in findings["RabbitMQ"]
    assert not [name for name in findings if "Redis" in name]


def metrics_now():
    return {
        (each.name, *each.labels.values()): each.value
        for family in metrics.families()
        for each in family.samples
    }


def kinds_now():
    return {(each.kind.name, each.subject) for each in conditions.find(Snapshot.take()).conditions}


def test_a_message_of_nobody(faults):
    """One of a job that no ledger knows is dropped."""
    worker = faults.quick_worker()
    send(
        faults.carrier,
        message_of(job_message(str(uuid.uuid4()), tasks.work.name, "default", timezone.now())),
    )
    worker.wait_for("does not need to run")
    stays(lambda: unreadable_store.how_many() == 0, seconds=1)


def actions(caplog, text=""):
    return [each.action for each in caplog.records if hasattr(each, "action") and text in each.getMessage()]


def is_there():
    try:
        return broker.ping()
    except broker.errors():
        return False


def test_classic_queues_know_all_priorities(faults, monkeypatch):
    """With BROKER_QUEUE_TYPE=classic the most urgent job is next, of jobs and plain messages, whenever it came."""
    monkeypatch.setattr(amqp_link, "is_quorum", lambda: False)
    amqp_link.links.close()  # links remember what they have declared
    for priority in (-100, -50, -10, 0, 10, 50, 100):
        tasks.work.using(priority=priority).enqueue(f"{priority}")

    faults.quick_worker(WORKER_CONCURRENCY="1", BROKER_QUEUE_TYPE="classic")
    faults.wait_for_all()

    begun = Effect.objects.filter(what="start").order_by("pk").values_list("label", flat=True)
    assert list(begun) == ["100", "50", "10", "0", "-10", "-50", "-100"]
    amqp_link.links.close()


ENQUEUE = "from tests.offbeat.faults.effects import tasks; tasks.work.enqueue('by TLS')"


@pytest.mark.fault("Redis' certificate cannot be verified")
def test_tls(faults, tmp_path):
    """A job goes through amqps:// where the certificate is verified, or is not to be; else none, and the reason is said once."""
    authority = certificate(tmp_path, "authority")
    server = TLS(faults.carrier.url, *signed(tmp_path, "rabbitmq", authority))
    ca = authority[0].read_text().replace("\n", "\\n")
    for number, given in enumerate(({"BROKER_CA": ca}, {"BROKER_TLS_VERIFY": "false"}), 1):
        faults.stack.environment |= {"BROKER_URL": f"amqps://guest:guest@127.0.0.1:{server.port}/"} | given
        done = faults.stack.manage("shell", "-c", ENQUEUE)
        assert (done.returncode, done.stderr) == (0, "")
        worker = faults.worker()
        wait_until(lambda: Job.objects.filter(state="succeeded").count() == number, seconds=30)  # noqa: B023
        worker.stop()
        for name in given:
            del faults.stack.environment[name]

    other = certificate(tmp_path, "other")[0].read_text().replace("\n", "\\n")
    for host, authority_given in (("127.0.0.1", other), ("localhost", ca)):
        address = f"amqps://guest:guest@{host}:{server.port}/"
        wrong = {"BROKER_URL": address, "BROKER_CA": authority_given}
        done = faults.stack.manage("shell", "-c", ENQUEUE, **wrong)
        assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
        assert Job.objects.latest("created_at").state == "pending"
        worker = faults.stack.start("worker", read().service("worker").argv, **wrong)
        worker.wait_for("CERTIFICATE_VERIFY_FAILED", seconds=60)
        assert "Traceback" not in worker.output
        worker.kill()


@pytest.mark.parametrize(
    "path", ["guest:wrong-password@127.0.0.1:{port}/", "guest:guest@127.0.0.1:{port}/nowhere"]
)
def test_a_wrong_address(faults, path):
    """No traceback, no password in what is printed; the doctor is red, and rows wait."""
    wrong = {"BROKER_URL": "amqp://" + path.format(port=faults.carrier.port)}

    done = faults.stack.manage("shell", "-c", ENQUEUE, **wrong)
    doctor = faults.stack.manage("doctor", **wrong)

    assert Job.objects.get().state == "pending"
    assert "Traceback" not in done.stderr + doctor.stderr
    assert "wrong-password" not in done.stderr + doctor.stdout + doctor.stderr
    assert doctor.returncode
