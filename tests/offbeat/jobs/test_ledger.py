"""Which ledger this is: its identity, in its keys and its messages, and what it says of others."""

import json
import time

import pytest
from django.db import connection

from offbeat.jobs import broker, ledger, loss_token, other_ledgers
from offbeat.jobs.models import Broker
from tests.offbeat.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

forget = ledger.identity.cache_clear


@pytest.fixture(autouse=True)
def asked_anew():
    """The tables are emptied after each test, and the process remembers."""
    forget()
    yield
    forget()


@pytest.fixture
def another(carrier):
    """Signs for another ledger, whose workers looked so many seconds ago."""

    def sign(database, seconds=0):
        carrier.zadd(broker.key(other_ledgers.SIGNED), {f"{'a' * 32} {database}": time.time() - seconds})

    return sign


def test_the_identity_comes_back_by_itself():
    """Where somebody has emptied the table, the first who asks makes another row."""
    Broker.objects.all().delete()

    first = ledger.identity()

    assert Broker.objects.count() == 1
    assert ledger.identity() == first


def test_it_costs_no_query_once_it_is_known(django_assert_num_queries):
    """A request that enqueues pays for it once a process."""
    ledger.identity()

    with django_assert_num_queries(0):
        ledger.identity()


def test_another_id_is_another_ledger():
    """Each ledger's first migration makes one."""
    first = ledger.identity()
    Broker.objects.all().delete()
    forget()

    assert ledger.identity() != first


def test_a_copied_database_is_another_ledger(postgres):
    """With the same id in it: it lies in another place."""
    ledger.identity()
    row = Broker.objects.get()
    here = ledger.refresh_identity(row)
    with postgres.connect() as server:
        server.execute("DROP DATABASE IF EXISTS elsewhere WITH (FORCE)")
        server.execute("CREATE DATABASE elsewhere")
    with elsewhere("elsewhere"):
        there = ledger.refresh_identity(row)

    assert there != here


class elsewhere:  # noqa: N801  reads as what it does
    """Another database on the same server, for a while."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        connection.close()
        self.before, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], self.name

    def __exit__(self, *error):
        connection.close()
        connection.settings_dict["NAME"] = self.before


def test_a_restored_backup_is_noticed_by_a_process_that_runs_on():
    """A look reads the id anew, and what the process knew is forgotten."""
    before = ledger.identity()
    Broker.objects.all().delete()

    loss_token.check()

    assert ledger.identity() != before


def test_a_message_says_whose_job_it_carries(carrier):
    """So that a worker of another ledger can tell it from a second copy of its own."""
    nothing.enqueue()

    assert json.loads(carrier.rpop(broker.key("default")))["headers"]["ledger"] == ledger.identity()


def test_another_ledgers_token_is_left_alone(carrier):
    """Each has a key of its own: neither is taken for a loss of the other's."""
    loss_token.check()
    nothing.enqueue()
    carrier.set(ledger.key(loss_token.TOKEN, "a" * 32), "somebody else's")

    assert loss_token.check() == 0
    assert carrier.get(ledger.key(loss_token.TOKEN, "a" * 32)) == b"somebody else's"


def test_a_ledger_alone_has_no_others(caplog):
    """Its own sign is none."""
    loss_token.check()
    loss_token.check()

    assert other_ledgers.others() == []
    assert "another ledger" not in caplog.text


def test_another_deployment_is_told_once_a_process(another, caplog, monkeypatch):
    """With its database, and what to do; the doctor and the pages tell for as long as it lasts."""
    monkeypatch.setattr(other_ledgers, "_reported", set())
    another("shop_staging")

    loss_token.check()
    loss_token.check()

    assert other_ledgers.others() == ["shop_staging"]
    told = [record for record in caplog.records if getattr(record, "action", "") == "foreign_ledger"]
    assert len(told) == 1
    assert "in the database shop_staging" in told[0].getMessage()
    assert "REDIS_PREFIX" in told[0].getMessage()


def test_another_deployment_that_left_is_forgotten(another):
    """As a worker that gives no heartbeat."""
    another("shop_staging", seconds=60)

    assert other_ledgers.others() == []
